"""The steps of a run that have to do with the stack itself: tools, up, destroy. Each can be run alone."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from csscgen import sharing
from csscgen.context import Context, needed_tools
from csscgen.stackfiles import Stack
from infra.engine import StepEvent
from infra.engine.state import FILE
from infra.local import tools
from infra.local.running import end_all
from infra.local.sockets import is_free, owner, release
from workloads.errors import EngineError, UsageError


def check(context: Context) -> None:
    """Refuses what cannot work, before anything is touched. Raises UsageError."""
    stack = context.stack
    if stack.settings.platform == "azure" and context.engine.name != "cli":
        raise UsageError(
            f"Stack {stack.name} is on Azure, and making it needs the Pulumi CLI, which is not on PATH. Install it, "
            "or take a local stack."
        )
    if stack.settings.platform == "kubeconfig":
        raise UsageError(f"Stack {stack.name} has platform kubeconfig, which this version cannot make; local is one.")
    for each in filter(None, (stack.shared, stack)):
        if not context.engine.exists(each.name):
            _check_ports(each)
    if stack.shared:
        made = context.engine.outputs(stack.shared.name).get("declared")
        if made is not None and made != stack.shared.settings.shared_part:
            raise UsageError(
                f"Stack {stack.shared.name} is up already, made with {made}, and what is asked for differs. Destroy it "
                f"(`csscgen destroy --stack {stack.shared.name}`), take it as it is, or take stacks of your own with "
                "--instance NAME."
            )


def _check_ports(stack: Stack) -> None:
    settings = stack.settings
    if stack.shared:
        fixed = {
            "cluster.apiServerPort": settings.cluster.apiServerPort,
            "gatekeeper.port": settings.gatekeeper.port,
            "ratify.port": settings.ratify.port,
        }
    else:
        first = settings.registry.port
        fixed = {f"registry.port of {r.name}": first and first + i for i, r in enumerate(settings.registry.regions)}
    for key, port in fixed.items():
        other = owner(port) if port else None
        if other is not None:
            raise UsageError(
                f"Port {port}, which {key} of stack {stack.name} asks for, is reserved for the stack in {other}. "
                "Destroy that one, set another port, or 0 for a free one."
            )
        if port and not is_free(port):
            raise UsageError(
                f"Port {port}, which {key} of stack {stack.name} asks for, is busy on 127.0.0.1. End what listens "
                "there, set another port, or 0 for a free one."
            )


def install_tools(context: Context) -> dict[str, str | None]:
    """Finds or builds the real binaries; returns the version of each."""
    from infra.local.tools import builds

    if context.settings.platform != "local":
        return {}
    needed = needed_tools(context.settings, (context.stack.shared or context.stack).settings)
    builds.install(
        needed,
        lambda tool, what, done, total: context.progress.count(
            f"packages of {tool.name}" if total else what, done, total
        ),
    )
    found = [tools.find(binary) for tool in needed for binary in tool.packages]
    return {binary.name: binary.version for binary in found if binary}


def bring_up(context: Context, *, temporary: bool = False) -> None:
    """Brings up the shared stack if it is not up, then the stack without its load.

    ``temporary`` says that a shared stack which is brought up for it goes with its last user.
    """
    shared = context.stack.shared
    if shared:
        with sharing.joined(context, temporary=temporary) as lacking:
            if lacking:
                context.engine.up(shared.name, shared.config, _teller(context))
    without = context.changed(load={"start": False}) if shared else context
    context.engine.up(context.stack.name, without.stack.config, _teller(context))


def destroy(context: Context, *, shared: bool) -> None:
    """Removes the stack, and the shared one if ``shared``, or if a run brought it up and this was its last user.

    What is not there is fine.
    """
    _remove(context, context.stack)
    if not context.stack.shared:
        sharing.forget(context.state / context.stack.name)
    else:
        with sharing.left(context, also=shared) as last:
            if last:
                _remove(context, context.stack.shared)


def remove_instance(state: Path) -> None:
    """Removes the folder of an instance, and its key, once no stack is in it: only their states need the key."""
    if [file.name for file in state.glob("*")] == ["key"]:
        (state / "key").unlink(missing_ok=True)
    with suppress(OSError):
        state.rmdir()


def _remove(context: Context, stack: Stack) -> None:
    """Destroys one stack, then whatever of it no state knows: stray processes, ports, files that a kill left."""
    folder, files = context.state / stack.name, context.files(stack)
    failure: EngineError | None = None
    try:
        context.engine.destroy(stack.name, stack.config, _teller(context))
    except EngineError as error:
        failure = error
    if stack.settings.platform == "local" and (strays := end_all(files)):
        context.progress.say(f"  stopped what no state knew: {', '.join(strays)}")
    if failure is not None:
        raise failure
    if stack.settings.platform != "local":
        return
    release(files)
    shutil.rmtree(files, ignore_errors=True)
    for draft in folder.glob("*.tmp"):
        draft.unlink(missing_ok=True)
    for aside in folder.glob(f"{FILE}.unreadable-*"):
        context.progress.say(f"  the state file that could not be read is kept as {aside}")


def _teller(context: Context) -> Any:
    def tell(event: StepEvent) -> None:
        if event.op != "same":
            context.progress.update(f"{event.op} {event.name} {'…' if event.status == 'started' else event.status}")

    return tell
