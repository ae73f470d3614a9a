"""Power grids of any size, to measure with."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermoapps.chip_design.netlist import GROUND, Element, Netlist
from thermoapps.chip_design.waveforms import Waveform

__all__ = ["square_mesh"]


def square_mesh(side: int, *, load: Waveform | None = None, capacitance: float = 0.0, rng: Any = None) -> Netlist:
    """A square mesh of wires of 1 ohm, fed with 1 V at its corners through 0.1 ohm, with a load at every node.

    Parameters
    ----------
    side : int
        Nodes along each side.
    load : Waveform, optional
        One more load, in the middle.
    capacitance : float, optional
        Of each node to ground, farad.
    rng : None, int or numpy.random.Generator, optional
        Source of the loads, uniform from 0 to 0.1 mA.

    Returns
    -------
    Netlist
        Nodes are named after their places, ``n1_0_0`` first, and the supply ``vdd``.

    Raises
    ------
    ValueError
        A side of fewer than two nodes, or a negative capacitance.

    See Also
    --------
    read_netlist, Netlist, PowerGrid, Waveform : Netlists of files, and what they become.

    Examples
    --------
    >>> mesh = square_mesh(3, rng=0)
    >>> len(mesh.resistors), len(mesh.current_sources), mesh.nodes()[:2]
    (16, 9, ['n1_0_0', 'n1_0_1'])
    """
    if side < 2:
        raise ValueError(f"side must be at least 2, got {side}")
    if not 0 <= capacitance < np.inf:
        raise ValueError(f"capacitance must be finite and not negative, got {capacitance}")
    names = [[f"n1_{i}_{j}" for j in range(side)] for i in range(side)]
    wires = [
        Element(f"r{way}{i}_{j}", names[i][j], names[i + di][j + dj], 1.0, 1)
        for way, di, dj in (("h", 0, 1), ("v", 1, 0))
        for i in range(side - di)
        for j in range(side - dj)
    ]
    corners = [names[i][j] for i in (0, -1) for j in (0, -1)]
    feeds = [Element(f"r{name}", "vdd", name, 0.1, 1) for name in corners]
    nodes = [name for line in names for name in line]
    amperes = 1e-4 * np.random.default_rng(rng).random(len(nodes))
    loads = [Element(f"i{name}", name, GROUND, float(a), 1) for name, a in zip(nodes, amperes, strict=True)]
    if load is not None:
        loads.append(Element("ipulse", names[side // 2][side // 2], GROUND, load.initial, 1, load))
    charged = [Element(f"c{name}", name, GROUND, capacitance, 1) for name in nodes] if capacitance else []
    return Netlist(wires + feeds, [Element("v1", "vdd", GROUND, 1.0, 1)], loads, charged)
