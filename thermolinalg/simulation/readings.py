"""Trajectories: equally spaced readings drawn one after the other from the exact step law."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence

import numpy as np

from thermolinalg._arrays import Array, multiple, namespace, standard_normal
from thermolinalg._progress import watched
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions.base import Diagonalising, Engine, evaluate

__all__ = ["autoregressive_blocks", "modal_readings"]

CHUNK = 1024
"""Readings whose noise is drawn at once."""

FEW_MODES = 64
"""Modes up to which a step takes its time for being called: then all steps are taken at once, in more operations."""

MEMORY = {"x0": "state", "v0": "velocity"}
"""What a law remembers: its inputs at the start of a step, and the outputs that carry them on."""


def autoregressive_blocks(
    engine: Engine,
    first: LinearLaw,
    step: LinearLaw,
    start: Array | None,
    load: Array,
    readings: int,
    rng: np.random.Generator,
) -> Generator[Array, None, None]:
    """Readings of x ← step(x, b, z), the first drawn by `first` from `start`, in blocks (d, n); velocities rest first.

    Engines that diagonalise A run in its eigenbasis, where a step costs O(d); the others apply the law at each step.
    """
    if isinstance(engine, Diagonalising):
        origin = None if start is None else engine.to_modes(start)[:, 0]
        chunks = modal_readings(engine.eigenvalues(), first, step, origin, engine.to_modes(load)[:, 0], readings, rng)
        for chunk in watched(chunks, "block of readings", total=-(-readings // CHUNK)):
            yield engine.from_modes(chunk.T)
        return
    names = [name for name in step.inputs if name in MEMORY]
    outputs = [MEMORY[name] for name in names]
    known: dict[str, Array | None] = dict.fromkeys(names) | {"x0": start, "b": load}
    law = first
    for _ in watched(range(readings), "reading"):
        noise = {name: standard_normal(rng, tuple(load.shape), load) for name in law.normal_inputs()}
        inputs = known | noise
        states = engine.apply(law, [inputs[name] for name in law.inputs], outputs)
        known.update(zip(names, states, strict=True))
        yield states[0]
        law = step


def modal_readings(
    lam: Array,
    first: LinearLaw,
    step: LinearLaw,
    start: Array | None,
    load: Array,
    readings: int,
    rng: np.random.Generator,
) -> Iterator[Array]:
    """The same readings in coordinates where A is diagonal, in chunks (n, d)."""
    states: list[Array | None] = [start]
    recursion, count = _Recursion(first, lam, load), 1
    while readings > 0:
        blocks = recursion.advance(states, recursion.innovations(count, rng))
        states = [block[-1] for block in blocks]
        yield blocks[0]
        readings -= count
        recursion, count = _Recursion(step, lam, load), min(CHUNK, readings)


class _Recursion:
    """s_i ← Σ_j t_ij s_j + r_i b + Σ_k n_ik z_k mode by mode, for the states s (positions; velocities if any) of a law.

    Parameters
    ----------
    law : LinearLaw
    lam : array, shape (d,)
    load : array, shape (d,)
        b in the eigenbasis.
    """

    def __init__(self, law: LinearLaw, lam: Array, load: Array) -> None:
        self.lam = lam
        rows = evaluate(law, lam)
        memory = [law.inputs.index(name) for name in law.inputs if name in MEMORY]
        rows = [rows[law.outputs.index(MEMORY[law.inputs[j]])] for j in memory]
        self.transition = [[row[j] for j in memory] for row in rows]
        response = [row[law.inputs.index("b")] for row in rows]
        self.drift = [None if r is None or not bool(namespace(load).any(load != 0)) else r * load for r in response]
        self.noise = [[row[law.inputs.index(name)] for name in law.normal_inputs()] for row in rows]

    def innovations(self, count: int, rng: np.random.Generator) -> list[Array]:
        """What enters each state in so many steps, blocks (count, d)."""
        normals = [standard_normal(rng, (count, self.lam.shape[0]), self.lam) for _ in self.noise[0]]
        blocks = []
        for i, (drift, noise) in enumerate(zip(self.drift, self.noise, strict=True), start=1):
            out = normals if i == len(self.noise) else [None] * len(normals)  # written over by the last who reads them
            first, *others = [multiple(n, z, o) for n, z, o in zip(noise, normals, out, strict=True) if n is not None]
            for term in [*others, drift]:
                if term is not None:
                    first += term
            blocks.append(first)
        return blocks

    def advance(self, states: list[Array | None], blocks: list[Array]) -> list[Array]:
        """The states after each of as many steps as there are innovations, which may be overwritten."""
        step = self._step_by_step if self.lam.shape[0] > FEW_MODES else self._abreast
        self._add([block[:1] for block in blocks], self.transition, [s if s is None else s[None, :] for s in states])
        return step(blocks)

    def _step_by_step(self, blocks: list[Array]) -> list[Array]:
        (weight, *_), *others = self.transition
        if not others and weight is not None:  # the overdamped device: nothing but the arithmetic
            last, *rows = blocks[0]
            for row in rows:
                row += weight * last
                last = row
            return blocks
        for i in range(1, blocks[0].shape[0]):
            self._add([block[i] for block in blocks], self.transition, [block[i - 1] for block in blocks])
        return blocks

    def _abreast(self, blocks: list[Array]) -> list[Array]:
        """All of them at once, in a logarithm of passes: with each the sums reach back twice as far (a prefix scan)."""
        reach, power = 1, self.transition
        while reach < blocks[0].shape[0]:
            earlier = [block[:-reach] + 0.0 for block in blocks]
            self._add([block[reach:] for block in blocks], power, earlier)
            reach, power = 2 * reach, _squared(power)
        return blocks

    @staticmethod
    def _add(rows: list[Array], weights: list[list[Array | None]], states: Sequence[Array | None]) -> None:
        """Σ_j w_ij s_j, added to every row i in its place."""
        for row, own in zip(rows, weights, strict=True):
            for weight, state in zip(own, states, strict=False):
                if weight is not None and state is not None:
                    row += weight * state


def _squared(weights: list[list[Array | None]]) -> list[list[Array | None]]:
    """The square of a small matrix of functions, None standing for zero."""
    n = len(weights)

    def entry(i: int, j: int) -> Array | None:
        terms = [a * b for k in range(n) if (a := weights[i][k]) is not None and (b := weights[k][j]) is not None]
        return sum(terms[1:], start=terms[0]) if terms else None

    return [[entry(i, j) for j in range(n)] for i in range(n)]
