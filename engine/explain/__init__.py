"""Why a number is what it is: formulas, gradient paths, contributions. Must not import expressions or runs."""
