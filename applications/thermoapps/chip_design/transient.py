"""Voltages of a power grid in time: the grid with its capacitors is itself a device, which relaxes by its own law."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

import thermolinalg as tla
from thermoapps.chip_design import _assembly
from thermoapps.chip_design.netlist import GROUND, Netlist
from thermoapps.chip_design.power_grid import PowerGrid
from thermolinalg import Overdamped
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions import DenseEngine, Engines
from thermolinalg.operators import Dense, Sparse

__all__ = ["TransientSolution", "solve_transient"]

RTOL = 1e-12
"""Relative residual of the solves with G."""

STRETCH = 1e7
"""Time constants of the fastest node up to which rounding leaves nine digits to the modes of A."""

WORST = 1e9
"""How far times may be from the mode that bounds the rounding: seven digits are left."""

LARGEST_DENSE = 3000
"""Unknowns up to which capacitors between nodes, and nodes without one, are eliminated by dense algebra."""


@dataclass(frozen=True)
class TransientSolution:
    """Voltages of a grid in time.

    Parameters
    ----------
    names : list of str
        Nodes.
    times : float array, shape (k,)
        Second.
    voltages : float array, shape (k, len(names))
        Volt.

    See Also
    --------
    Waveform, solve_grid, solve_transient : Grids in time.
    """

    names: list[str]
    times: np.ndarray
    voltages: np.ndarray


def solve_transient(netlist: Netlist, times: Any, *, floating: str = "refuse", rng: Any = None) -> TransientSolution:
    r"""Voltages of a grid of resistors and capacitors whose sources change in time.

    Kirchhoff's law is that of a device, :math:`C\,\dot u = -(G u - b)`, whose time constants are those of the grid
    itself. The start is the operating point at t = 0. Between two corners of the sources b is a straight line
    :math:`b_0 + s t`, along which :math:`p(t) = G^{-1}(b_0 + s t) - G^{-1} C\,G^{-1} s` is a solution, and what is left
    decays by the law of the device:

    .. math:: u(t) = p(t) + e^{-C^{-1} G\,t}\,(u(0) - p(0)) .

    No time is divided into steps: the exponential is that of the whole interval. Directions without capacitance follow
    at once, :math:`u_0 = G_{00}^{-1}(b - G_{01} u_1)`.

    Parameters
    ----------
    netlist : Netlist
        Its sources may have courses of straight lines, ``PULSE`` and ``PWL``.
    times : array_like, shape (k,)
        Not negative and increasing, in seconds.
    floating : {'refuse', 'drop'}, optional
        As for `PowerGrid.from_netlist`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness of the solves with G, which are refined to rounding.

    Returns
    -------
    TransientSolution
        The mean of the device, without thermal noise.

    Raises
    ------
    ValueError
        As `PowerGrid.from_netlist`; times that do not increase or are negative; a sine, an exponential, or a pulse
        without rise and fall; more than 3000 unknowns of which some have no capacitor to ground, or which capacitors
        join.

    See Also
    --------
    TransientSolution, Waveform, solve_grid : Grids in time.

    Examples
    --------
    A node of 1 pF behind 1 kΩ takes 1 − 1/e of a step in a nanosecond:

    >>> from thermoapps.chip_design import Element, Netlist, Waveform
    >>> step = Waveform("pwl", (0.0, 0.0, 1e-15, 1.0))
    >>> supply = Element("v1", "in", "0", 0.0, 1, step)
    >>> netlist = Netlist([Element("r1", "in", "out", 1e3, 2)], [supply], [], [Element("c1", "out", "0", 1e-12, 3)])
    >>> solution = solve_transient(netlist, [1e-9])
    >>> round(float(solution.voltages[0, solution.names.index("out")]), 4)
    0.6321
    """
    times = np.atleast_1d(np.asarray(times, dtype=float))
    if times.ndim != 1 or not len(times) or not np.isfinite(times).all():
        raise ValueError("times must be a list of finite numbers")
    if times[0] < 0 or np.any(np.diff(times) <= 0):
        raise ValueError("times must not be negative, and increase")
    start = PowerGrid.from_netlist(netlist.at(0.0), floating=floating)
    sources = (*netlist.voltage_sources, *netlist.current_sources)
    courses = {source.course for source in sources if source.course is not None}
    corners = np.unique(np.concatenate([[0.0, times[-1]], *(course.breakpoints(times[-1]) for course in courses)]))
    there = [PowerGrid.from_netlist(netlist.at(t), floating=floating) for t in corners[1:]] if courses else []
    grids = [start, *(there or [start] * (len(corners) - 1))]
    capacitors = _Capacitors(netlist, start)
    circuit = _Relaxation(start.conductance, capacitors.matrix, capacitors.earthed, rng)
    u = circuit.settled(_load(start))
    states = {0.0: start.voltages(u)}
    for (began, grid), (ends, later) in pairwise(zip(corners.tolist(), grids, strict=True)):
        rise, lift = (_load(later) - _load(grid)) / (ends - began), (later.offset - grid.offset) / (ends - began)
        base = _load(grid) - capacitors.charging(lift)
        moments = [began, *times[(times > began) & (times < ends)].tolist(), ends]
        for now, then in pairwise(moments):
            u = circuit.after(u, base + rise * (now - began), base + rise * (then - began), then - now)
            states[then] = grid.offset + lift * (then - began) + grid.spread(u)
    return TransientSolution(start.names, times, np.stack([states[t] for t in times.tolist()]))


def _load(grid: PowerGrid) -> np.ndarray:
    """What all sources send into each unknown."""
    return np.asarray(grid.from_sources + grid.from_loads)


class _Capacitors:
    """Capacitors between the unknowns of a grid."""

    def __init__(self, netlist: Netlist, grid: PowerGrid) -> None:
        index = {GROUND: -1} | {name: number for number, name in enumerate(grid.names)}
        there = [c for c in netlist.capacitors if c.value and c.plus in index and c.minus in index]
        self._a, self._b, self._farad = _assembly.columns(index, there)
        group = np.append(grid.group, -1)  # node −1, ground, is the last
        self._from, self._to, n = group[self._a], group[self._b], grid.conductance.shape[0]
        apart = self._from != self._to
        ends = self._from[apart], self._to[apart]
        self.matrix = _assembly.laplacian(*ends, self._farad[apart], n)
        self.earthed = np.unique(np.maximum(*ends)[np.minimum(*ends) < 0])

    def charging(self, volts: np.ndarray) -> np.ndarray:
        """Charge that leaves each unknown as the offsets change by volts, or current as they do by volts a second."""
        volts = np.append(volts, 0.0)
        charge, n = self._farad * (volts[self._a] - volts[self._b]), self.matrix.shape[0]
        return np.asarray(_assembly.sums(self._from, charge, n) - _assembly.sums(self._to, charge, n))


class _Relaxation:
    """C u̇ = −(G u − b) where C may be singular, held as ẏ = −(A y − f) with A symmetric.

    Nodes that capacitors join to each other, but not to ground, share one voltage that no charge holds. In
    u = N a + E z the indicators N of such groups carry these, and E is all nodes but one of each group: EᵀCE = L Lᵀ is
    positive definite, y = Lᵀz, and a follows z at once.
    """

    def __init__(self, conductance: sp.csr_array, capacitance: sp.csr_array, earthed: np.ndarray, rng: Any) -> None:
        n = conductance.shape[0]
        group = connected_components(capacitance, directed=False)[1]
        loose = np.setdiff1d(group, group[earthed])
        kept = np.full(int(group.max(initial=-1)) + 1, -1)
        kept[group] = np.arange(n)
        self._references = kept[loose]
        self._held = np.setdiff1d(np.arange(n), self._references)
        member = np.searchsorted(loose, group)
        inside = np.flatnonzero(np.isin(group, loose))
        self._groups = sp.csr_array((np.ones(len(inside)), (inside, member[inside])), shape=(n, len(loose)))
        self._program = tla.program(conductance, rng=rng, assume_a="pos")
        pulled = conductance @ self._groups
        self._pull = pulled[self._held].tocsr()
        inner = (self._groups.T @ pulled).tocsr()
        self._inner = tla.program(inner, rng=rng, assume_a="pos") if len(loose) else None
        stiffness = conductance[self._held][:, self._held].tocsr()
        charge = capacitance[self._held][:, self._held].tocsr()
        plain = not len(loose) and charge.nnz == len(self._held)
        if not plain and len(self._held) > LARGEST_DENSE:
            raise ValueError(
                f"{len(self._held)} unknowns have capacitors, and {LARGEST_DENSE} is the most where capacitors join "
                "nodes or some nodes have none: give every node one capacitor, to ground"
            )
        root = np.sqrt(charge.diagonal())
        self._root = sp.diags_array(root).tocsr() if plain else np.linalg.cholesky(charge.toarray())
        inverse = sp.diags_array(1 / root).tocsr() if plain else scipy.linalg.inv(self._root)
        self._inverse_root: Any = inverse
        self._stiffness: Any = stiffness
        if not plain:
            self._stiffness = stiffness.toarray() - self._pull @ self._followed(self._pull.T.toarray())
        matrix = inverse @ self._stiffness @ inverse.T
        self._rate = float(matrix.diagonal().max(initial=0.0)) or 1.0
        scaled = (matrix + matrix.T) / (2 * self._rate)
        self._engines = Engines(Sparse(scaled.tocsr()) if plain else Dense(scaled))

    @cached_property
    def _slow(self) -> DenseEngine:
        """The modes by their times, those of A⁻¹ = Lᵀ S⁻¹ L: the slow ones keep their digits beside fast ones."""
        stiffness = self._stiffness.toarray() if sp.issparse(self._stiffness) else self._stiffness
        times = self._root.T @ (self._root.T @ scipy.linalg.inv(stiffness, assume_a="pos")).T
        return DenseEngine(Dense((times + times.T) / 2))

    def settled(self, load: np.ndarray) -> np.ndarray:
        """Where everything comes to rest, G⁻¹ b."""
        return np.asarray(self._program.solve(load, rtol=RTOL)) if len(load) else load

    def after(self, u: np.ndarray, load: np.ndarray, later: np.ndarray, span: float) -> np.ndarray:
        """The state after a time in which the load goes straight from one value to another."""
        new = np.zeros(len(u))
        if len(self._held):
            new[self._held] = self._moved(self._charged(u), self._reduced(load), self._reduced(later), span)
        if len(self._references):
            new += self._groups @ self._followed(self._groups.T @ later - self._pull.T @ new[self._held])
        return new

    def _moved(self, z: np.ndarray, load: np.ndarray, later: np.ndarray, span: float) -> np.ndarray:
        """e^{−Ah} z + R f₀ + A⁻¹ (1 − R/h) (f₁ − f₀), in y; R = (1 − e^{−Ah})/A is the law's response."""
        change = self._inverse_root @ (later - load)
        starts = np.stack([self._root.T @ z, np.zeros_like(z)], axis=1)
        loads = np.stack([self._inverse_root @ load, change / span], axis=1)
        y, answered = self._relaxed(starts, loads, span).T
        full = np.zeros(self._groups.shape[0])
        full[self._held] = self._root @ (change - answered)
        full[self._references] = -(self._groups.T @ full)
        return np.asarray(self._inverse_root.T @ y + self._charged(self.settled(full)))

    def _relaxed(self, starts: np.ndarray, loads: np.ndarray, span: float) -> np.ndarray:
        """The law of the device without noise, e^{−Ah} y + (1 − e^{−Ah}) A⁻¹ f, column by column."""
        device, stretch = Overdamped(temperature=0.0), span * self._rate
        rates = LinearLaw(("x0", "b"), ("state",), lambda a: [[device.decay(a, stretch), device.response(a, stretch)]])
        if stretch <= STRETCH or len(self._held) > LARGEST_DENSE:
            engine = self._engines.choose(rates, rates.outputs, starts.shape[1]).engine
            if stretch > WORST and isinstance(engine, DenseEngine):
                raise ValueError(
                    f"the fastest node follows {stretch:.1g} times within {span:g} s, too often for rounding with more "
                    f"than {LARGEST_DENSE} unknowns: ask for shorter times"
                )
            return np.asarray(engine.apply(rates, [starts, loads / self._rate], rates.outputs)[0])
        slowest = self._slow.interval()[1]
        if slowest > WORST * span:
            raise ValueError(
                f"time constants from {1 / self._rate:.1g} s to {slowest:.1g} s are too far apart for rounding "
                f"at steps of {span:g} s: leave out the smallest capacitors"
            )

        def of_times(tau: np.ndarray) -> list[list[np.ndarray]]:
            passed = span / np.maximum(tau, np.finfo(float).tiny)
            return [[np.exp(-passed), -tau * np.expm1(-passed)]]

        times = LinearLaw(("x0", "b"), ("state",), of_times)
        return np.asarray(self._slow.apply(times, [starts, loads], times.outputs)[0])

    def _charged(self, u: np.ndarray) -> np.ndarray:
        """z of u."""
        return np.asarray((u - self._groups @ u[self._references])[self._held])

    def _reduced(self, load: np.ndarray) -> np.ndarray:
        """Load of z, where a follows."""
        return np.asarray(load[self._held] - self._pull @ self._followed(self._groups.T @ load))

    def _followed(self, load: np.ndarray) -> np.ndarray:
        """a under a load."""
        return load if self._inner is None else np.asarray(self._inner.solve(load, rtol=RTOL))
