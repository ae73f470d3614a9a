"""The annealer as a sampler of dimod."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import is_dataclass, replace
from time import monotonic, perf_counter_ns
from typing import Any

import dimod
import numpy as np
from tqdm import tqdm

from thermoapps._reading import read_count, read_number
from thermoapps.annealing.bifurcation import Bifurcation
from thermoapps.annealing.booking import booked
from thermoapps.annealing.ising import Ising, Vector
from thermoapps.annealing.resuming import Log
from thermolinalg.hardware import as_hardware

__all__ = ["LangevinSampler"]

ENTRIES = 131_072
"""Cells, of all reads together, that are stepped side by side: about what a core's cache holds."""


class LangevinSampler(dimod.Sampler, dimod.Initialized):  # type: ignore[misc]
    """Samples of low energy, annealed on simulated Langevin cells and read by their signs.

    It takes the parameters of dimod's samplers. Couplings stay sparse, and energies are dimod's own.

    Examples
    --------
    >>> import dimod
    >>> from thermoapps.annealing import LangevinSampler
    >>> triangle = dimod.BinaryQuadraticModel.from_ising({"a": -0.5}, {"ab": 1.0, "bc": 1.0, "ca": 1.0})
    >>> found = LangevinSampler().sample(triangle, num_reads=20, seed=0)
    >>> float(found.first.energy), int(found.first.sample["a"])
    (-1.5, 1)
    >>> found.info["device_time"]  # of 20 reads, in τ
    10000.0

    See Also
    --------
    thermoapps.annealing.Bifurcation : The default method, and its schedule.
    """

    @property
    def parameters(self) -> dict[str, Any]:
        """Keyword parameters of `sample`, each with the properties that bear on it."""
        names = ("num_reads", "num_sweeps", "method", "polish", "initial_states", "initial_states_generator", "seed")
        more = ("rng", "time_limit", "interrupt_function", "checkpoint", "hardware", "progress")
        return {name: [] for name in (*names, *more)} | {"method": ["methods"], "polish": ["polishes"]}

    @property
    def properties(self) -> dict[str, Any]:
        """What there is to choose from."""
        return {
            "description": "Langevin cells, simulated; discrete bifurcation with thermal noise by default",
            "methods": ["Bifurcation", "ParallelTempering"],
            "polishes": ["GreedyDescent"],
        }

    def sample(
        self,
        bqm: Any,
        *,
        num_reads: int | None = None,
        num_sweeps: int | None = None,
        method: Any = None,
        polish: Any = None,
        initial_states: Any = None,
        initial_states_generator: Any = "random",
        seed: int | None = None,
        rng: Any = None,
        time_limit: float | None = None,
        interrupt_function: Callable[[], bool] | None = None,
        checkpoint: Any = None,
        hardware: Any = "integrated",
        progress: bool = False,
        **unknown: Any,
    ) -> Any:
        """Sample from a binary quadratic model.

        Parameters
        ----------
        bqm : dimod.BinaryQuadraticModel
            Of either vartype.
        num_reads : int, optional
            Reads; by default as many as there are initial states, or one.
        num_sweeps : int, optional
            Steps of the method, in the place of its own.
        method : Bifurcation or ParallelTempering, optional
            How to anneal. Default: ``Bifurcation()``.
        polish : GreedyDescent, optional
            Digital descent from what was read. None: the samples are the device's. The energies as read then stand
            in the field ``raw_energy`` beside those of the samples.
        initial_states : samples-like, optional
            Signs of the cells at the beginning, as of `dimod.Initialized`.
        initial_states_generator : {'random', 'tile', 'none'}, optional
            What makes up for those that are missing.
        seed : int, optional
            As of other samplers; the same seed gives the same samples.
        rng : None, int or numpy.random.Generator, optional
            The same in NumPy's manner; give one of both.
        time_limit : float, optional
            Seconds after which nothing new is begun; the first reads are then taken where they stand.
        interrupt_function : callable, optional
            Asked from time to time; True ends the call with the reads at hand.
        checkpoint : str or path, optional
            A file where the call notes every few seconds how it stands, and when it is interrupted or out of time. The
            same call with the same path goes on from there and has the same samples as if it had never stopped. At the
            end the file is removed. A method of your own has to take a `Memory` as its fifth argument.
        hardware : Hardware or {'paper', 'pcb', 'integrated'}, optional
            In whose seconds and joules `info` tells the device's time; most of its numbers are assumptions.
        progress : bool, optional
            Whether to show a bar.
        **unknown
            Parameters of other samplers: passed by with dimod's warning.

        Returns
        -------
        dimod.SampleSet
            In the variables and vartype of the model. Its `info` has ``method``, ``device_time`` in τ, ``bill`` in
            seconds and joules, ``timing`` in ns, and ``interrupted``.

        Raises
        ------
        ValueError
            Biases that are not finite; numbers out of range; both `seed` and `rng`; a checkpoint of another call.
        TypeError
            A method without `run`, or a polish without one; a model of another kind.
        """
        began = perf_counter_ns()
        self.remove_unknown_kwargs(**unknown)
        if not hasattr(bqm, "to_numpy_vectors"):
            raise TypeError(
                f"bqm must be a dimod.BinaryQuadraticModel, got {type(bqm).__name__}; dimod.cqm_to_bqm makes one of a "
                "constrained model, sample_qubo and sample_ising take dictionaries"
            )
        method = _with_steps(runs(Bifurcation() if method is None else method, "method"), num_sweeps)
        if polish is not None:
            runs(polish, "polish")
        limit = math.inf if time_limit is None else read_number(time_limit, "time_limit", positive=True, infinite=True)
        generator, prices = _generator(seed, rng), as_hardware(hardware)
        ising = Ising.of(bqm)
        start = self._start(bqm, initial_states, initial_states_generator, num_reads, generator)
        clock = _Stop(monotonic() + limit, interrupt_function)
        prepared = perf_counter_ns()
        if checkpoint is None or not ising.n:
            raw = _read(method, ising, start, generator, clock, progress)
        else:
            sources = [source if isinstance(source, int | np.integer) else type(source) for source in (seed, rng)]
            with Log(checkpoint, ising, f"{method!r} {sources}", start, generator) as log:
                raw = _read(method, ising, log.start, generator, clock, progress, log)
        sampled = perf_counter_ns()
        spins = raw if polish is None else polish.run(ising, raw)
        found = read = dimod.SampleSet.from_samples_bqm(_states(raw, bqm), bqm)
        if polish is not None:
            before = np.asarray(read.record.energy, dtype=float)
            found = dimod.SampleSet.from_samples_bqm(_states(spins, bqm), bqm, raw_energy=before)
        ledger = booked(ising, method, raw.shape[1])
        found.info.update(
            method=repr(method),
            polish=None if polish is None else repr(polish),
            device_time=ledger.device_time,
            bill=prices.bill(ledger).to_dict(),
            interrupted=clock.stopped,
            timing={
                "preprocessing_ns": prepared - began,
                "sampling_ns": sampled - prepared,
                "postprocessing_ns": perf_counter_ns() - sampled,
            },
        )
        return found

    def _start(self, bqm: Any, states: Any, generation: Any, num_reads: int | None, rng: np.random.Generator) -> Vector:
        """Signs of the cells at the beginning, spins in rows."""
        seed = int(rng.integers(2**31))
        parsed = self.parse_initial_states(bqm, states, generation, num_reads, seed)
        order = [parsed.initial_states.variables.index(v) for v in bqm.variables]
        given = np.asarray(parsed.initial_states.record.sample, dtype=float)[:, order].T
        return np.where(given > 0, 1.0, -1.0)


