from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time

import pytest
import uvloop

from csscgen import interruptions
from csscgen.interruptions import Interruption, LoopFactory, interruptible
from workloads.errors import ProcessError

CAUSE = ProcessError("etcd ended.")


def test_a_cause_is_what_the_command_ends_with():
    with pytest.raises(ProcessError, match="etcd ended"), interruptible() as interrupts:
        interrupts.interrupt(CAUSE)
        time.sleep(5)


def test_a_person_ends_it_with_a_keyboard_interrupt():
    with pytest.raises(KeyboardInterrupt) as told, interruptible():
        signal.raise_signal(signal.SIGTERM)
    assert type(told.value) is KeyboardInterrupt


def test_it_is_interrupted_once_and_then_left_to_clean_up(capfd: pytest.CaptureFixture[str]):
    cleaned = False
    with pytest.raises(KeyboardInterrupt), interruptible():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleaned = True
    assert cleaned
    assert capfd.readouterr().err.count("Stopping what was started") == 2


def test_what_is_shielded_is_done_to_its_end():
    done: list[str] = []
    with pytest.raises(KeyboardInterrupt), interruptible() as interrupts:
        with interrupts.shielded():
            signal.raise_signal(signal.SIGINT)
            done.append("inside")
        done.append("after")
    assert done == ["inside"]


def test_a_cause_that_comes_while_it_is_shielded_is_raised_after_it():
    with pytest.raises(ProcessError), interruptible() as interrupts, interrupts.shielded():
        interrupts.interrupt(CAUSE)
        time.sleep(0.1)


@pytest.mark.parametrize("loop", [None, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_an_event_loop_is_ended_in_order_and_nothing_of_it_is_logged(
    loop: LoopFactory | None, caplog: pytest.LogCaptureFixture
):
    ended: list[str] = []

    async def child() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append("child")

    async def work() -> None:
        await asyncio.gather(child(), child())

    threading.Timer(0.2, lambda: interrupts.interrupt(CAUSE)).start()
    with pytest.raises(ProcessError), interruptible() as interrupts:
        interruptions.run(work(), loop)
    gc.collect()
    assert ended == ["child", "child"]
    assert caplog.records == []


def test_a_task_that_does_not_mind_being_cancelled_is_interrupted_when_it_ends():
    async def stubborn() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return

    threading.Timer(0.2, lambda: interrupts.interrupt(CAUSE)).start()
    with pytest.raises(ProcessError), interruptible() as interrupts:
        interruptions.run(stubborn())


def test_one_that_python_could_not_raise_is_raised_again():
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)  # lands here, where Python ignores what is raised

    with pytest.raises(KeyboardInterrupt), interruptible():
        Finalized()
        time.sleep(5)


def test_outside_of_the_main_thread_a_cause_is_only_kept():
    told: list[BaseException | None] = []

    def work() -> None:
        try:
            with interruptible() as interrupts:
                interrupts.interrupt(CAUSE)
                told.append(None)
        except BaseException as error:
            told.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(5)
    assert told == [None]


def test_handlers_are_as_they_were_afterwards():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with interruptible():
        assert [signal.getsignal(number) for number in numbers] != before
    assert [signal.getsignal(number) for number in numbers] == before
    assert str(Interruption(CAUSE)) == "etcd ended."


def test_a_loop_outside_of_any_command_runs_as_usual():
    async def one() -> int:
        return 1

    assert interruptions.run(one()) == 1
