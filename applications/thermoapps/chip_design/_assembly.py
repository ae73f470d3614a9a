"""Steps from a netlist to its conductance matrix."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from thermoapps.chip_design.netlist import GROUND, Element, Netlist

__all__ = ["check", "columns", "floating", "joined", "laplacian", "place", "sums", "without"]

LEAST = 1e-300
"""Ohm; conductances of smaller resistances overflow."""

PLACE = re.compile(r"(?:_x_)?n(\d+)_(\d+)_(\d+)")


def columns(index: dict[str, int], elements: Sequence[Element]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Plus node, minus node and value of each element."""
    plus = np.array([index[element.plus] for element in elements], dtype=int)
    minus = np.array([index[element.minus] for element in elements], dtype=int)
    return plus, minus, np.array([element.value for element in elements], dtype=float)


def joined(index: dict[str, int], sources: Sequence[Element]) -> tuple[np.ndarray, np.ndarray]:
    """Root of the group of each node, and its voltage against that root; ground is a root."""
    parent = list(range(len(index)))
    offset = [0.0] * len(index)

    def find(node: int) -> int:
        path = []
        while parent[node] != node:
            path.append(node)
            node = parent[node]
        for start in reversed(path):  # nearest to the root first: its parent's offset is against the root already
            offset[start] += offset[parent[start]]
            parent[start] = node
        return node

    for source in sources:
        a, b = index[source.plus], index[source.minus]
        volts = source.value if source.name[0] == "v" else 0.0
        root_a, root_b = find(a), find(b)
        gap = offset[b] + volts - offset[a]  # of root b above root a, as it has to be
        if root_a != root_b:
            upper, lower, step = (root_a, root_b, gap) if root_b < root_a else (root_b, root_a, -gap)
            parent[upper], offset[upper] = lower, step
        elif not math.isclose(gap, 0.0, abs_tol=1e-9 * max(1.0, abs(volts), abs(offset[a]))):
            raise ValueError(
                f"line {source.line}: {source.name} puts {volts:g} V between nodes that other voltage sources hold "
                f"{offset[a] - offset[b]:g} V apart"
            )
    return np.array([find(node) for node in range(len(index))]), np.array(offset)


def laplacian(a: np.ndarray, b: np.ndarray, g: np.ndarray, n: int) -> sp.csr_array:
    """Conductance matrix of n unknowns; −1 is ground, which has no row."""
    rows, cols = np.concatenate([a, b, a, b]), np.concatenate([a, b, b, a])
    values = np.concatenate([g, g, -g, -g])
    kept = (rows >= 0) & (cols >= 0)
    return sp.coo_array((values[kept], (rows[kept], cols[kept])), shape=(n, n)).tocsr()


def sums(index: np.ndarray, values: np.ndarray, n: int) -> np.ndarray:
    """Sum of the values that go to each of n unknowns; those of −1 go to ground."""
    return np.bincount(index + 1, weights=values, minlength=n + 1)[1:]


def check(netlist: Netlist) -> None:
    """Finite values, and resistances and capacitances that are not negative."""
    for element in (*netlist.resistors, *netlist.capacitors, *netlist.voltage_sources, *netlist.current_sources):
        if not math.isfinite(element.value):
            raise ValueError(f"line {element.line}: the value of {element.name} must be finite, got {element.value}")
    for element in (*netlist.resistors, *netlist.capacitors):
        if element.value < 0:
            raise ValueError(f"line {element.line}: the value of {element.name} must not be negative")
    for element in netlist.resistors:
        if 0 < element.value < LEAST:
            raise ValueError(f"line {element.line}: {element.name} is below {LEAST:g} ohm; a short has 0")


def floating(netlist: Netlist) -> list[str]:
    """Nodes that no path of resistors and voltage sources ties to ground."""
    names = [GROUND, *netlist.nodes()]
    index = {name: number for number, name in enumerate(names)}
    a, b, _ = columns(index, [*netlist.resistors, *netlist.voltage_sources])
    links = sp.coo_array((np.ones(len(a)), (a, b)), shape=(len(names), len(names)))
    block = connected_components(links, directed=False)[1]
    return [names[node] for node in np.flatnonzero(block != block[0])]


def without(netlist: Netlist, nodes: Sequence[str]) -> Netlist:
    """The network without some islands; a current or a capacitor between them and the rest is refused."""
    gone = set(nodes)
    for element in (*netlist.current_sources, *netlist.capacitors):
        bridges = (element.plus in gone) != (element.minus in gone)
        if bridges and (element.value or element.course is not None):
            raise ValueError(
                f"line {element.line}: {element.name} ties the rest to an island without a path to ground, which so "
                "cannot be dropped; give the island a resistor to ground, or take the element out"
            )

    def kept(elements: Sequence[Element]) -> list[Element]:
        return [element for element in elements if element.plus not in gone and element.minus not in gone]

    return replace(
        netlist,
        resistors=kept(netlist.resistors),
        voltage_sources=kept(netlist.voltage_sources),
        current_sources=kept(netlist.current_sources),
        capacitors=kept(netlist.capacitors),
    )


def place(name: str) -> tuple[float, float, float]:
    """Layer, x and y in a name such as n1_250_3600."""
    match = PLACE.fullmatch(name)
    return (float(match[1]), float(match[2]), float(match[3])) if match else (math.nan, math.nan, math.nan)
