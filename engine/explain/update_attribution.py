"""Update attribution: what each position of the document gave to a gradient, and how much of the step was momentum."""

from __future__ import annotations

import math

from engine.errors import WhyError
from engine.immutable import immutable
from engine.language.say import say
from engine.timeline.events import Phase, StepProgram
from engine.timeline.explainer import Term
from engine.timeline.update import AdamStep
from engine.timeline.view import View


@immutable
class PositionContribution:
    """What one position added to a parameter's gradient; `term` says by which scalar, and what the sum was then."""

    pos: int
    term: Term


@immutable
class Step:
    """Adam's step of one parameter, taken apart: m is exactly `kept` + `fresh`, that is, what was left of the steps
    before and what this document's gradient brought, each as Adam computes it.

    The step is delta = c * m with one c for both, so `by_momentum` + `by_document` + `rounding` is delta.
    """

    adam: AdamStep
    kept: float
    fresh: float
    by_momentum: float
    by_document: float
    rounding: float


@immutable
class UpdateAttribution:
    """A parameter's gradient by positions, in the order in which they pushed: their products, added in this order
    beginning with 0, are `gradient`, bit for bit.

    `rounding` is what these additions lost: the gradient less the exact sum. `step` is None until Adam has moved it.
    """

    row: int
    doc: str
    contributions: tuple[PositionContribution, ...]
    gradient: float
    rounding: float
    step: Step | None


def attribute_update(view: View, row: int) -> UpdateAttribution:
    """What has pushed a parameter so far in this step. Raises WhyError for other scalars and in the forward phase."""
    if row >= view.program.n_params:
        raise WhyError(say("explain.update_attribution.not_parameter_only_parameters"))
    if view.moment.phase is Phase.FORWARD:
        raise WhyError(say("explain.update_attribution.nothing_has_pushed_parameter"))
    terms = view.explainer().gradient(row)
    found = tuple(PositionContribution(_position(view.program, term.user), term) for term in terms)
    gradient = terms[-1].after if terms else 0.0
    rounding = _left(gradient, *(term.product for term in terms))
    update = view.update(row)
    step = _apart(update) if isinstance(update, AdamStep) else None
    return UpdateAttribution(row, view.program.doc, found, gradient, rounding, step)


def _position(program: StepProgram, user: int) -> int:
    event = program.event_of(user)
    if event is None or event.pos is None:
        raise WhyError(say("explain.update_attribution.document_has_no_positions"))
    return event.pos


def _apart(adam: AdamStep) -> Step:
    kept, fresh = adam.beta1 * adam.m_before, (1.0 - adam.beta1) * adam.g
    by_momentum, by_document = (adam.delta * (part / adam.m) if adam.m else 0.0 for part in (kept, fresh))
    return Step(adam, kept, fresh, by_momentum, by_document, _left(adam.delta, by_momentum, by_document))


def _left(whole: float, *parts: float) -> float:
    """The whole less the exact sum of its parts, rounded once; nan where any of them is not finite."""
    if not all(map(math.isfinite, (whole, *parts))):
        return math.nan
    return math.fsum((whole, *(-part for part in parts)))
