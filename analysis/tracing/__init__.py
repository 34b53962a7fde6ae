"""From a figure back to the records that it was made of."""

from analysis.tracing.traces import Trace, trace

__all__ = ["Trace", "trace"]
