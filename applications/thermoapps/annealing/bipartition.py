"""A graph cut in two halves of equal size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator

from thermoapps._reading import read_count, read_number
from thermoapps.annealing.bifurcation import Bifurcation
from thermoapps.annealing.ising import Ising, Vector
from thermoapps.annealing.moves import FiducciaMattheyses
from thermoapps.annealing.sampler import runs

__all__ = ["Bipartition", "bipartition"]

GAIN = 0.2
"""Of the drives by default: on a circuit, half as many nets are cut as with the gain that is best without a balance."""

PENALTY = 4.0
"""Drive of a cell when all are on one side, over what its neighbours do: a stronger one swings all cells as one."""


@dataclass(frozen=True)
class Bipartition:
    """Two sides of a graph.

    Parameters
    ----------
    side : array, shape (n,)
        ±1 of every node.
    cut : float
        Total weight of the edges between the sides.
    imbalance : int
        Nodes that one side has more than the other.
    device_time : float
        Of all reads, in τ.

    See Also
    --------
    FiducciaMattheyses, bipartition : Graphs in two halves.
    """

    side: Vector
    cut: float
    imbalance: int
    device_time: float


def bipartition(
    W: Any,
    *,
    tolerance: float = 0.0,
    num_reads: int = 8,
    method: Bifurcation | None = None,
    polish: FiducciaMattheyses | None = None,
    rng: Any = None,
) -> Bipartition:
    """Cut a graph in two halves so that little weight is cut.

    Spins want to be like their neighbours, J = −W, and a penalty of their sum squared keeps the halves equal. The
    penalty is a matrix of rank one: it is known by its product, a common wire in a device, and never formed. What
    imbalance a reading has left is mended digitally, by moving the nodes that cost least.

    Parameters
    ----------
    W : array_like or sparse array, shape (n, n)
        Symmetric weights ≥ 0.
    tolerance : float, optional
        Largest imbalance, as a share of all nodes; one node is always allowed where their number is odd.
    num_reads : int, optional
        Of which the best is taken.
    method : Bifurcation, optional
        The schedule. Default: ``Bifurcation(gain=0.2)``; stronger drives leave sparse graphs in more pieces.
    polish : FiducciaMattheyses, optional
        Digital moves of single nodes from every mended reading. None: the halves are the device's, mended.
    rng : None, int or numpy.random.Generator, optional

    Returns
    -------
    Bipartition

    Raises
    ------
    ValueError
        Weights that are negative or not symmetric, or numbers out of range.
    TypeError
        Weights that are not stored; a method or polish without `run`.

    See Also
    --------
    Bipartition, FiducciaMattheyses : Graphs in two halves.

    Examples
    --------
    Two cliques joined by one edge:

    >>> import numpy as np
    >>> W = np.kron(np.eye(2), np.ones((5, 5))) - np.eye(10)
    >>> W[0, 9] = W[9, 0] = 1.0
    >>> found = bipartition(W, rng=0)
    >>> found.cut, found.imbalance
    (1.0, 0)
    """
    if isinstance(W, LinearOperator):
        raise TypeError("weights must be stored to mend a cut; pass W as an array or a sparse array")
    graph = Ising(W)
    W = graph.J
    if W.nnz and W.data.min() < 0:
        raise ValueError("weights must not be negative: a graph that is to be cut has none")
    if read_number(tolerance, "tolerance") >= 1:
        raise ValueError(f"tolerance is a share of the nodes, below 1, got {tolerance}")
    num_reads, method = read_count(num_reads, "num_reads"), runs(method or Bifurcation(gain=GAIN), "method")
    n, generator = graph.n, np.random.default_rng(rng)
    if n == 0:
        return Bipartition(np.zeros(0), 0.0, 0, 0.0)
    near = graph.over(np.full(n, np.mean(graph.scales))).astype(np.float32)

    def product(x: Any) -> Any:
        return PENALTY / n * (x.sum(axis=0, keepdims=True) - x) - near @ x

    energy = Ising(LinearOperator((n, n), matvec=product, matmat=product, dtype=float))
    start = generator.choice([-1.0, 1.0], (n, num_reads))
    spins = method.run(energy, start, generator)
    allowed = max(int(tolerance * n), n % 2)
    halves = [_mended(W, s, allowed) for s in spins.T]
    if polish is not None:
        halves = [runs(polish, "polish").run(W, s, allowed) for s in halves]
    cuts = [_cut(W, s) for s in halves]
    best = halves[int(np.argmin(cuts))]
    return Bipartition(best, min(cuts), abs(int(best.sum())), num_reads * method.time)


def _cut(W: Any, s: Vector) -> float:
    """Total weight between the sides."""
    return float((W.sum() - s @ (W @ s)) / 4)


def _mended(W: sp.csr_array, s: Vector, allowed: int) -> Vector:
    """The same side for all nodes but for those that must move, each time the one that costs least."""
    s = np.array(s, dtype=float)
    inner = s * (W @ s)  # what a move cuts, less what it mends
    while abs(total := s.sum()) > allowed:
        heavy = np.flatnonzero(s == np.sign(total))
        i = heavy[np.argmin(inner[heavy])]
        near = slice(W.indptr[i], W.indptr[i + 1])
        s[i], inner[i] = -s[i], -inner[i]
        inner[W.indices[near]] += 2 * s[i] * W.data[near] * s[W.indices[near]]
    return s
