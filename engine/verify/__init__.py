"""Holds the engine to a copy of `microgpt.py`: runs the copy, watched, and compares number by number, bit for bit."""

from engine.verify.compare import Check, Report, verify
from engine.verify.original import NotComparable

__all__ = ["Check", "NotComparable", "Report", "verify"]
