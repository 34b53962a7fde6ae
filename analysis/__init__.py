"""From the records of a run to figures, a verdict and a report. Reads and writes files, nothing else."""
