"""The binary of the images: its contract with Deployments and Jobs."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from tests.csscgen.artifacts.binaries import binary

pytestmark = pytest.mark.real


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("arguments", [[], ["1h"]])
def test_it_waits_until_it_is_told_to_stop(number, arguments):
    process = subprocess.Popen([binary("waiter"), *arguments])
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.3)
    process.send_signal(number)
    assert process.wait(5) == 0


def test_it_ends_by_itself_after_a_duration():
    started = time.monotonic()
    subprocess.run([binary("waiter"), "300ms"], check=True, timeout=5)
    assert time.monotonic() - started >= 0.3


@pytest.mark.parametrize("arguments", [["soon"], ["-1s"], ["1s", "2s"], [""]])
def test_it_refuses_what_it_does_not_understand_in_one_sentence(arguments):
    answer = subprocess.run([binary("waiter"), *arguments], capture_output=True, text=True, timeout=5)
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "a duration such as 30s" in answer.stderr
