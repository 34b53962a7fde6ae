"""What ends a command from outside of what it is doing: Ctrl-C, SIGTERM, SIGHUP, and the watchdog of its processes.

All of them arrive in the main thread as one exception, which is a KeyboardInterrupt because that alone passes through
event loops and through ``except Exception``. It arrives once: what follows is teardown, and a second one in the middle
of that would leave things half done.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeVar

from workloads.errors import ProjectError

T = TypeVar("T")
LoopFactory = Callable[[], asyncio.AbstractEventLoop]
WAKE = signal.SIGUSR1
"""Wakes the main thread from whatever it waits for."""
USERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
AGAIN_SECONDS = 0.05
STOPPING = b"Stopping what was started; this takes a few seconds.\n"


class Interruption(KeyboardInterrupt):
    """The command is to end now: with ``cause``, or because somebody asked for it."""

    def __init__(self, cause: ProjectError | None = None) -> None:
        super().__init__(*([str(cause)] if cause else []))
        self.cause = cause


class Interrupts:
    """Takes the signals of one command while :func:`interruptible` is entered."""

    def __init__(self) -> None:
        self._main = threading.main_thread().ident
        self._raised = False
        self._shielded = False
        self._asked = False
        self._cause: ProjectError | None = None
        self._task: asyncio.Task[Any] | None = None

    def interrupt(self, cause: ProjectError) -> None:
        """Ends the command with ``cause``, from any thread; the first cause counts."""
        if self._cause is None:
            self._cause = cause
            self._wake()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """What is done inside is done to its end; an interruption that comes meanwhile is raised after it."""
        before, self._shielded = self._shielded, True
        try:
            yield
        finally:
            self._shielded = before
            if sys.exc_info()[1] is None:
                self._raise_what_came()

    def for_good(self) -> None:
        """From here on nothing is interrupted any more: teardown leaves less behind than what cuts it short."""
        self._raised = True

    def take(self, number: int, _frame: FrameType | None) -> None:
        """The handler of every signal."""
        if number != WAKE and (self._raised or self._shielded):
            os.write(2, STOPPING)  # print is not for signal handlers
        self._asked = self._asked or number != WAKE
        if self._raised or self._shielded:
            return
        task, self._task = self._task, None
        if task is None:
            self._raise()
        else:  # an exception out of nowhere would leave an event loop with tasks that nobody awaits
            task.get_loop().call_soon_threadsafe(task.cancel)

    def run(self, coroutine: Coroutine[Any, Any, T], loop_factory: LoopFactory | None = None) -> T:
        """Like ``asyncio.run``; an interruption cancels the coroutine, and is raised when that has ended."""

        async def main() -> T:
            self._task = asyncio.current_task()
            return await coroutine

        try:
            with asyncio.Runner(loop_factory=loop_factory) as runner:
                result = runner.run(main())
        except asyncio.CancelledError:
            self._raise_what_came()
            raise
        finally:
            self._task = None
        self._raise_what_came()
        return result

    def lost(self, report: Any) -> bool:
        """Whether what Python could not raise, in a finalizer for example, was an interruption; it is raised anew."""
        if not isinstance(report.exc_value, Interruption):
            return False
        self._raised = False
        threading.Timer(AGAIN_SECONDS, self._wake).start()
        return True

    def _raise_what_came(self) -> None:
        if (self._asked or self._cause) and not self._raised and not self._shielded:
            self._raise()

    def _raise(self) -> None:
        self._raised = True
        raise Interruption(None if self._asked else self._cause)

    def _wake(self) -> None:
        if self._main is not None:
            with suppress(ProcessLookupError):
                signal.pthread_kill(self._main, WAKE)


@contextmanager
def interruptible() -> Iterator[Interrupts]:
    """Makes a command interruptible. Raises the cause of an interruption, KeyboardInterrupt if a person is it.

    In any thread but the main one nothing can be interrupted, and a cause is only kept.
    """
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread():
        interrupts._main = None
        yield interrupts
        return
    global _current
    # What is ignored stays so: nohup would have it like that.
    taken = [number for number in (*USERS, WAKE) if signal.getsignal(number) is not signal.SIG_IGN]
    hook = sys.unraisablehook
    sys.unraisablehook = lambda report: None if interrupts.lost(report) else hook(report)
    before = {number: signal.signal(number, interrupts.take) for number in taken}
    _current = interrupts
    try:
        yield interrupts
    except Interruption as interruption:
        if interruption.cause is not None:
            raise interruption.cause from None
        raise KeyboardInterrupt from None
    finally:
        interrupts.for_good()
        _current = None
        for number, old in before.items():
            signal.signal(number, old)
        sys.unraisablehook = hook


_current: Interrupts | None = None
"""What takes the signals now, if anything does."""


def run(coroutine: Coroutine[Any, Any, T], loop_factory: LoopFactory | None = None) -> T:
    """Like ``asyncio.run``, in a command that may be interrupted or in none; ``loop_factory`` makes its event loop."""
    if _current is None or threading.current_thread() is not threading.main_thread():
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(coroutine)
    return _current.run(coroutine, loop_factory)
