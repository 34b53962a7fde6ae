"""csscgen: seeds signed artifacts, drives load, collects metrics, judges and compares."""

__version__ = "0.1.0"
