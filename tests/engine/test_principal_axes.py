"""Principal axes beside a plain eigenvalue computation."""

from __future__ import annotations

import numpy as np
import pytest

from engine.explain.principal_axes import PrincipalAxes, nearest_rows


def test_axes_are_the_eigenvectors_of_the_covariance() -> None:
    matrix = np.random.default_rng(1).normal(size=(27, 16)) @ np.diag(np.linspace(3, 0.1, 16))
    axes = PrincipalAxes.of(matrix)
    values, vectors = np.linalg.eigh(np.cov(matrix.T))
    for i in range(2):
        assert abs(axes.directions[i] @ vectors[:, -1 - i]) == pytest.approx(1)
        assert axes.directions[i][np.argmax(np.abs(axes.directions[i]))] > 0
    assert axes.share(matrix) == pytest.approx(values[-2:].sum() / values.sum())
    assert axes.project(matrix) == pytest.approx((matrix - matrix.mean(axis=0)) @ axes.directions.T)


@pytest.mark.parametrize("shape", [(1, 4), (2, 4), (5, 1)])
def test_matrices_that_do_not_fill_a_plane(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(1).normal(size=shape)
    axes = PrincipalAxes.of(matrix)
    assert axes.project(matrix).shape == (shape[0], 2)
    assert axes.share(matrix) == pytest.approx(0.0 if shape[0] == 1 else 1.0)


def test_the_nearest_rows() -> None:
    assert nearest_rows(np.array([[0.0], [3.0], [1.0], [-1.5]]), 0, 2) == [(2, 1.0), (3, 1.5)]
