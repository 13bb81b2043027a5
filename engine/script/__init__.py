"""A user's own script: run in a process of its own, recorded, checked, and seen as a run."""
