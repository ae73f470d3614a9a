"""Steps from a netlist to its conductance matrix."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from thermoapps.chip_design.netlist import Element

__all__ = ["columns", "joined", "laplacian", "place", "refuse_floating", "sums"]

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


def refuse_floating(a: np.ndarray, b: np.ndarray, group: np.ndarray, names: Sequence[str]) -> None:
    """Every unknown must be tied to ground, −1, by a path of resistors a–b."""
    n = int(group.max(initial=-1)) + 1
    links = sp.coo_array((np.ones(len(a)), (a + 1, b + 1)), shape=(n + 1, n + 1))
    block = connected_components(links, directed=False)[1]
    floating = np.flatnonzero(block[group + 1] != block[0])
    if len(floating):
        raise ValueError(
            f"{len(floating)} nodes have no path to ground through resistors and voltage sources, "
            f"{names[floating[0]]!r} first; their voltage is not determined"
        )


def place(name: str) -> tuple[float, float, float]:
    """Layer, x and y in a name such as n1_250_3600."""
    match = PLACE.fullmatch(name)
    return (float(match[1]), float(match[2]), float(match[3])) if match else (math.nan, math.nan, math.nan)
