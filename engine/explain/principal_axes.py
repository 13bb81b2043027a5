"""Principal components: the two directions in which the rows of a matrix differ most."""

from __future__ import annotations

import numpy as np

from engine.immutable import immutable_by_identity
from engine.model.recording import Floats

PLANE = 2  # dimensions of a picture


@immutable_by_identity
class PrincipalAxes:
    """An origin, (n,), and two directions of length 1 at right angles, (2, n), the first the one of the most variance.

    Where the rows differ in fewer than two directions, those that are missing are 0.
    """

    origin: Floats
    directions: Floats

    @classmethod
    def of(cls, matrix: Floats) -> PrincipalAxes:
        """Those of the rows of a matrix, around their mean. The largest part of each direction is positive."""
        origin = matrix.mean(axis=0)
        _, sizes, rows = np.linalg.svd(matrix - origin, full_matrices=False)
        directions = np.zeros((PLANE, matrix.shape[1]))
        for i in range(min(PLANE, int((sizes > 0).sum()))):
            largest = rows[i, np.argmax(np.abs(rows[i]))]
            directions[i] = rows[i] if largest > 0 else -rows[i]
        return cls(origin, directions)

    def project(self, matrix: Floats) -> Floats:
        """The rows of a matrix in these two directions, (rows, 2)."""
        return np.asarray((matrix - self.origin) @ self.directions.T)

    def share(self, matrix: Floats) -> float:
        """Which part of the variance of the rows of a matrix lies in these two directions; 0 if they do not vary."""
        apart = matrix - matrix.mean(axis=0)
        whole = float((apart**2).sum())
        return float(((apart @ self.directions.T) ** 2).sum()) / whole if whole else 0.0


def nearest_rows(matrix: Floats, row: int, count: int) -> list[tuple[int, float]]:
    """The other rows of a matrix that are nearest to one of them, in all dimensions, with their distances."""
    distances = np.linalg.norm(matrix - matrix[row], axis=1)
    order = [int(i) for i in np.argsort(distances, kind="stable") if i != row]
    return [(i, float(distances[i])) for i in order[:count]]
