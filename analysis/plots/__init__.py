"""The report's plots, a module per subject: each with the sentence and the table that say the same."""
