"""Two sides of runs compared, figure by figure."""

from analysis.comparing.judging import compare
from analysis.comparing.rows import Comparison, Row

__all__ = ["Comparison", "Row", "compare"]