class _Stop:
    """Whether to go on: asked by the loops, answered by the clock and the user."""

    def __init__(self, end: float, asked: Callable[[], bool] | None) -> None:
        self.end, self.asked, self.stopped = end, asked, False

    def __call__(self) -> bool:
        self.stopped = self.stopped or monotonic() >= self.end or bool(self.asked and self.asked())
        return self.stopped


def _read(
    method: Any,
    ising: Ising,
    start: Vector,
    rng: np.random.Generator,
    stop: _Stop,
    progress: bool,
    log: Log | None = None,
) -> Vector:
    """Reads, a few side by side; those that were cut short count only where there are no others."""
    width, reads = max(1, ENTRIES // max(ising.n, 1)), start.shape[1]
    done: list[Vector] = [] if log is None or not log.done.shape[1] else [log.done.astype(float)]
    begun = done[0].shape[1] if done else 0
    with tqdm(desc="reads", total=reads, initial=begun, disable=not progress) as bar:
        for first in range(begun, reads, width):
            columns = start[:, first : first + width]
            spins = method.run(ising, columns, rng, stop, *([] if log is None else [log]))
            if stop.stopped and done:
                break
            done.append(spins)
            bar.update(columns.shape[1])
            if log is not None and not stop.stopped:
                log.finish(spins)
            if first + width < reads and stop():
                break
    if log is not None:
        (log.write if stop.stopped else log.remove)()
    return np.hstack(done)


def _states(spins: Vector, bqm: Any) -> tuple[Vector, list[Any]]:
    """Samples-like of spins (n, k) in the vartype of a model."""
    values = spins.T if bqm.vartype is dimod.SPIN else (spins.T + 1) / 2
    return values.astype(np.int8), list(bqm.variables)


def runs(part: Any, name: str) -> Any:
    """A part of the sampler that can be run, or TypeError."""
    if not callable(getattr(part, "run", None)) or isinstance(part, type):
        example = "Bifurcation()" if name == "method" else "GreedyDescent()"
        raise TypeError(f"{name} must be an object with a method run, such as {example}, got {part!r}")
    return part


def _with_steps(method: Any, num_sweeps: int | None) -> Any:
    if num_sweeps is None:
        return method
    if not is_dataclass(method) or not hasattr(method, "steps"):
        raise TypeError(f"num_sweeps is for methods with steps, which {method!r} has not; pass None")
    counted: Any = replace(method, steps=read_count(num_sweeps, "num_sweeps"))  # type: ignore[type-var]
    return counted


def _generator(seed: Any, rng: Any) -> np.random.Generator:
    """The source of randomness: dimod's seed or NumPy's rng."""
    if seed is not None and rng is not None:
        raise ValueError("both seed and rng are given; pass one of them")
    return np.random.default_rng(rng if seed is None else seed)
