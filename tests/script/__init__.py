"""The engine's view of users' own scripts."""
