"""Analytic placement: wires pull and density pushes, and each step relaxes on the device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

import thermolinalg as tla
from thermoapps.chip_design._bounds import BoundToBound
from thermoapps.chip_design._density import Bins
from thermoapps.chip_design.bookshelf import Circuit, Rows
from thermoapps.chip_design.placement import Placement, QuadraticWirelength, quadratic_placement
from thermoapps.chip_design.spreading import spread_placement

__all__ = ["global_placement"]

FILLED = 0.96
"""Share of the rows that cells may fill: what is left makes room for rows to be legal."""

GROWTH = 1.08
"""Of the weight of the density from round to round."""

EVEN, ENOUGH = 0.3, 0.1
"""Overfull shares at which bins become half as wide, and at which the rounds end."""

SUBSPACE = 15
"""Steps of inverse iteration for the first places."""


def global_placement(
    circuit: Circuit,
    rows: Rows,
    *,
    rounds: int = 200,
    rtol: float = 1e-2,
    device: tla.LangevinDevice | None = None,
    callback: Callable[[Placement], Any] | None = None,
    rng: Any = None,
) -> Placement:
    r"""Place the cells of a circuit so that wires are short and no part of the rows is too full.

    With the half perimeter W, whose second derivative is replaced by the springs Q of the bound-to-bound net model, and
    the displacement e that the density of the cells asks for, each round moves x and y by

    .. math:: (Q + \lambda\,\mathrm{diag}(a))\,\delta = -\nabla W + \lambda\,a\,e

    (a, areas in units of their mean): the equilibrium of a device. λ grows from round to round; at first a push across
    the whole chip balances the mean pull of the wires. Charges without wires fill the free area, so that cells are not
    spread further than they need. Cells that all hang on fixed ones start at the optimum of `quadratic_placement`,
    others at the two slowest modes of their springs, found by solves too.

    Parameters
    ----------
    circuit : Circuit
        What to place.
    rows : Rows
        They span the region to fill.
    rounds : int, optional
        Most rounds; fewer are made where the cells are spread earlier. 0 leaves random places.
    rtol : float, optional
        Relative residual of each step: the next one makes up for it.
    device : LangevinDevice, optional
        Default: an ideal overdamped one.
    callback : callable, optional
        Shown the placement after each round; StopIteration ends the rounds with it.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness, of the first places too.

    Returns
    -------
    Placement
        Spread evenly enough for `legal_placement`; the device's report of the last step.

    Raises
    ------
    ValueError
        A negative number of rounds; nothing to move; more area than the rows have.

    See Also
    --------
    quadratic_placement, spread_placement, QuadraticWirelength : Steps of placement.
    legal_placement, refine_placement, place_circuit : From a circuit to places in rows.

    References
    ----------
    Spindler, Schlichtmann and Johannes, Kraftwerk2, IEEE Trans. CAD 27, 1398 (2008), doi:10.1109/TCAD.2008.925783
    (springs); Lu et al., ePlace, ACM TODAES 20, 17 (2015), doi:10.1145/2699873 (charges and fillers).
    """
    if rounds < 0:
        raise ValueError(f"rounds must not be negative, got {rounds}")
    generator, free = np.random.default_rng(rng), np.flatnonzero(~circuit.fixed)
    if not len(free):
        raise ValueError("circuit has no cells that may move")
    size, held = circuit.size[free], circuit.centre()[circuit.fixed]
    fineness = max(2, round(np.log2(np.sqrt(len(free)) / 1.7)))
    chip = Bins(rows, 2**fineness, held, circuit.size[circuit.fixed])
    if size.prod(axis=1).sum() > chip.usable() * (1 + 1e-9):
        raise ValueError(
            f"the cells need an area of {size.prod(axis=1).sum():g} and the rows have {chip.usable():g}: "
            "give more or longer rows"
        )
    placement = _first_places(circuit, rows, rounds, device, generator)
    area = size.prod(axis=1) / size.prod(axis=1).mean()
    fillers, filler_size = _fillers(chip, size, rows, generator)
    everything = np.concatenate([size, np.tile(filler_size, (len(fillers), 1))])
    springs, centre, weight = BoundToBound(circuit), placement.centre.copy(), 0.0
    for _ in range(rounds):
        push, overfull = chip.field(np.concatenate([centre[free], fillers]), everything)
        if overfull < EVEN and chip.bins == 2**fineness:
            chip = Bins(rows, 2 * chip.bins, held, circuit.size[circuit.fixed])
        elif overfull < ENOUGH:
            break
        fillers = _inside(chip, fillers + push[len(free) :], filler_size)
        models = [springs.at(centre, axis, rows.height) for axis in range(2)]
        if not weight:
            pull = float(np.mean([np.abs(gradient).mean() for _, gradient in models]))
            weight = (pull or 1.0) / float((chip.high - chip.low).mean())
        held_back = sp.diags_array(weight * area)
        for axis, (stiffness, gradient) in enumerate(models):
            load = weight * area * push[: len(free), axis] - gradient
            step, info = tla.solve(
                (stiffness + held_back).tocsr(),
                load,
                rtol=rtol,
                device=device,
                rng=generator,
                assume_a="pos",
                return_info=True,
            )
            centre[free, axis] += step
        centre[free] = _inside(chip, centre[free], size)
        weight *= GROWTH
        placement = Placement(circuit, centre.copy(), info)
        if callback is not None:
            try:
                callback(placement)
            except StopIteration:
                break
    return placement


def _inside(chip: Bins, centre: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Centres moved into the chip; what is larger than the chip stands in its middle."""
    margin = np.minimum(size, chip.high - chip.low) / 2
    return np.asarray(np.clip(centre, chip.low + margin, chip.high - margin))


