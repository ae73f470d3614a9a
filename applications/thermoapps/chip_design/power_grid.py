"""Power grids: from a netlist to a symmetric positive definite conductance matrix, and to voltages on a device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

import thermolinalg as tla
from thermoapps.chip_design import _assembly
from thermoapps.chip_design.netlist import GROUND, Netlist

__all__ = ["GridSolution", "PowerGrid", "solve_grid"]


@dataclass(frozen=True)
class PowerGrid:
    r"""A network with its voltage sources eliminated.

    Nodes joined by voltage sources differ by known voltages: they share one unknown u, and :math:`v = P u + o`. The
    group that holds ground has u = 0 and leaves the system. Kirchhoff's current law is then
    :math:`P^T G P\,u = P^T(i - G o)` with a symmetric positive definite matrix.

    Parameters
    ----------
    names : list of str
        Nodes without ground.
    group : int array, shape (len(names),)
        Column of the unknown of each node; −1 where sources fix the node.
    offset : float array, shape (len(names),)
        o, volt.
    conductance : scipy.sparse.csr_array, shape (n, n)
        Pᵀ G P, in siemens.
    from_sources, from_loads : float array, shape (n,)
        −Pᵀ G o and Pᵀ i, in ampere: what voltage sources and current sources send into each unknown.

    See Also
    --------
    read_netlist, Netlist, Circuit, Element : Decks of simulators.
    """

    names: list[str]
    group: np.ndarray
    offset: np.ndarray
    conductance: sp.csr_array
    from_sources: np.ndarray
    from_loads: np.ndarray

    @classmethod
    def from_netlist(cls, netlist: Netlist, *, floating: str = "refuse") -> PowerGrid:
        """Join, eliminate and assemble.

        Parameters
        ----------
        netlist : Netlist
            A resistance of 0 joins its nodes like a source of 0 V; capacitors carry no current.
        floating : {'refuse', 'drop'}, optional
            What becomes of islands without a path to ground through resistors and voltage sources.

        Returns
        -------
        PowerGrid

        Raises
        ------
        ValueError
            Voltage sources that contradict each other; nodes without a path to ground through resistors and voltage
            sources, or, where they may be dropped, a current source or a capacitor between them and the rest.
        """
        if floating not in ("refuse", "drop"):
            raise ValueError(f"floating must be 'refuse' or 'drop', got {floating!r}")
        _assembly.check(netlist)
        loose = _assembly.floating(netlist)
        if loose and floating == "refuse":
            raise ValueError(
                f"{len(loose)} nodes have no path to ground through resistors and voltage sources, {loose[0]!r} first; "
                "their voltage is not determined: pass floating='drop' to leave them out"
            )
        netlist = _assembly.without(netlist, loose) if loose else netlist
        names = netlist.nodes()
        index = {GROUND: 0} | {name: number for number, name in enumerate(names, start=1)}
        shorts = [element for element in netlist.resistors if element.value == 0]
        root, offset = _assembly.joined(index, [*netlist.voltage_sources, *shorts])
        roots, group = np.unique(root, return_inverse=True)
        group -= 1  # ground is node 0 and its own root: its group comes first, and leaves the system
        n = len(roots) - 1

        a, b, resistance = _assembly.columns(index, netlist.resistors)
        apart = group[a] != group[b]
        a, b, g = a[apart], b[apart], 1 / resistance[apart]
        flow = g * (offset[a] - offset[b])
        plus, minus, current = _assembly.columns(index, netlist.current_sources)
        return cls(
            names=names,
            group=group[1:],
            offset=offset[1:],
            conductance=_assembly.laplacian(group[a], group[b], g, n),
            from_sources=_assembly.sums(group[b], flow, n) - _assembly.sums(group[a], flow, n),
            from_loads=_assembly.sums(group[minus], current, n) - _assembly.sums(group[plus], current, n),
        )

    def voltages(self, u: np.ndarray) -> np.ndarray:
        """Voltage of each node.

        Parameters
        ----------
        u : float array, shape (..., n)
            Unknowns.

        Returns
        -------
        float array, shape (..., len(names))
            v = P u + o.
        """
        return np.asarray(self.offset + self.spread(u))

    def spread(self, u: np.ndarray) -> np.ndarray:
        """One value for each node from one for each unknown; 0 where sources fix the node.

        Parameters
        ----------
        u : float array, shape (..., n)
            Unknowns.

        Returns
        -------
        float array, shape (..., len(names))
            P u.
        """
        u = np.asarray(u)
        return np.asarray(np.concatenate([u, np.zeros((*u.shape[:-1], 1))], axis=-1)[..., self.group])

    def coordinates(self) -> np.ndarray:
        """Layer, x and y of each node.

        Returns
        -------
        float array, shape (len(names), 3)
            From names such as ``n1_250_3600`` (``_X_n1_250_3600`` too); NaN for others.
        """
        return np.array([_assembly.place(name) for name in self.names]).reshape(-1, 3)


@dataclass(frozen=True)
class GridSolution:
    """Voltages of a grid.

    Parameters
    ----------
    names : list of str
        Nodes.
    voltages : float array, shape (len(names),)
        Volt.
    drop : float array, shape (len(names),)
        What the load currents take from each node: its voltage without them less its voltage; negative in a ground
        net, which they lift.
    info : thermolinalg.Info
        Report of the device.

    See Also
    --------
    sample_voltages, effective_resistance, johnson_temperature, solve_grid : What a power grid does.
    """

    names: list[str]
    voltages: np.ndarray
    drop: np.ndarray
    info: tla.Info


def solve_grid(
    grid: PowerGrid, *, rtol: float = 1e-10, device: tla.LangevinDevice | None = None, rng: Any = None
) -> GridSolution:
    """Voltages and IR drop of a power grid on a simulated thermodynamic device.

    The matrix is written into the device once; the currents of voltage sources and of loads are two right-hand sides
    that run side by side.

    Parameters
    ----------
    grid : PowerGrid
        From `PowerGrid.from_netlist`.
    rtol : float, optional
        Relative residual of both solves.
    device : LangevinDevice, optional
        Default: an ideal overdamped one.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness.

    Returns
    -------
    GridSolution
        Voltages and drop of all nodes, and the device's report.

    Raises
    ------
    ValueError
        A negative tolerance.
    SingularError
        Resistances so far apart that the matrix is singular to working precision.

    See Also
    --------
    GridSolution, sample_voltages, effective_resistance, johnson_temperature : What a power grid does.
    solve_transient, TransientSolution, Waveform : Grids in time.

    Examples
    --------
    >>> from thermoapps.chip_design import Element, Netlist
    >>> supply = [Element("v1", "vdd", "0", 1.0, 1)]
    >>> wires = [Element("r1", "vdd", "a", 0.5, 2), Element("r2", "a", "b", 0.5, 3)]
    >>> loads = [Element("i1", "b", "0", 0.1, 4)]
    >>> solution = solve_grid(PowerGrid.from_netlist(Netlist(wires, supply, loads)))
    >>> {name: round(float(v), 6) for name, v in zip(solution.names, solution.voltages)}
    {'vdd': 1.0, 'a': 0.95, 'b': 0.9}
    """
    right = np.stack([grid.from_sources, grid.from_loads], axis=1)
    try:
        u, info = tla.solve(
            grid.conductance, right, rtol=rtol, device=device, rng=rng, assume_a="pos", return_info=True
        )
    except tla.SingularError as error:
        raise tla.SingularError(
            "the resistances are too far apart for double precision: give the smallest 0 ohm, which joins their nodes, "
            "or take the largest out",
            error.null_vector,
            error.smallest,
            error.largest,
        ) from error
    return GridSolution(grid.names, grid.voltages(u.sum(axis=1)), -grid.spread(u[:, 1]), info)
