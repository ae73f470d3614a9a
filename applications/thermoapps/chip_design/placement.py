"""Quadratic placement: the springs of all nets in equilibrium, which is what a device relaxes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

import thermolinalg as tla
from thermoapps.chip_design.bookshelf import Circuit

__all__ = ["Placement", "QuadraticWirelength", "quadratic_placement", "wirelength"]


@dataclass(frozen=True)
class Placement:
    """Where the cells stand.

    Parameters
    ----------
    circuit : Circuit
        What is placed.
    centre : float array, shape (n, 2)
        Centres of its cells, fixed ones included.
    info : thermolinalg.Info, optional
        Report of the device.

    See Also
    --------
    Rows, rows_between_pads, overlap, wirelength : Circuits to be placed.
    """

    circuit: Circuit
    centre: np.ndarray
    info: tla.Info | None = None


@dataclass(frozen=True)
class QuadraticWirelength:
    r"""Wirelength as the energy of springs, ½ zᵀ Q z − zᵀ b + const for each coordinate z of the free points.

    Every two pins of a net of p pins are joined by a spring of weight 1/(p − 1). Its "star" replaces the springs of a
    net of more than three pins by p springs of weight p/(p − 1) to one more point: p entries of the matrix instead of
    p², and the same optimum.

    Parameters
    ----------
    free : int array, shape (f,)
        Cells that may move; the first f points.
    matrix : scipy.sparse.csr_array, shape (m, m)
        Q, symmetric positive definite; m = f for cliques, more with stars.
    load : float array, shape (m, 2)
        b for x and y.

    See Also
    --------
    global_placement, quadratic_placement, spread_placement : Steps of placement.
    """

    free: np.ndarray
    matrix: sp.csr_array
    load: np.ndarray

    @classmethod
    def of(
        cls,
        circuit: Circuit,
        net_model: str = "clique",
        *,
        anchors: np.ndarray | None = None,
        anchor_weight: float = 0.0,
    ) -> QuadraticWirelength:
        """Assemble it.

        Parameters
        ----------
        circuit : Circuit
            Its fixed cells hold it.
        net_model : {'clique', 'star'}, optional
            How nets become springs.
        anchors : float array, shape (n, 2), optional
            Points to which further springs draw the free cells.
        anchor_weight : float, optional
            Of each of these springs.

        Returns
        -------
        QuadraticWirelength

        Raises
        ------
        ValueError
            An unknown net model; nothing to move; a negative weight, or a weight without anchors; cells that neither
            anchors hold nor a chain of nets ties to a fixed cell.
        """
        if net_model not in ("clique", "star"):
            raise ValueError(f"net_model must be 'clique' or 'star', got {net_model!r}")
        if not 0 <= anchor_weight < np.inf:
            raise ValueError(f"anchor_weight must be finite and not negative, got {anchor_weight}")
        if (anchors is None) != (anchor_weight == 0):
            raise ValueError("anchors and a positive anchor_weight go together: pass both or none")
        n = len(circuit.names)
        if anchors is not None and (np.shape(anchors) != (n, 2) or not np.isfinite(anchors).all()):
            raise ValueError(f"anchors must be finite and of shape ({n}, 2), got shape {np.shape(anchors)}")
        free = np.flatnonzero(~circuit.fixed)
        if not len(free):
            raise ValueError("circuit has no cells that may move")
        a, b, weight, n_points = _springs(circuit, 3 if net_model == "star" else None)
        cell = np.concatenate([circuit.pin_cell, np.arange(n, n + n_points - len(circuit.pin_cell))])
        offset = np.zeros((n_points, 2))
        offset[: len(circuit.pin_cell)] = circuit.pin_offset
        i, j, gap = cell[a], cell[b], offset[a] - offset[b]

        total = n + n_points - len(circuit.pin_cell)
        if anchors is None:
            _refuse_loose(circuit, i, j, total)
        moves = np.concatenate([free, np.arange(n, total)])
        fixed = np.flatnonzero(circuit.fixed)
        rows, cols = np.concatenate([i, j, i, j]), np.concatenate([i, j, j, i])
        values = np.concatenate([weight, weight, -weight, -weight])
        laplacian = sp.coo_array((values, (rows, cols)), shape=(total, total)).tocsr()
        pull = [np.bincount(j, weight * g, total) - np.bincount(i, weight * g, total) for g in gap.T]
        load = np.stack(pull, axis=1)[moves] - laplacian[moves][:, fixed] @ circuit.centre()[fixed]
        matrix = laplacian[moves][:, moves]
        if anchors is not None:
            held = anchor_weight * (np.arange(len(moves)) < len(free))
            matrix = (matrix + sp.diags_array(held)).tocsr()
            load[: len(free)] += anchor_weight * np.asarray(anchors)[free]
        return cls(free, matrix, load)


def quadratic_placement(
    circuit: Circuit,
    *,
    net_model: str = "clique",
    anchors: np.ndarray | None = None,
    anchor_weight: float = 0.0,
    rtol: float = 1e-10,
    device: tla.LangevinDevice | None = None,
    rng: Any = None,
) -> Placement:
    """Place the cells of a circuit at the optimum of the quadratic wirelength, on a simulated thermodynamic device.

    x and y are two right-hand sides of one matrix, which run side by side. Cells overlap in the result:
    `spread_placement` and `legal_placement` take them apart.

    Parameters
    ----------
    circuit : Circuit
        With pads to hold it.
    net_model : {'clique', 'star'}, optional
        How nets become springs; see `QuadraticWirelength`.
    anchors : float array, shape (n, 2), optional
        Points to which springs of weight `anchor_weight` draw the free cells.
    anchor_weight : float, optional
        Positive where there are anchors. A circuit whose pads are in no net needs them.
    rtol : float, optional
        Relative residual for x and for y.
    device : LangevinDevice, optional
        Default: an ideal overdamped one.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    Placement
        With the device's report.

    Raises
    ------
    ValueError
        As `QuadraticWirelength.of`.

    See Also
    --------
    spread_placement, QuadraticWirelength, global_placement : Steps of placement.

    Examples
    --------
    >>> import numpy as np
    >>> from thermoapps.chip_design import Circuit
    >>> square = np.ones((4, 2))
    >>> corner = np.array([[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [30.0, 0.0]])
    >>> circuit = Circuit(
    ...     names=["a", "b", "left", "right"],
    ...     size=square,
    ...     fixed=np.array([False, False, True, True]),
    ...     corner=corner,
    ...     pin_cell=np.array([2, 0, 0, 1, 1, 3]),
    ...     pin_net=np.array([0, 0, 1, 1, 2, 2]),
    ...     pin_offset=np.zeros((6, 2)),
    ... )
    >>> np.round(quadratic_placement(circuit, rng=0).centre[:, 0], 6)
    array([10.5, 20.5,  0.5, 30.5])
    """
    energy = QuadraticWirelength.of(circuit, net_model, anchors=anchors, anchor_weight=anchor_weight)
    points, info = tla.solve(
        energy.matrix, energy.load, rtol=rtol, device=device, rng=rng, assume_a="pos", return_info=True
    )
    centre = circuit.centre()
    centre[energy.free] = points[: len(energy.free)]
    return Placement(circuit, centre, info)


def wirelength(placement: Placement) -> float:
    """Half the perimeter of the smallest box around the pins of each net, summed.

    Parameters
    ----------
    placement : Placement
        Of any kind.

    Returns
    -------
    float
        In the circuit's units of length.

    See Also
    --------
    read_bookshelf, Placement, Rows, rows_between_pads : Circuits to be placed.
    """
    circuit = placement.circuit
    if not len(circuit.pin_net):
        return 0.0
    pins = placement.centre[circuit.pin_cell] + circuit.pin_offset
    starts = np.flatnonzero(np.diff(circuit.pin_net, prepend=-1))
    return float((np.maximum.reduceat(pins, starts) - np.minimum.reduceat(pins, starts)).sum())


def _springs(circuit: Circuit, largest: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Ends (pins, then centres of stars) and weights of the springs, and the number of points that they join."""
    starts = np.flatnonzero(np.diff(circuit.pin_net, prepend=-1))
    degrees = np.diff(starts, append=len(circuit.pin_net))
    ends_a, ends_b, weights = [], [], []
    n_points = len(circuit.pin_net)
    for degree in np.unique(degrees[degrees > 1]):
        first = starts[degrees == degree][:, None]
        if largest is None or degree <= largest:
            upper, lower = np.triu_indices(degree, 1)
            a, b = first + upper, first + lower
            weight = 1 / (degree - 1)
        else:
            a = first + np.arange(degree)
            b = np.broadcast_to(n_points + np.arange(len(first))[:, None], a.shape)
            n_points += len(first)
            weight = degree / (degree - 1)
        ends_a.append(a.ravel())
        ends_b.append(b.ravel())
        weights.append(np.full(a.size, weight))
    none: list[np.ndarray] = [np.zeros(0, dtype=int)]
    return np.concatenate(ends_a or none), np.concatenate(ends_b or none), np.concatenate(weights or none), n_points


def _refuse_loose(circuit: Circuit, i: np.ndarray, j: np.ndarray, total: int) -> None:
    """Every free cell must hang on a fixed one."""
    block = connected_components(sp.coo_array((np.ones(len(i)), (i, j)), shape=(total, total)), directed=False)[1]
    loose = np.flatnonzero(~np.isin(block[: len(circuit.names)], block[: len(circuit.names)][circuit.fixed]))
    if len(loose):
        raise ValueError(
            f"{len(loose)} cells hang on no fixed cell, {circuit.names[loose[0]]!r} first; "
            "their place is not determined: pass anchors, or fix one of them or leave them out"
        )
