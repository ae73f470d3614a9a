"""Jacobians by finite differences that stay within bounds; those of a known sparsity take few evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csc_array

__all__ = ["DIFFERENCES", "NOISE", "Differences", "grouped", "relative_noise"]

Vector = NDArray[np.float64]
EPS = np.finfo(float).eps

DIFFERENCES = {"2-point": 1 / 2, "3-point": 1 / 3, "cs": 1 / 2}
"""Relative step of each scheme, as a power of the rounding of fun: where truncation and rounding errors meet."""

NOISE = {"2-point": 1 / 2, "3-point": 2 / 3}
"""Error of a column, relative to its norm, as a power of the rounding of fun."""


@dataclass
class Differences:
    """Differences of a function: forward ('2-point'), central ('3-point') or along the imaginary axis ('cs').

    A step that would leave the bounds turns round; where neither side has room for it, it is made smaller. A variable
    that is fixed has no difference, and its column is zero. A column of zeros is tried again with a step that does not
    shrink with its variable.

    Parameters
    ----------
    fun : callable
        The function, of real or complex x.
    scheme : str
        A name among `DIFFERENCES`.
    bounds : pair of arrays
        Where x may be.
    relative_step : array or None
        The user's.
    sparsity : csc_array or None
        Where the Jacobian may differ from zero; it is sparse then.
    """

    fun: Callable[[Any], Vector]
    scheme: str
    bounds: tuple[Vector, Vector]
    relative_step: Vector | None
    sparsity: csc_array | None

    def __post_init__(self) -> None:
        n = self.bounds[0].size
        movable = self.bounds[0] < self.bounds[1]
        if self.sparsity is None:
            self._groups = [np.array([i]) for i in range(n) if movable[i]]
        else:
            self._groups = [group[movable[group]] for group in grouped(self.sparsity)]

    @property
    def noise(self) -> float:
        """Error of a column, relative to its norm, in double precision."""
        return relative_noise(self.scheme)

    def __call__(self, x: Vector, f: Vector, typical: Vector) -> Any:
        """The Jacobian at x, where fun is f; steps are relative to x, and to `typical` where x is smaller."""
        eps = float(np.finfo(f.dtype).eps) ** DIFFERENCES[self.scheme]
        size = np.maximum(abs(x), typical)
        step = eps * np.where(size > 0, size, 1.0)
        if self.relative_step is not None:
            step = np.where(x == 0, step, self.relative_step * abs(x))
        step = np.where(x < 0, -step, step)
        columns = self._columns(x, f, step, self._groups)
        if self.scheme != "cs" and self.relative_step is None:
            larger = np.where(x < 0, -1.0, 1.0) * eps * np.maximum(1.0, abs(x))
            silent = [i for i, (_, values) in columns.items() if not values.any() and abs(larger[i]) > abs(step[i])]
            columns.update(self._columns(x, f, larger, [np.array([i]) for i in silent]))
        return self._assembled(columns, (f.size, x.size))

    def _columns(self, x: Vector, f: Vector, step: Vector, groups: Iterable[Any]) -> dict[int, tuple[Any, Vector]]:
        """Rows and values of the columns of each group, whose variables move together."""
        columns = {}
        for group in groups:
            if not group.size:
                continue
            change, weights = self._moved(x, f, group, step)
            for i in group:
                rows = self._rows(i)
                columns[int(i)] = rows, change[rows] * weights[i] if self.sparsity is not None else change * weights[i]
        return columns

    def _rows(self, i: int) -> Any:
        pattern = self.sparsity
        return slice(None) if pattern is None else pattern.indices[pattern.indptr[i] : pattern.indptr[i + 1]]

    def _moved(self, x: Vector, f: Vector, group: Any, step: Vector) -> tuple[Vector, Vector]:
        """What moving the group does, and one over the step of each variable in units of this change."""
        weights = np.zeros_like(x)
        if self.scheme == "cs":
            h = np.zeros_like(x)
            h[group] = step[group]
            weights[group] = 1 / step[group]
            return np.asarray(self.fun(x + 1j * h).imag), weights
        below, above = x - self.bounds[0], self.bounds[1] - x
        central = self.scheme == "3-point"
        if central and np.all(np.minimum(below, above)[group] >= abs(step[group])):
            upper, lower = x.copy(), x.copy()
            upper[group] += abs(step[group])
            lower[group] -= abs(step[group])
            weights[group] = 1 / (upper - lower)[group]  # the step as it was rounded
            return np.asarray(self.fun(upper) - self.fun(lower), dtype=float), weights
        h = np.zeros_like(x)
        for i in group:
            h[i] = _within(step[i], below[i], above[i], 2 if central else 1)
        near = np.clip(x + h, *self.bounds)
        weights[group] = 1 / (near - x)[group]
        change = np.asarray(self.fun(near) - f, dtype=float)
        if central:  # (4 (f(x + h) − f) − (f(x + 2h) − f)) / 2h
            far = np.clip(x + 2 * (near - x), *self.bounds)
            change = 2 * change - np.asarray(self.fun(far) - f, dtype=float) / 2
        return change, weights

    def _assembled(self, columns: dict[int, tuple[Any, Vector]], shape: tuple[int, int]) -> Any:
        if self.sparsity is None:
            jacobian = np.zeros(shape)
            for i, (_, values) in columns.items():
                jacobian[:, i] = values
            return jacobian
        if not columns:
            return csc_array(shape, dtype=float).tocsr()
        rows = np.concatenate([rows for rows, _ in columns.values()])
        where = np.concatenate([np.full(rows.size, i) for i, (rows, _) in columns.items()])
        values = np.concatenate([values for _, values in columns.values()])
        return coo_array((values, (rows, where)), shape=shape).tocsr()


def relative_noise(scheme: Any) -> float:
    """Error of a column of differences, relative to its norm; zero of a Jacobian as exact as its numbers."""
    return 8 * float(EPS ** NOISE[scheme]) if isinstance(scheme, str) and scheme in NOISE else 0.0


def _within(h: float, below: float, above: float, reach: int) -> float:
    """The step h, turned round or made smaller where `reach` of it do not fit below or above."""
    room, other = (above, below) if h > 0 else (below, above)
    if room >= reach * abs(h):
        return h
    side = np.sign(h) if room >= other else -np.sign(h)
    return float(side * min(abs(h), max(room, other) / reach))


def grouped(sparsity: csc_array) -> list[NDArray[np.intp]]:
    """Columns without a common row, in groups that one evaluation serves (Curtis, Powell and Reid 1974)."""
    order = np.argsort(-np.diff(sparsity.indptr), kind="stable")
    taken: list[NDArray[np.bool_]] = []
    groups: list[list[int]] = []
    for i in order:
        rows = sparsity.indices[sparsity.indptr[i] : sparsity.indptr[i + 1]]
        number = next((k for k, used in enumerate(taken) if not used[rows].any()), len(groups))
        if number == len(groups):
            taken.append(np.zeros(sparsity.shape[0], dtype=bool))
            groups.append([])
        taken[number][rows] = True
        groups[number].append(int(i))
    return [np.array(group) for group in groups]
