"""Lectures: chapters of pages that are bound to moments of a run. Reads, checks and evaluates them; shows nothing."""
