"""A stand-in for the Pulumi CLI: answers as the automation API expects, by the scenario in $FAKE_PULUMI/scenario.json,
and records every call in $FAKE_PULUMI/calls.jsonl."""

import json
import os
import sys
from pathlib import Path

FOLDER = Path(os.environ["FAKE_PULUMI"])


def main(argv: list[str]) -> int:
    scenario = json.loads((FOLDER / "scenario.json").read_text())
    with open(FOLDER / "calls.jsonl", "a") as calls:
        calls.write(json.dumps({"argv": argv, "config": os.environ.get("CSSCGEN_CONFIG"), "cwd": os.getcwd()}) + "\n")
    args = [a for a in argv if a != "--non-interactive"]
    stack = args[args.index("--stack") + 1] if "--stack" in args else None
    if args[0] == "version":
        print(scenario["version"])
    elif args[:2] == ["stack", "select"]:
        if stack not in scenario["stacks"]:
            print(f"error: no stack named '{stack}' found", file=sys.stderr)
            return 255
    elif args[:2] == ["stack", "init"]:
        scenario["stacks"][args[2]] = 0
        (FOLDER / "scenario.json").write_text(json.dumps(scenario))
    elif args[:2] == ["stack", "ls"]:
        listed = [{"name": n, "current": False, "resourceCount": c} for n, c in scenario["stacks"].items()]
        print(json.dumps(listed))
    elif args[:2] == ["stack", "output"]:
        shown = "--show-secrets" in args
        print(
            json.dumps({k: v if shown or not secret else "[secret]" for k, (v, secret) in scenario["outputs"].items()})
        )
    elif args[:2] == ["stack", "history"]:
        entry = {"kind": "update", "startTime": "2026-01-01T00:00:00.000Z", "message": "", "environment": {}}
        print(json.dumps([{**entry, "config": {}, "result": "succeeded"}]))
    elif args[0] in ("up", "preview", "destroy"):
        send(args[args.index("--event-log") + 1], scenario["events"].get(args[0], []))
        if args[0] in scenario["fail"]:
            print(scenario["fail"][args[0]], file=sys.stderr)
            return 255
    return 0


def send(log: str, events: list[dict]) -> None:
    lines = [
        json.dumps({"sequence": i, "timestamp": 1, **event}) for i, event in enumerate([*events, {"cancelEvent": {}}])
    ]
    if not log.startswith("tcp://"):
        Path(log).write_text("".join(f"{line}\n" for line in lines))
        return
    import grpc
    from pulumi.runtime.proto import events_pb2, events_pb2_grpc

    with grpc.insecure_channel(log.removeprefix("tcp://")) as channel:
        events_pb2_grpc.EventsStub(channel).StreamEvents(iter([events_pb2.EventRequest(event=line) for line in lines]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
