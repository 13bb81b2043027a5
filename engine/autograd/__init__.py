"""Scalars on a tape, and the loops over it. Must not import the model or any other package of the engine."""
