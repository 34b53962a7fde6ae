"""What protects a command that works on a stack: it can be interrupted, and it knows when a process ends on its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from csscgen.context import Context
from csscgen.interruptions import Interrupts, interruptible
from csscgen.watchdog import Watchdog
from workloads.errors import ProcessError, ProjectError, UsageError


@dataclass(frozen=True)
class Guard:
    """Of one command."""

    interrupts: Interrupts
    watchdog: Watchdog

    def explain(self, error: BaseException) -> BaseException:
        """What is behind an error: a process that ended on its own if there is one, else the error itself."""
        if isinstance(error, ProjectError) and not isinstance(error, UsageError | ProcessError):
            return self.watchdog.explain() or error
        return error

    def check(self) -> None:
        """Raises ProcessError if a process ended on its own since it was last looked for."""
        if (cause := self.watchdog.look()) is not None:
            raise cause

    def shielded(self) -> AbstractContextManager[None]:
        """What is done inside is done to its end."""
        return self.interrupts.shielded()

    def stand_down(self) -> None:
        """From here on processes are ended on purpose, and nothing interrupts that."""
        self.watchdog.stop()
        self.interrupts.for_good()


@contextmanager
def guarded(context: Context) -> Iterator[Guard]:
    """Guards a command on a stack and on the shared stack that it needs.

    Raises ProcessError that names what ended on its own, KeyboardInterrupt if somebody ended the command.
    """

    def found(cause: ProcessError) -> None:
        context.progress.say(f"  {cause}")
        interrupts.interrupt(cause)

    with interruptible() as interrupts:
        folders = [context.files(stack) for stack in context.stacks]
        guard = Guard(interrupts, Watchdog(folders, lambda: context.progress.current, found))
        with guard.watchdog.watching():
            try:
                yield guard
            except ProjectError as error:
                if (cause := guard.explain(error)) is not error:
                    raise cause from error
                raise
