"""Which axes the picture of an embedding matrix has: the same ones at every moment of a run.

They are the principal components of the matrix as the schedule leaves it: there the rows differ by what was learned, at
the start by chance alone. A copy of the run is trained to there in the background, by `SeriesLoader`. Of a model so
large that this would take minutes, the copy goes less far. Until it has arrived, and in a run that ends in a fault on
the way, the axes are those of the start.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from engine.explain.principal_axes import PrincipalAxes
from engine.expressions.scope import Scope
from engine.immutable import immutable, immutable_by_identity
from engine.model.recording import Floats
from engine.model.tensors import TensorSpec
from engine.timeline.view import View
from microgpt_tui.debugger.series import Past, Series

MOST_ROWS = 200_000_000  # of the tape, in all training steps that a copy takes: seconds, with compiled loops


@immutable_by_identity
class Plane:
    """Axes, and from where to where the matrix reaches along them at the start and where the axes come from, (2,)."""

    axes: PrincipalAxes
    low: Floats
    high: Floats


@immutable
class PlanesAhead:
    """The planes of these matrices, by name, at the end of a step that need not have been reached: see `Figure`."""

    names: tuple[str, ...]

    def kept(self, view: View) -> dict[int, Any]:
        """Nothing: it takes all embeddings of a step."""
        del view
        return {}

    def reader(self, scope: Scope) -> Callable[[View], Mapping[str, Plane]]:
        """See `Figure`."""
        del scope

        def read(view: View) -> Mapping[str, Plane]:
            now = {name: view.data(view.program.parameters[name]).values for name in self.names}
            return {name: plane_of(matrix, view.first_parameters(name)) for name, matrix in now.items()}

        return read


def plane_of(matrix: Floats, first: Floats) -> Plane:
    """The plane of a matrix's own axes, with room for what the matrix was at first."""
    axes = PrincipalAxes.of(matrix)
    points = np.concatenate([axes.project(matrix), axes.project(first)])
    return Plane(axes, points.min(axis=0), points.max(axis=0))


def embedding_matrices(specs: Mapping[str, TensorSpec]) -> tuple[str, ...]:
    """The matrices that the model's embeddings read rows of."""
    found = (name for spec in specs.values() if spec.kind == "embed" for name in spec.inputs if specs[name].parameter)
    return tuple(dict.fromkeys(found))


def planes_ahead(view: View, past: Past) -> Series[Mapping[str, Plane]]:
    """The planes of a run, by the step at whose end they are taken; a value None says that the run does not get there.

    Nothing is missing of a run without steps, and of one that cannot be run beside itself.
    """
    figure = PlanesAhead(embedding_matrices(view.program.specs))
    step = min(view.config.num_steps, MOST_ROWS // max(view.program.n_rows, 1)) - 1
    if step < 0 or not view.replays:
        return Series(figure, {}, ())
    key = (figure, step)
    return Series(figure, {step: past[key]}, (), ahead=True) if key in past else Series(figure, {}, (step,), ahead=True)
