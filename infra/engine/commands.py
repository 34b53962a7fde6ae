"""How the Pulumi CLI is started, and what its failures mean.

It gets a session of its own, so that Ctrl-C in a terminal reaches the caller alone. The caller hands each interruption
on: at the first one the CLI begins nothing more, waits for what is under way and keeps its state; at a second one it
ends at once, and what was under way may be left where no state knows it. Left to the terminal, a SIGTERM to the caller
would never reach the CLI, and a Ctrl-C would reach it whether the caller wants to stop or not.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO

from pulumi import automation
from pulumi.automation.errors import create_command_error

from workloads.errors import EngineError, InUseError, UsageError, brief

ENVIRONMENT = {"PULUMI_SKIP_UPDATE_CHECK": "true"}
"""Of every call: whether there is a newer CLI is asked of its maker otherwise, on every call."""
_REFUSALS = {
    "passphrase must be set": (
        "The Pulumi CLI encrypts the secrets of its states with a passphrase, and there is none. Set "
        "PULUMI_CONFIG_PASSPHRASE (it may be empty) or PULUMI_CONFIG_PASSPHRASE_FILE, and try again."
    ),
    "incorrect passphrase": (
        "The passphrase is not the one that the secrets of the stack were encrypted with. Set "
        "PULUMI_CONFIG_PASSPHRASE or PULUMI_CONFIG_PASSPHRASE_FILE to that one, and try again."
    ),
    "PULUMI_ACCESS_TOKEN must be set": (
        "The Pulumi CLI is logged in to no backend. Run `pulumi login`, or set PULUMI_BACKEND_URL or "
        "PULUMI_ACCESS_TOKEN, and try again."
    ),
}
"""What the CLI says when it does not even begin → what to do."""


class Command(automation.PulumiCommand):
    """The ``pulumi`` on PATH. Raises UsageError if it cannot be used."""

    def __init__(self) -> None:
        try:
            super().__init__()
        except (automation.InvalidVersionError, OSError, subprocess.SubprocessError) as error:
            raise UsageError(f"The Pulumi CLI cannot be used: {brief(error)}.") from error

    def run(
        self,
        args: list[str],
        cwd: str,
        additional_env: Mapping[str, str],
        on_output: automation.OnOutput | None = None,
        on_error: automation.OnOutput | None = None,
    ) -> automation.CommandResult:
        """Like the base's, which takes no signals; lines are not handed on as they come.

        Raises KeyboardInterrupt when the CLI has ended, if the caller was interrupted meanwhile.
        """
        interrupted: KeyboardInterrupt | None = None
        environment = {**os.environ, **ENVIRONMENT, **additional_env, "PULUMI_AUTOMATION_API": "true"}
        words = [self.command, "--non-interactive", *args]
        with _memory("stdout") as out, _memory("stderr") as err:
            process = subprocess.Popen(
                words,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            while True:
                try:
                    process.wait()
                    break
                except KeyboardInterrupt as caught:
                    interrupted = interrupted or caught
                    process.send_signal(signal.SIGINT)
            result = automation.CommandResult(stdout=_text(out), stderr=_text(err), code=process.returncode)
        if interrupted is not None:
            raise interrupted
        if result.code != 0:
            raise create_command_error(result)
        return result


@contextmanager
def translated(doing: str, told: Callable[[], list[str]] = list) -> Iterator[None]:
    """The automation API's errors as ours. ``doing`` is what the CLI was to do, ``told`` are the reasons it gave.

    Raises UsageError if it did not begin, InUseError if somebody else has the stack, EngineError if it failed.
    """
    try:
        yield
    except automation.ConcurrentUpdateError as error:
        raise InUseError(
            f"The Pulumi CLI could not {doing}: the stack is in use by another operation ({brief(_stderr(error))}). "
            "Wait until that has ended; if there is none, `pulumi cancel --stack NAME` frees the stack."
        ) from error
    except automation.CommandError as error:
        said = _stderr(error)
        for part, sentence in _REFUSALS.items():
            if part in said:
                raise UsageError(sentence) from error
        lines = told() or [brief(_last_line(said))]
        raise EngineError(
            "\n".join([f"The Pulumi CLI failed to {doing}:", *(f"  - {line}" for line in lines)])
        ) from error


def _memory(name: str) -> IO[bytes]:
    """Where the CLI writes. A pipe would end it at its next line if this process were killed, in the middle of what it
    does; a file would have on disk what is secret."""
    return os.fdopen(os.memfd_create(name), "w+b")


def _text(written: IO[bytes]) -> str:
    written.seek(0)
    return written.read().decode(errors="replace").rstrip("\n")


def _stderr(error: automation.CommandError) -> str:
    return str(error).rpartition("\n stderr: ")[2]


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it gave no reason"
