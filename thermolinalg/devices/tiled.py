"""A device that is smaller than its problem: overlapping blocks of A, one after the other on the same cells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NoReturn

import numpy as np
import scipy.sparse

from thermolinalg._arrays import Array, as_array, is_distributed, to_numpy
from thermolinalg._validation import as_count, as_rng
from thermolinalg.devices.partition import Partition, by_coupling, strengths_of, widened
from thermolinalg.devices.protocols import Device, Program, checked_device
from thermolinalg.devices.reading import Ledger, Reading
from thermolinalg.devices.schedule import Schedule
from thermolinalg.operators import Dense, Operator, Sparse
from thermolinalg.operators.read import read_matrix

__all__ = ["TiledDevice", "TiledProgram"]

FORMABLE = 4096
"""Unknowns up to which blocks are cut out of a matrix that has no entries to look up: it is formed, in 128 MB."""


DAMPING = 4 / 3
"""Of the Jacobi step, over the largest eigenvalue of D⁻¹A: what smoothed aggregation takes."""


@dataclass(frozen=True)
class TiledDevice:
    r"""A device of a few cells that A of any size runs on: blocks of A are written one after the other.

    A run takes the load through :math:`\sum_i R_i^T W_i A_i^{-1} W_i R_i + V A_0^{-1} V^T`: additive Schwarz with
    overlapping blocks :math:`A_i` of A, weights :math:`W_i` of one over the root of the number of blocks that an
    unknown is in, and the coarse matrix :math:`A_0 = V^T A V` of one unknown for each block (for sparse A by smoothed
    aggregation), tiled itself where it has more of them than there are cells. That is no inverse of A but a
    preconditioner, whose readings `solve` makes to conjugate directions until the true residual is small. Every block
    is written anew for every run, which the ledger counts.

    Parameters
    ----------
    device : Device
        The one with so few cells.
    cells : int
        How many, at least 2.
    overlap : int, optional
        Unknowns of a block that belong to others, at most `cells` − 2. More of them take fewer runs of more blocks.
    partition : callable, optional
        ``partition(strengths, size)`` gives disjoint sets of at most so many unknowns that cover all: `by_coupling`
        (default) keeps strong couplings together, `contiguous` keeps the order.

    Raises
    ------
    ValueError
        Fewer than 2 cells, or fewer than two left beside the overlap.
    TypeError
        `device` is none.

    See Also
    --------
    RemoteDevice, LatticeDevice, SaturatingDevice : Devices with limits of hardware.
    by_coupling, contiguous : Blocks of a matrix on a smaller chip.

    References
    ----------
    Toselli and Widlund, Domain Decomposition Methods, Springer (2005), chapters 2 and 3; Vaněk, Mandel and Brezina,
    Algebraic multigrid by smoothed aggregation, Computing 56, 179 (1996); Notay, Flexible conjugate
    gradients, SIAM J. Sci. Comput. 22, 1444 (2000).

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> from thermolinalg.devices import TiledDevice
    >>> A = 2.1 * np.eye(20) - np.eye(20, k=1) - np.eye(20, k=-1)
    >>> small = TiledDevice(tla.LangevinDevice(), cells=8)
    >>> x, info = tla.solve(A, np.ones(20), device=small, rng=0, return_info=True)
    >>> info.success, bool(np.linalg.norm(A @ x - 1) < 1e-9), info.ledger.programs > 4
    (True, True, True)
    """

    device: Device
    cells: int
    overlap: int = 2
    partition: Partition = by_coupling

    def __post_init__(self) -> None:
        checked_device(self.device)
        if as_count(self.cells, "cells") < 2:
            raise ValueError("a single cell couples nothing: pass cells of at least 2")
        if not callable(self.partition):
            raise TypeError(f"partition must be a function such as by_coupling, got {self.partition!r}")
        if as_count(self.overlap, "overlap", 0) > self.cells - 2:
            raise ValueError(
                f"overlap must lie between 0 and cells - 2 = {self.cells - 2}, so that a block has two unknowns of its "
                f"own; got {self.overlap!r}"
            )

    @property
    def imperfections(self) -> Any:
        """Those of the device."""
        return self.device.imperfections  # type: ignore[attr-defined]

    @property
    def loading(self) -> Any:
        """That of the device."""
        return self.device.loading  # type: ignore[attr-defined]

    def program(self, A: Any, *, rng: Any = None) -> Program:
        """Write A, block by block.

        Parameters
        ----------
        A : array_like, sparse array or Operator, shape (d, d)
            Real, symmetric positive definite.
        rng : None, int or numpy.random.Generator, optional
            Draws what every write adds.

        Returns
        -------
        Program
            That of the device itself where A has no more unknowns than it has cells.

        Raises
        ------
        LinAlgError
            A block is not positive definite.
        TypeError
            A is not symmetric, or is spread over ranks.
        ValueError
            A has too many unknowns to be formed, and no entries to look up.
        """
        operator = A if isinstance(A, Operator) else read_matrix(A).operator
        if not operator.symmetric:
            raise TypeError("the blocks of a TiledDevice are symmetric, and A is not")
        if operator.shape[0] <= self.cells:
            return self.device.program(operator, rng=as_rng(rng))
        if is_distributed(operator.like):
            raise TypeError("a TiledDevice cuts its blocks out of one array, and the rows of A are on several ranks")
        return TiledProgram(self, _entries(operator), operator.like, as_rng(rng))


class Tile:
    """A block of A: written into the device for every run.

    Parameters
    ----------
    device : Device
        With the cells.
    matrix : ndarray, shape (m, m)
        The block.
    ledger : Ledger
        On which writes and runs are booked.
    rng : numpy.random.Generator
        Draws what every write adds.
    """

    def __init__(self, device: Device, matrix: np.ndarray, ledger: Ledger, rng: np.random.Generator) -> None:
        self.device, self.operator, self.ledger, self.rng = device, Dense(matrix), ledger, rng
        self.program = self.written()

    def written(self) -> Program:
        """The block on the device, booked."""
        program = self.device.program(self.operator, rng=self.rng)
        self.ledger.carry(program.ledger)
        self.ledger.couplings, program.ledger = program.ledger.couplings, self.ledger
        return program

    def rate(self) -> float:
        """Relaxation rate of the slowest mode, in 1/τ."""
        return self.program.rate()

    def timetable(self, b: Array, relative: float) -> Schedule:
        """As that of its program."""
        return self.program.timetable(b, relative)

    def average(self, b: Array, schedule: Schedule, *, rng: np.random.Generator) -> Reading:
        """Write the block, load b (m, k), run the schedule."""
        self.program = self.written()
        return self.program.average(b, schedule, rng=rng)


class TiledProgram:
    """A matrix that runs through a device block by block; see `TiledDevice`.

    Parameters
    ----------
    device : TiledDevice
        It was written into.
    matrix : ndarray or sparse array, shape (d, d)
        A, on the host.
    like : array
        Of the user's library and precision.
    rng : numpy.random.Generator
        Draws what every write adds.
    ledger : Ledger, optional
        On which to go on booking.

    Attributes
    ----------
    distortion : float
        1: what a run applies is no inverse of A, however good the device.

    See Also
    --------
    UnevenProgram, LangevinProgram, GeneralProgram, SkewProgram : Programs, what devices hold of A.
    """

    distortion = 1.0

    def __init__(
        self, device: TiledDevice, matrix: Any, like: Array, rng: np.random.Generator, ledger: Ledger | None = None
    ) -> None:
        self.device, self.like, self.ledger = device, like, Ledger() if ledger is None else ledger
        diagonal = np.asarray(matrix.diagonal())
        if not (diagonal > 0).all():
            i = int(np.argmin(diagonal))
            raise np.linalg.LinAlgError(f"A is not positive definite: diagonal entry {i} is {diagonal[i]:.6g}")
        strengths = strengths_of(matrix, device.cells)
        cores = device.partition(strengths, device.cells - device.overlap)
        self.blocks = [widened(strengths, core, device.overlap) for core in cores]
        shared = np.bincount(np.concatenate(self.blocks), minlength=len(diagonal))
        self._weights = [1 / np.sqrt(shared[block])[:, None] for block in self.blocks]
        self.tiles = [Tile(device.device, _block(matrix, block), self.ledger, rng) for block in self.blocks]
        self._basis = _smoothed(matrix, diagonal, _aggregates(cores, 1 / np.sqrt(diagonal)))
        coarse = self._basis.T @ (matrix @ self._basis)
        if len(cores) > device.cells:
            self.coarse: Tile | TiledProgram = TiledProgram(device, coarse, like, rng, self.ledger)
        else:
            self.coarse = Tile(device.device, _dense(coarse), self.ledger, rng)

    def rate(self) -> float:
        """Relaxation rate of the slowest mode of any block, in 1/τ."""
        return min(part.rate() for part in (*self.tiles, self.coarse))

    def timetable(self, b: Array, relative: float) -> Schedule:
        """The longest of the timetables of the blocks for their parts of the load."""
        proposed = [part.timetable(load, relative) for part, load in self._loads(to_numpy(b).astype(float))]
        burn_in = max(schedule.burn_in for schedule in proposed)
        return replace(max(proposed, key=lambda schedule: schedule.duration), burn_in=burn_in)

    def describe(self) -> dict[str, str]:
        """Engine and reason."""
        inner, size = self.tiles[-1].program.describe(), max(map(len, self.blocks))
        return {
            "engine": f"{inner['engine']}, in tiles",
            "reason": f"the device has {self.device.cells} cells: A goes through it in {len(self.blocks)} blocks of up "
            f"to {size} unknowns and a coarse one of {len(self.blocks)}, each written anew for every run",
        }

    def average(
        self,
        b: Array,
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        start: Array | None = None,
        state: bool = False,
    ) -> Reading:
        """Take b (d, k) through all blocks, each for that schedule: a preconditioned residual, no estimate of A⁻¹b.

        Raises
        ------
        ValueError
            The schedule is not that of a refinement, which sends back what this leaves.
        """
        if not schedule.rough:
            raise ValueError(
                "one pass through the blocks of a TiledDevice is no estimate of A⁻¹b: leave refine=True, which sends "
                "the residual back, or pass a device that holds all of A"
            )
        load, time = to_numpy(b).astype(float), self.ledger.device_time
        parts = [part.average(piece, schedule, rng=rng) for part, piece in self._loads(load)]
        value = self._assembled([np.asarray(part.value) for part in parts])
        gains = np.array([np.broadcast_to(np.asarray(part.gain), load.shape[1:]) for part in parts])
        gain = gains.min(axis=0)

        def replicas() -> Array:
            # Columns that one block amplifies less than another have the larger of their noises.
            worst = (gain / gains).max(axis=1, initial=0.0)
            spread = [w * np.asarray(part.noise) for w, part in zip(worst, parts, strict=True)]
            return as_array(self._assembled(spread), self.like)

        return Reading(
            as_array(value, b),
            self.ledger.device_time - time,
            schedule,
            replicas=replicas if all(part.replicas is not None for part in parts) else None,
            gain=as_array(gain, b),
        )

    def settle(self, *_: Any, **__: Any) -> NoReturn:
        """Refused, as all that reads the voltages of A themselves."""
        raise TypeError(
            "the voltages of a TiledDevice are those of blocks of A, which settle to other means and covariances: pass "
            "a device that holds all of A, or solve with it, whose residuals are sent back"
        )

    readings = covariance = variances = settle

    def _loads(self, load: np.ndarray) -> list[tuple[Tile | TiledProgram, np.ndarray]]:
        """What each block is loaded with."""
        pieces = [w * load[block] for w, block in zip(self._weights, self.blocks, strict=True)]
        return list(zip((*self.tiles, self.coarse), (*pieces, self._basis.T @ load), strict=True))

    def _assembled(self, values: list[np.ndarray]) -> np.ndarray:
        """Readings of the blocks as one of all unknowns."""
        total = self._basis @ values[-1]
        for weights, block, value in zip(self._weights, self.blocks, values[:-1], strict=True):
            total[block] += weights * value
        return np.asarray(total)


def _entries(operator: Operator) -> Any:
    """The entries of A in double precision, on the host: a sparse array where it is one."""
    if isinstance(operator, Sparse):
        return scipy.sparse.csr_array(operator.matrix, dtype=float)
    if not isinstance(operator, Dense) and operator.shape[0] > FORMABLE:
        raise ValueError(
            f"a TiledDevice cuts blocks out of the entries of A: up to {FORMABLE} unknowns they are formed from "
            f"products, and A has {operator.shape[0]}; pass it as an array or a sparse array"
        )
    return to_numpy(operator.dense()).astype(float)


def _block(matrix: Any, nodes: np.ndarray) -> np.ndarray:
    """The block of those unknowns, dense."""
    return _dense(matrix[nodes][:, nodes])


def _dense(matrix: Any) -> np.ndarray:
    return matrix.toarray() if scipy.sparse.issparse(matrix) else np.asarray(matrix)


def _smoothed(matrix: Any, diagonal: np.ndarray, basis: Any) -> Any:
    """One step of damped Jacobi on the columns of a sparse matrix: smoothed aggregation."""
    if not scipy.sparse.issparse(matrix):
        return basis
    scaled = scipy.sparse.diags_array(1 / diagonal) @ matrix
    return basis - DAMPING / abs(scaled).sum(axis=1).max() * (scaled @ basis)


def _aggregates(cores: list[np.ndarray], values: np.ndarray) -> Any:
    """Columns (d, blocks) that hold these values on one core each."""
    columns = np.repeat(np.arange(len(cores)), [len(core) for core in cores])
    nodes = np.concatenate(cores)
    return scipy.sparse.csr_array((values[nodes], (nodes, columns)), shape=(len(values), len(cores)))
