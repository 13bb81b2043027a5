"""Drawing documents from a model, position by position. Must not import expressions or runs."""
