"""How one step moves a parameter, as data: the optimizer's quantities, before and after, with their formulas."""

from __future__ import annotations

from typing import Protocol

from engine.immutable import immutable
from engine.language.say import say


@immutable
class Optimizer:
    """How parameters are moved: its name, the quantities of one parameter's update in the order in which they are
    computed ("g" is the gradient, "p" the parameter), and those of them that last from step to step.
    """

    name: str
    quantities: tuple[str, ...]
    state: tuple[str, ...] = ()


ADAM = Optimizer("Adam", ("g", "m", "v", "m_hat", "v_hat", "delta", "p"), ("m", "v"))


@immutable
class UpdateTerm:
    """One quantity of a parameter's update: what it was before, if it lasts; what it is, and the formula of that."""

    name: str
    before: float | None
    value: float
    formula: str


class UpdateStep(Protocol):
    """The update of one parameter in one step."""

    @property
    def terms(self) -> tuple[UpdateTerm, ...]:
        """The optimizer's quantities, in their order."""

    @property
    def unmoved(self) -> str | None:
        """Why the parameter is, to the last bit, what it was before; None if it has changed."""


@immutable
class AdamStep(UpdateStep):
    """One parameter's update: gradient, moments and parameter before, and all that Adam makes of them."""

    g: float
    m_before: float
    v_before: float
    p_before: float
    m: float
    v: float
    m_hat: float
    v_hat: float
    delta: float
    p: float
    learning_rate: float
    beta1: float
    beta2: float
    fix1: float
    fix2: float
    corrected: bool  # whether the moments are divided by these

    @property
    def terms(self) -> tuple[UpdateTerm, ...]:
        """The lines of Adam, in order."""
        return (
            UpdateTerm("g", None, self.g, say("timeline.update.gradient")),
            UpdateTerm("m", self.m_before, self.m, f"{self.beta1:g}·m + {1 - self.beta1:.3g}·g"),
            UpdateTerm("v", self.v_before, self.v, f"{self.beta2:g}·v + {1 - self.beta2:.3g}·g²"),
            UpdateTerm("m_hat", None, self.m_hat, self.m_hat_formula),
            UpdateTerm("v_hat", None, self.v_hat, self.v_hat_formula),
            UpdateTerm("delta", None, self.delta, f"{self.learning_rate:.4g}·m_hat / (√v_hat + 1e-8)"),
            UpdateTerm("p", self.p_before, self.p, "p − Δ"),
        )

    @property
    def m_hat_formula(self) -> str:
        """What the first moment becomes before it is used."""
        return f"m / {self.fix1:.4g}" if self.corrected else "m"

    @property
    def v_hat_formula(self) -> str:
        """What the second moment becomes before it is used."""
        return f"v / {self.fix2:.4g}" if self.corrected else "v"

    @property
    def unmoved(self) -> str | None:
        """Why the parameter is, to the last bit, what it was before; None if it has changed."""
        if self.p != self.p_before:
            return None
        if self.delta != 0:
            return say("timeline.update.step_too_small_change")
        if self.learning_rate == 0:
            return say("timeline.update.learning_rate")
        return say("timeline.update.its_mean_gradient_m") if self.m == 0 else say("timeline.update.step")
