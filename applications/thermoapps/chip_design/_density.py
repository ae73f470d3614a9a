"""How full a chip is, and where cells go to make it even: charges that repel each other."""

from __future__ import annotations

import numpy as np
from scipy.fft import dctn, idctn

from thermoapps.chip_design.bookshelf import Rows

__all__ = ["Bins"]

SMOOTH = 1.5
"""A cell counts over at least so many bins along each axis: forces change smoothly as it moves."""


class Bins:
    """A chip divided into bins × bins, with what cannot be used of each.

    The density ρ of cells is a charge: its potential, ∇²φ = −ρ with no field across the edges, drives cells from full
    bins to empty ones: Lu et al., ePlace, ACM TODAES 20, 17 (2015), doi:10.1145/2699873.
    """

    def __init__(self, rows: Rows, bins: int, fixed_centre: np.ndarray, fixed_size: np.ndarray) -> None:
        self.low = np.array([rows.left.min(), rows.y.min()])
        self.high = np.array([rows.right.max(), rows.y.max() + rows.height])
        self.bins, self._step = bins, (self.high - self.low) / bins
        size = np.stack([rows.right - rows.left, np.full(len(rows.y), rows.height)], axis=1)
        free = self._filled(np.stack([rows.left, rows.y], axis=1) + size / 2, size)
        inside = np.all((fixed_centre > self.low) & (fixed_centre < self.high), axis=1)
        taken = self._filled(fixed_centre[inside], fixed_size[inside])
        self.base: np.ndarray = np.clip(1 - np.clip(free, 0, 1) + taken, 0, 1)

    def usable(self) -> float:
        """Area that cells may fill."""
        return float((1 - self.base).sum() * self._step.prod())

    def field(self, centre: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, float]:
        """Displacement −∇φ of each cell, and the share of their area that is too much for its bin."""
        bins, weights = self._cover(centre, np.maximum(size, SMOOTH * self._step))
        area = size.prod(axis=1)
        density = self.base + self._sum(bins, weights * area[:, None])
        overfull = np.maximum(density - 1, 0).sum() * self._step.prod() / area.sum()
        k = np.pi * np.arange(self.bins)
        square = (k[:, None] / (self.high - self.low)[0]) ** 2 + (k / (self.high - self.low)[1]) ** 2
        square[0, 0] = np.inf  # the mean charge has no field
        potential = np.pad(idctn(dctn(density, norm="ortho") / square, norm="ortho"), 1, mode="edge")
        east = (potential[:-2, 1:-1] - potential[2:, 1:-1]) / (2 * self._step[0])
        north = (potential[1:-1, :-2] - potential[1:-1, 2:]) / (2 * self._step[1])
        push = [(slope.ravel()[bins] * weights).sum(axis=1) for slope in (east, north)]
        return np.stack(push, axis=1), float(overfull)

    def _filled(self, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
        """Covered share of each bin, box by box: boxes may be as large as the chip."""
        edges = [self.low[axis] + self._step[axis] * np.arange(self.bins + 1) for axis in range(2)]
        share = np.zeros((self.bins, self.bins))
        for middle, extent in zip(centre, size, strict=True):
            along = [
                np.maximum(
                    np.minimum(edge[1:], middle[axis] + extent[axis] / 2)
                    - np.maximum(edge[:-1], middle[axis] - extent[axis] / 2),
                    0.0,
                )
                for axis, edge in enumerate(edges)
            ]
            share += np.outer(*along)
        return np.asarray(share / self._step.prod())

    def _cover(self, centre: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bins under each cell, and the share of the cell in each of them; a row for each cell."""
        indices, shares = [], []
        for axis in range(2):
            begin = (centre[:, axis] - size[:, axis] / 2 - self.low[axis]) / self._step[axis]
            end = begin + size[:, axis] / self._step[axis]
            first = np.floor(begin).astype(int)
            under = first[:, None] + np.arange(int(np.ceil((end - begin).max(initial=0.0))) + 1)
            within = np.minimum(end[:, None], under + 1) - np.maximum(begin[:, None], under)
            indices.append(np.clip(under, 0, self.bins - 1))
            shares.append(np.maximum(within, 0.0) / (end - begin)[:, None])
        flat = indices[0][:, :, None] * self.bins + indices[1][:, None, :]
        both = shares[0][:, :, None] * shares[1][:, None, :]
        return flat.reshape(len(centre), -1), both.reshape(len(centre), -1)

    def _sum(self, bins: np.ndarray, area: np.ndarray) -> np.ndarray:
        """Density that the areas make in their bins."""
        filled = np.bincount(bins.ravel(), area.ravel(), self.bins**2).reshape(self.bins, self.bins)
        return np.asarray(filled / self._step.prod())
