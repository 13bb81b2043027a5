"""Conditions, watches and breakpoints, from text to value. Must not import interventions or runs."""
