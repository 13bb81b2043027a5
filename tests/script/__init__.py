"""Tests of the user's own script."""
