"""How each operation is drawn: one function a kind, for the forward phase and for the gradients that flow back."""
