"""Energies of spins, and the scale of what each of them feels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

__all__ = ["Ising", "Vector"]

Vector = np.ndarray

SYMMETRIC = 1e-12
"""Asymmetry relative to the largest entries of its row and column that is rounding."""

PROBES = 32
"""Products with random signs that estimate the row norms of couplings known by their products."""


@dataclass(frozen=True)
class Ising:
    """E(s) = ½ sᵀJs + hᵀs + offset of n spins s = ±1.

    Parameters
    ----------
    J : array_like, sparse array or LinearOperator, shape (n, n)
        Symmetric couplings; sparse ones stay sparse. What stands on the diagonal of an array is constant, and goes into
        the offset; an operator must have none.
    h : array_like, shape (n,), optional
        Biases; none by default.
    offset : float, optional
        Constant of the energy.

    Raises
    ------
    ValueError
        J that is not square or not symmetric, h of another length, or numbers that are not finite.

    See Also
    --------
    LangevinSampler : Takes models of dimod.

    Examples
    --------
    >>> problem = Ising([[0.0, 1.0], [1.0, 0.0]], [0.0, -0.5])
    >>> problem.energies(np.array([[-1.0, 1.0], [1.0, 1.0]]))
    array([-1.5,  0.5])
    """

    J: Any
    h: Any = None
    offset: float = 0.0
    _plain: bool = field(init=False, repr=False, compare=False, default=True)

    def __post_init__(self) -> None:
        plain = not isinstance(self.J, LinearOperator)
        J = _real(self.J, "couplings")
        if len(J.shape) != 2 or J.shape[0] != J.shape[1]:
            raise ValueError(f"couplings must be square, got the shape {J.shape}")
        if plain:
            J = sp.csr_array(J, dtype=float, copy=True)
            J.sum_duplicates()
        n = J.shape[0]
        h = np.zeros(n) if self.h is None else np.asarray(_real(self.h, "h"), dtype=float)
        if h.shape != (n,):
            raise ValueError(f"h must have shape ({n},), one bias for each spin, got {h.shape}")
        if not (np.isfinite(h).all() and np.isfinite(self.offset)) or (plain and not np.isfinite(J.data).all()):
            raise ValueError("biases, couplings and offset must be finite: NaN or infinity was given")
        offset = float(self.offset)
        if plain and n:
            with np.errstate(over="ignore"):
                if not np.isfinite(np.abs(J.data).sum() + np.abs(h).sum() + abs(offset)):
                    raise ValueError("energies overflow: pass couplings, biases and offset in a larger unit")
            J = _symmetric(J)
            offset += float(J.diagonal().sum()) / 2
            J = sp.csr_array(J - sp.diags_array(J.diagonal()))
            J.eliminate_zeros()
        for name, value in (("J", J), ("h", h), ("offset", offset), ("_plain", plain)):
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, bqm: Any) -> Ising:
        """The energy of a `dimod.BinaryQuadraticModel`, of either vartype, its spins in the order of its variables.

        Parameters
        ----------
        bqm : dimod.BinaryQuadraticModel

        Returns
        -------
        Ising
        """
        spins = bqm if bqm.vartype.name == "SPIN" else bqm.change_vartype("SPIN", inplace=False)
        n = spins.num_variables
        h, (rows, columns, biases), offset = spins.to_numpy_vectors(variable_order=list(spins.variables))
        upper = sp.coo_array((np.asarray(biases, dtype=float), (rows, columns)), shape=(n, n))
        return cls(sp.csr_array(upper + upper.T), np.asarray(h, dtype=float), float(offset))

    @property
    def n(self) -> int:
        """Number of spins."""
        return len(self.h)

    @property
    def stored(self) -> bool:
        """Whether the couplings are stored, and not known by their products only."""
        return self._plain

    @property
    def couplings(self) -> int | None:
        """Number of couplings written into a device; None where they are known by their products."""
        return int(self.J.nnz) if self.stored else None

    def energies(self, s: Vector) -> Vector:
        """Energy of every column of spins s (n, k): (k,)."""
        s = self.columns(s)
        return np.asarray(np.sum(s * (self.J @ s / 2 + self.h[:, None]), axis=0) + self.offset)

    def columns(self, s: Any) -> Vector:
        """Spins (n, k) in double precision, a column for each read; ValueError where they are none."""
        s = np.asarray(s)
        if s.ndim != 2 or s.shape[0] != self.n:
            raise ValueError(f"spins must have shape ({self.n}, k), a column for each read, got {s.shape}")
        if not (np.abs(s) == 1).all():
            raise ValueError("spins must be ±1")
        return np.asarray(s, dtype=float)

    def over(self, sizes: Vector) -> Any:
        """Stored couplings, each row divided by its size."""
        rows = np.repeat(np.arange(self.n), np.diff(self.J.indptr))
        return sp.csr_array((self.J.data / sizes[rows], self.J.indices, self.J.indptr), shape=self.J.shape)

    @cached_property
    def scales(self) -> Vector:
        """Root of the sum of the squares that each spin feels (n,); one where it feels nothing."""
        if self.stored:
            rows = np.repeat(np.arange(self.n), np.diff(self.J.indptr))
            largest = np.abs(self.h)
            np.maximum.at(largest, rows, np.abs(self.J.data))
            safe = np.where(largest > 0, largest, 1.0)
            squares = np.bincount(rows, (self.J.data / safe[rows]) ** 2, minlength=self.n) + (self.h / safe) ** 2
            return safe * np.where(largest > 0, np.sqrt(squares), 1.0)
        signs = np.random.default_rng(0).choice([-1.0, 1.0], (self.n, PROBES))
        felt = np.column_stack([self.J @ signs, math.sqrt(PROBES) * self.h])
        largest = np.abs(felt).max(axis=1)
        safe = np.where(largest > 0, largest, 1.0)
        return safe * np.where(largest > 0, np.sqrt(np.sum((felt / safe[:, None]) ** 2, axis=1) / PROBES), 1.0)


def _real(value: Any, name: str) -> Any:
    """Real numbers: sparse, an operator, or an array; TypeError for others."""
    if np.ma.isMaskedArray(value):
        raise TypeError(f"{name} are masked; every entry is needed")
    value = value if sp.issparse(value) or isinstance(value, LinearOperator) else np.asarray(value)
    if np.dtype(value.dtype).kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got dtype {value.dtype}")
    return value


def _symmetric(J: sp.csr_array) -> sp.csr_array:
    """(J + Jᵀ)/2 of what is symmetric up to rounding, in the unit of each pair; ValueError for what is not."""
    difference = sp.coo_array(J - J.T)
    if difference.nnz:
        size = np.sqrt(np.maximum(abs(J).max(axis=1).toarray(), abs(J).max(axis=0).toarray()).ravel())
        rows, columns = difference.coords
        if (np.abs(difference.data) > SYMMETRIC * size[rows] * size[columns]).any():
            raise ValueError("couplings must be symmetric; pass (J + J.T) / 2, which has the same energy")
        J = sp.csr_array((J + J.T) / 2)
    return J
