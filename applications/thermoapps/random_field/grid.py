"""Regular grids in any number of dimensions: their nodes, and the weights of points between them."""

from __future__ import annotations

import math
from functools import cached_property, reduce
from itertools import product
from typing import Any

import numpy as np
import scipy.sparse as sp

from thermoapps._reading import read_number

__all__ = ["Grid"]

OUTSIDE = 1e-9
"""So much of a cell beyond the last node is rounding of a coordinate."""


class Grid:
    """Nodes origin + i spacing, numbered row by row (the last axis runs fastest).

    Parameters
    ----------
    shape : int or tuple of int
        Nodes along each axis.
    spacing : float or array_like, shape (d,), optional
        Distance of neighbours along each axis, in units of the coordinates.
    origin : float or array_like, shape (d,), optional
        Coordinates of the first node.

    Raises
    ------
    ValueError
        An axis without nodes, a spacing that is not positive, numbers that are not finite.

    See Also
    --------
    Posterior, GaussianField : Fields, where they live, and what is known of them.

    Examples
    --------
    >>> grid = Grid((2, 3), spacing=0.5)
    >>> grid.size, grid.nodes[-1]
    (6, array([0.5, 1. ]))
    >>> grid.interpolation([[0.25, 0.0]]).toarray()
    array([[0.5, 0. , 0. , 0.5, 0. , 0. ]])
    """

    def __init__(self, shape: Any, spacing: Any = 1.0, origin: Any = 0.0) -> None:
        lengths = np.atleast_1d(np.asarray(shape))
        if lengths.ndim != 1 or len(lengths) == 0 or lengths.dtype.kind not in "iu" or (lengths < 1).any():
            raise ValueError(f"shape must hold a positive number of nodes for each axis, got {shape!r}")
        self.shape: tuple[int, ...] = tuple(int(length) for length in lengths)
        self.spacing = _read_spacing(spacing, len(self.shape))
        self.origin = _for_each_axis(origin, "origin", len(self.shape))

    @classmethod
    def around(cls, points: Any, spacing: Any, *, margin: float = 0.0) -> Grid:
        """The smallest grid of this spacing that holds all points and a margin around them.

        Parameters
        ----------
        points : array_like, shape (m, d)
            Coordinates.
        spacing : float or array_like, shape (d,)
            Of the grid.
        margin : float, optional
            Least distance from the points to the edge, in units of the coordinates; where a field must not feel the
            edge, its range.

        Returns
        -------
        Grid
        """
        points = read_points(points)
        if len(points) == 0:
            raise ValueError("there are no points to lay a grid around")
        spacing, margin = _read_spacing(spacing, points.shape[1]), read_number(margin, "margin")
        low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
        cells = np.ceil((high - low) / spacing * (1 - OUTSIDE)).astype(int)
        return cls(tuple(cells + 1), spacing, (low + high - cells * spacing) / 2)

    @property
    def dimensions(self) -> int:
        """Number of axes d."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of nodes."""
        return math.prod(self.shape)

    @property
    def axes(self) -> list[np.ndarray]:
        """Coordinates of the nodes along each axis."""
        sides = zip(self.shape, self.spacing, self.origin, strict=True)
        return [first + step * np.arange(length) for length, step, first in sides]

    @property
    def nodes(self) -> np.ndarray:
        """Coordinates of all nodes, (size, d)."""
        return np.stack(np.meshgrid(*self.axes, indexing="ij"), axis=-1).reshape(self.size, -1)

    def interpolation(self, points: Any) -> Any:
        """The sparse matrix (m, size) that interpolates values of the nodes multilinearly.

        Parameters
        ----------
        points : array_like, shape (m, d)
            Coordinates within the grid.

        Returns
        -------
        scipy.sparse.csr_array, shape (m, size)

        Raises
        ------
        ValueError
            Points outside the grid, or of another number of coordinates.
        """
        points = read_points(points, self.dimensions)
        places = (points - self.origin) / self.spacing
        ends = np.array(self.shape) - 1
        slack = OUTSIDE * np.maximum(1.0, np.abs(self.origin / self.spacing) * 1e-6)
        if (outside := ((places < -slack) | (places > ends + slack)).any(axis=1)).any():
            first = points[np.flatnonzero(outside)[0]]
            raise ValueError(
                f"{np.count_nonzero(outside)} points lie outside the grid, the first at {first}; Grid.around(points, "
                "spacing) holds them all"
            )
        near = np.rint(places)
        places = np.clip(np.where(np.abs(places - near) <= slack, near, places), 0, ends)
        cells = np.minimum(places.astype(int), np.maximum(ends - 1, 0))
        fractions = places - cells
        rows, columns, weights = [], [], []
        for corner in product((0, 1), repeat=self.dimensions):
            weight = np.prod(np.where(corner, fractions, 1 - fractions), axis=1)
            used = np.flatnonzero(weight)
            rows.append(used)
            columns.append(np.ravel_multi_index(tuple((cells[used] + corner).T), self.shape))
            weights.append(weight[used])
        entries = (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns)))
        return sp.csr_array(sp.coo_array(entries, shape=(len(points), self.size)))

    # -- finite elements ----------------------------------------------------------------------------------------------

    @cached_property
    def mass(self) -> np.ndarray:
        """Lumped mass of each node, (size,): the volume that is nearest to it, half a cell at an end of an axis."""
        return reduce(np.multiply.outer, self._masses).ravel()

    def stiffness(self) -> Any:
        """The sparse matrix G (size, size) of ∫ ∇u·∇v with lumped mass along the other axes; no flux at the edges."""
        total = sp.csr_array((self.size, self.size))
        for axis, (length, step) in enumerate(zip(self.shape, self.spacing, strict=True)):
            if length == 1:
                continue
            links = np.full(length - 1, -1 / step)
            diagonal = -np.concatenate([links, [0]]) - np.concatenate([[0], links])
            along = sp.diags_array([links, diagonal, links], offsets=[-1, 0, 1])
            parts = [along if j == axis else sp.diags_array(mass) for j, mass in enumerate(self._masses)]
            total = total + reduce(lambda a, b: sp.kron(a, b, format="csr"), parts)
        return sp.csr_array(total)

    @property
    def _masses(self) -> list[np.ndarray]:
        """Lengths nearest to the nodes of each axis."""
        found = []
        for length, step in zip(self.shape, self.spacing, strict=True):
            mass = np.full(length, step)
            if length > 1:
                mass[[0, -1]] /= 2
            found.append(mass)
        return found


