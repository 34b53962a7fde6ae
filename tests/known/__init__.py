"""Known answers: every figure of a summary against what is known to have happened."""