def _fillers(chip: Bins, size: np.ndarray, rows: Rows, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Centres and size of charges that fill what cells leave free."""
    extent = 2 * np.array([np.sqrt(np.median(size.prod(axis=1))), rows.height])
    count = int(max(0.0, FILLED * chip.usable() - size.prod(axis=1).sum()) / extent.prod())
    count = min(count, 4 * len(size))
    return chip.low + rng.random((count, 2)) * (chip.high - chip.low), extent


def _first_places(
    circuit: Circuit, rows: Rows, rounds: int, device: tla.LangevinDevice | None, rng: np.random.Generator
) -> Placement:
    """Where the rounds begin."""
    low = np.array([rows.left.min(), rows.y.min()])
    high = np.array([rows.right.max(), rows.y.max() + rows.height])
    centre, free = circuit.centre(), np.flatnonzero(~circuit.fixed)
    centre[free] = low + rng.random((len(free), 2)) * (high - low)
    if rounds:
        energy = QuadraticWirelength.of(circuit, anchors=centre, anchor_weight=1.0)
        springs = (energy.matrix - sp.eye_array(len(free))).tocsr()
        block = connected_components(springs, directed=False)[1]
        largest = np.flatnonzero(block == np.bincount(block).argmax())
        tied = np.bincount(block, springs.sum(axis=1)) > 1e-9 * springs.diagonal().sum()
        if tied.all():
            return quadratic_placement(circuit, device=device, rng=rng)
        if len(largest) > 3:
            modes = _slowest(springs[largest][:, largest].tocsr(), device, rng)
            centre[free[largest]] = (low + high) / 2 + modes / np.abs(modes).max(axis=0) * (high - low) / 2
    return spread_placement(Placement(circuit, centre), rows)


def _slowest(springs: sp.csr_array, device: tla.LangevinDevice | None, rng: np.random.Generator) -> np.ndarray:
    """The two slowest modes of springs that nothing holds, but for the one in which all move as one."""
    n = springs.shape[0]
    held = 3e-4 * springs.diagonal().mean()
    prepared = tla.program((springs + held * sp.eye_array(n)).tocsr(), device=device, rng=rng, assume_a="pos")
    modes = rng.standard_normal((n, 3))
    for _ in range(SUBSPACE):
        modes, _ = scipy.linalg.qr(prepared.solve(modes - modes.mean(axis=0), rtol=1e-3), mode="economic")
    _, turn = scipy.linalg.eigh(modes.T @ (springs @ modes))
    return np.asarray(modes @ turn[:, :2])
