"""Configuration, documents, the GPT and its recording. Must not know of moments, explanations or runs."""
