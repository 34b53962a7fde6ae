"""A stand-in for the Pulumi CLI: answers as its documentation and the automation API have it, for the programs that
$FAKE_PULUMI/scenario.json describes, and records every call in $FAKE_PULUMI/calls.jsonl.

It keeps a state as a backend does. What is told to break breaks half-way: what was done by then stays done. It obeys
SIGINT like the CLI: the first one lets it end what is under way, and nothing more is begun.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any

FOLDER = Path(os.environ["FAKE_PULUMI"])
ABOUT = ("PULUMI_", "CSSCGEN_")
CONFLICT = (
    "error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the "
    "lock file with `pulumi cancel`.\n  file:///states/locks/1.json: created by ann@her-machine (pid 7)"
)
PASSPHRASE = (
    "error: getting secrets manager: passphrase must be set with PULUMI_CONFIG_PASSPHRASE or "
    "PULUMI_CONFIG_PASSPHRASE_FILE environment variables"
)
Emit = Callable[[dict[str, Any]], None]


class Failed(Exception):
    """The CLI ends with this on stderr."""


class Backend:
    """The scenario, which is also where the states are."""

    def __init__(self) -> None:
        self.file = FOLDER / "scenario.json"
        self.content = json.loads(self.file.read_text())

    def save(self) -> None:
        new = self.file.with_suffix(".new")
        new.write_text(json.dumps(self.content))
        new.replace(self.file)

    def stack(self, name: str) -> dict[str, Any]:
        if name not in self.content["stacks"]:
            raise Failed(f"error: no stack named '{name}' found")
        found: dict[str, Any] = self.content["stacks"][name]
        return found

    def needs_passphrase(self) -> None:
        if self.content["passphrase"] and os.environ.get("PULUMI_CONFIG_PASSPHRASE") is None:
            raise Failed(PASSPHRASE)

    def program(self, name: str) -> list[dict[str, Any]]:
        """What the stack declares with the configuration of this call."""
        config = json.loads(os.environ.get("CSSCGEN_CONFIG") or "{}")
        loads = config.get("load", {}).get("start", True)
        return [each for each in self.content["programs"].get(name, []) if loads or not each.get("load")]


def main(argv: list[str]) -> int:
    record(argv)
    backend = Backend()
    args = [a for a in argv if a != "--non-interactive"]
    stack = args[args.index("--stack") + 1] if "--stack" in args else ""
    if said := backend.content["says"].get(args[0]):
        print(said, file=sys.stderr)
        return 255
    try:
        if args[0] == "version":
            print(backend.content["version"])
        elif args[0] == "stack":
            of_stacks(backend, args[1], args[2], stack, "--show-secrets" in args)
        elif args[0] in ("up", "preview", "destroy"):
            operate(backend, args[0], stack, args[args.index("--event-log") + 1])
        else:
            raise Failed(f"error: unknown command {args[0]!r}")
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 255
    return 0


def record(argv: list[str]) -> None:
    about = {key: value for key, value in os.environ.items() if key.startswith(ABOUT)}
    with open(FOLDER / "calls.jsonl", "a") as calls:
        calls.write(json.dumps({"argv": argv, "environment": about, "cwd": os.getcwd(), "at": time.time()}) + "\n")


def of_stacks(backend: Backend, what: str, name: str, stack: str, shown: bool) -> None:
    if what == "ls":
        counts = {each: len(found["resources"]) for each, found in backend.content["stacks"].items()}
        print(json.dumps([{"name": each, "current": False, "resourceCount": n} for each, n in counts.items()]))
    elif what == "init":
        backend.needs_passphrase()
        backend.content["stacks"][name] = {"resources": [], "outputs": {}, "locked": False}
        backend.save()
    elif what == "select":
        backend.stack(stack)
    elif what == "output":
        if shown:
            backend.needs_passphrase()
        outputs = backend.stack(stack)["outputs"]
        print(json.dumps({k: v if shown or not secret else "[secret]" for k, (v, secret) in outputs.items()}))
    elif what == "export":
        found = backend.stack(stack)
        state = found.get("export") or {"manifest": {}, "resources": found["resources"]}
        print(json.dumps({"version": 3, "deployment": state}))
    elif what == "history":
        entry = {"kind": "update", "startTime": "2026-01-01T00:00:00.000Z", "message": "", "environment": {}}
        print(json.dumps([{**entry, "config": {}, "result": "succeeded"}]))


def operate(backend: Backend, what: str, stack: str, log: str) -> None:
    found = backend.stack(stack)
    if found["locked"]:
        raise Failed(CONFLICT)
    backend.needs_passphrase()
    cancelled = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: cancelled.set())
    with events(log) as emit:
        outputs = backend.content["outputs"].get(stack, {})
        if what != "up" or not any(each.get("hook") for each in backend.program(stack)):
            outputs = hook(backend, what, stack) or outputs
        for event in backend.content["events"].get(what, []):
            emit(event)
        steps = destroyed if what == "destroy" else made
        for step in steps(backend, stack, dry=what == "preview"):
            emit({"resourcePreEvent": {"metadata": step["metadata"]}})
            if broken := backend.content["breaks"].get(f"{what} {stack} {step['name']}"):
                emit({"diagnosticEvent": {"severity": "error", "urn": step["urn"], "message": broken, "color": "raw"}})
                emit({"resOpFailedEvent": {"metadata": step["metadata"], "status": 0, "steps": 0}})
                verb = "update" if what == "up" else what
                about = {"severity": "error", "urn": urn(stack, STACK, "")}
                emit({"diagnosticEvent": {**about, "message": f"{verb} failed"}})
                raise Failed(f"error: {verb} failed")
            print(f" +  {step['name']} {what}", flush=True)
            time.sleep(step["seconds"])
            if step["hook"] and what == "up":
                outputs = hook(backend, what, stack) or outputs
            step["do"]()
            backend.save()
            emit({"resOutputsEvent": {"metadata": step["metadata"]}})
            if cancelled.is_set():
                raise Failed("error: update canceled")
        if what != "preview":
            found["outputs"] = outputs if what == "up" else {}
            backend.save()
        elif stack in backend.content["outputs"]:
            state = {"type": STACK, "urn": urn(stack, STACK, ""), "outputs": backend.content["outputs"][stack]}
            emit({"resOutputsEvent": {"metadata": {"op": "create", "urn": state["urn"], "type": STACK, "new": state}}})


def hook(backend: Backend, what: str, stack: str) -> Any:
    """Lets the test do an operation, at its beginning or at the resource that is marked so; returns its outputs."""
    if not (url := backend.content["hook"]):
        return None
    names = [each["name"] for each in backend.program(stack)]
    config = json.loads(os.environ.get("CSSCGEN_CONFIG") or "{}")
    body = json.dumps({"op": what, "stack": stack, "program": names, "config": config}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "text/json"})) as answer:
        return json.load(answer)


STACK = "pulumi:pulumi:Stack"


def made(backend: Backend, stack: str, *, dry: bool) -> Iterator[dict[str, Any]]:
    resources = backend.stack(stack)["resources"]
    known = {each["urn"] for each in resources}
    root = {"type": STACK, "name": f"ratify-perf-{stack}", "component": True}
    for each in [root, *backend.program(stack)]:
        address = urn(stack, each["type"], each["name"])
        state = {"urn": address, "type": each["type"], "inputs": each.get("inputs", {}), "id": each.get("id", "")}
        state |= {} if each.get("component") else {"custom": True}

        def add(state: dict[str, Any] = state, new: bool = address not in known) -> None:
            if new and not dry:
                resources.append(state)

        op = "same" if address in known else "create"
        yield step(op, address, each, add, new=state)


def destroyed(backend: Backend, stack: str, *, dry: bool) -> Iterator[dict[str, Any]]:
    resources = backend.stack(stack)["resources"]
    about = {urn(stack, each["type"], each["name"]): each for each in backend.content["programs"].get(stack, [])}
    for state in reversed(list(resources)):
        each = about.get(state["urn"], {"name": state["urn"].split("::")[-1], "type": state["type"]})
        yield step("delete", state["urn"], each, partial(resources.remove, state), old=state)


def step(op: str, address: str, each: dict[str, Any], do: Callable[[], object], **states: Any) -> dict[str, Any]:
    metadata = {"op": op, "urn": address, "type": each["type"], "provider": "", **states}
    seconds = 0 if op == "same" else each.get("seconds", 0)
    about = {"name": each["name"], "urn": address, "metadata": metadata, "hook": bool(each.get("hook"))}
    return {**about, "seconds": seconds, "do": do}


def urn(stack: str, type_: str, name: str) -> str:
    return f"urn:pulumi:{stack}::ratify-perf::{type_}::{name or f'ratify-perf-{stack}'}"


class events:
    """Sends events as they come, to a file or by gRPC, as the version of the CLI has it."""

    def __init__(self, log: str) -> None:
        self._log = log
        self._number = 0

    def __enter__(self) -> Emit:
        if not self._log.startswith("tcp://"):
            self._file = open(self._log, "a")  # closed on the way out
            self._send: Callable[[str | None], object] = self._write
            return self._emit
        import grpc
        from pulumi.runtime.proto import events_pb2, events_pb2_grpc

        lines: SimpleQueue[str | None] = SimpleQueue()
        self._send = lines.put
        self._channel = grpc.insecure_channel(self._log.removeprefix("tcp://"))
        stream = (events_pb2.EventRequest(event=line) for line in iter(lines.get, None))
        self._stream = threading.Thread(target=events_pb2_grpc.EventsStub(self._channel).StreamEvents, args=(stream,))
        self._stream.start()
        return self._emit

    def __exit__(self, *_: object) -> None:
        self._emit({"cancelEvent": {}})
        self._send(None)
        if self._log.startswith("tcp://"):
            self._stream.join()
            self._channel.close()

    def _emit(self, event: dict[str, Any]) -> None:
        self._number += 1
        self._send(json.dumps({"sequence": self._number, "timestamp": 1, **event}))

    def _write(self, line: str | None) -> None:
        if line is None:
            self._file.close()
        else:
            self._file.write(f"{line}\n")
            self._file.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
