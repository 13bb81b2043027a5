"""Comparing the engine with the user's own copy of microgpt.py. Nothing else of the engine imports this."""

from engine.verify.compare import ComparedQuantity, Report, verify
from engine.verify.reference_process import NotComparable

__all__ = ["ComparedQuantity", "NotComparable", "Report", "verify"]
