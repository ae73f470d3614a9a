"""Energies of spins, and the scale of what each of them feels."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

__all__ = ["Ising", "Vector"]

Vector = np.ndarray

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
        J = self.J
        plain = not isinstance(J, LinearOperator)
        if plain:
            J = sp.csr_array(J if sp.issparse(J) else np.asarray(J, dtype=float), dtype=float)
        if len(J.shape) != 2 or J.shape[0] != J.shape[1]:
            raise ValueError(f"couplings must be square, got the shape {J.shape}")
        n = J.shape[0]
        h = np.zeros(n) if self.h is None else np.asarray(self.h, dtype=float)
        if h.shape != (n,):
            raise ValueError(f"h must have shape ({n},), one bias for each spin, got {h.shape}")
        if not (np.isfinite(h).all() and np.isfinite(self.offset)) or (plain and not np.isfinite(J.data).all()):
            raise ValueError("biases, couplings and offset must be finite: NaN or infinity was given")
        offset = float(self.offset)
        if plain and n:
            if abs(J - J.T).max() > 1e-12 * abs(J).max():
                raise ValueError("couplings must be symmetric; pass (J + J.T) / 2, which has the same energy")
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
        """Energy of every column of s (n, k): (k,)."""
        s = np.asarray(s, dtype=float)
        return np.asarray(np.sum(s * (self.J @ s / 2 + self.h[:, None]), axis=0) + self.offset)

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
        norms = np.sqrt(np.mean((self.J @ signs) ** 2, axis=1) + self.h**2)
        return np.where(norms > 0, norms, 1.0)