def read_points(points: Any, dimensions: int | None = None) -> np.ndarray:
    """Coordinates (m, d); a vector is one coordinate each where the grid is a line, and one point elsewhere."""
    array = np.asarray(points)
    if array.dtype.kind not in "iuf" and array.size:
        raise TypeError(f"points must hold real numbers, got dtype {array.dtype}")
    array = array.astype(float)
    if array.ndim == 1:
        array = array.reshape(-1, dimensions or 1) if dimensions in (None, 1, len(array)) or not len(array) else array
    if array.ndim != 2 or (dimensions is not None and array.shape[1] != dimensions):
        raise ValueError(f"points must have shape (m, {dimensions or 'd'}), got {np.shape(points)}")
    if not np.isfinite(array).all():
        raise ValueError("points hold NaN or infinity")
    return array


def _read_spacing(value: Any, dimensions: int) -> np.ndarray:
    """A positive number for each axis."""
    spacing = _for_each_axis(value, "spacing", dimensions)
    if (spacing <= 0).any():
        raise ValueError(f"spacing must be positive, got {value!r}")
    return spacing


def _for_each_axis(value: Any, name: str, dimensions: int) -> np.ndarray:
    """A finite number for each axis."""
    try:
        numbers = np.broadcast_to(np.asarray(value, dtype=float), (dimensions,)).copy()
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number or {dimensions} numbers, got {value!r}") from None
    if not np.isfinite(numbers).all():
        raise ValueError(f"{name} must be finite, got {value!r}")
    return numbers
