"""A training run that can go to any moment, its stops, branches and checks. Must not import checkpoint or verify."""
