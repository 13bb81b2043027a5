from .engine import Value
from .layers import MLP

__all__ = ["MLP", "Value"]
