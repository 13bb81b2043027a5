"""The program that runs the user's script and records it. Standard library only; nothing of the engine is imported."""
