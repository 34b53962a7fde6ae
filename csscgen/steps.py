"""The steps of a run that have to do with the stack itself: tools, up, destroy. Each can be run alone."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from csscgen import remains, sharing
from csscgen.awaiting import Awaiting
from csscgen.context import Context, needed_tools
from csscgen.stackfiles import Stack
from infra.engine.state import FILE
from infra.local import tools
from infra.local.running import end_all
from infra.local.sockets import release
from workloads.errors import EngineError


def install_tools(context: Context) -> dict[str, str | None]:
    """Finds or builds the real binaries; returns the version of each."""
    from infra.local.tools import builds

    if context.settings.platform == "local":
        needed = needed_tools(context.settings, (context.stack.shared or context.stack).settings)
    else:  # the rest is in the cluster: only seeding is done here
        needed = tools.select(["waiter"])
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

    ``temporary`` says that a shared stack which is brought up for it goes with its last user. Azure's never does: it is
    made once for a subscription, and others use it from elsewhere.
    """
    shared = context.stack.shared
    if shared:
        stays = shared.settings.platform == "azure"
        with sharing.joined(context, temporary=temporary and not stays) as lacking:
            if lacking:
                _up(context, shared.name, shared.config)
        _ensure_certificate(context)
    without = context.changed(load={"start": False}) if shared else context
    _up(context, context.stack.name, without.stack.config)
    if not shared:
        _ensure_certificate(context)


def _ensure_certificate(context: Context) -> None:
    """Makes the signing certificate in the shared stack's vault if it is not there: Ratify's stack reads it."""
    stack = context.stack.shared or context.stack
    if stack.settings.platform != "azure":
        return
    from csscgen.azure import certificates, credentials

    with credentials.credential() as login:
        certificates.ensure(context.shared_outputs(), stack.settings.signing, login, tell=context.progress.update)


def _up(context: Context, stack: str, config: Mapping[str, object]) -> None:
    with Awaiting(context.progress.update) as awaiting:
        context.engine.up(stack, config, awaiting.follow)


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
        with Awaiting(context.progress.update) as awaiting:
            context.engine.destroy(stack.name, stack.config, awaiting.follow)
    except EngineError as error:
        failure = error
    local = stack.settings.platform == "local"
    if local and (strays := end_all(files)):
        context.progress.say(f"  stopped what no state knew: {', '.join(strays)}")
    if failure is not None:
        raise failure if local else EngineError(f"{failure}\n{remains.told(context, stack)}") from failure
    release(files)
    shutil.rmtree(files, ignore_errors=True)
    for draft in folder.glob("*.tmp"):
        draft.unlink(missing_ok=True)
    for aside in folder.glob(f"{FILE}.unreadable-*"):
        context.progress.say(f"  the state file that could not be read is kept as {aside}")
