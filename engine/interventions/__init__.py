"""What-if changes of a run: their syntax, and what they set in each step. Must not import runs."""
