"""Signals as in a terminal. Whoever starts the tests in the background or under nohup has some of them ignored, ignored
signals are inherited, and what a test interrupts would not notice."""

from __future__ import annotations

import signal

for number, handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGTERM, signal.SIG_DFL),
    (signal.SIGHUP, signal.SIG_DFL),
):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)
