"""Moments, events, views of a moment, keyframes. Must not import explanations, expressions or runs."""
