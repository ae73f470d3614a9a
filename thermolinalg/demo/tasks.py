"""What the device does with each matrix, timed and compared with SciPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from time import perf_counter
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

import thermolinalg as tla
from thermolinalg.demo.problems import Problem

__all__ = ["TASKS", "Row", "Subject", "measure"]

READINGS = 2000
"""Readings behind a raw inverse, and samples drawn."""

LARGEST_INVERSE = 500
"""Up to this size the inverse is also refined, column by column."""


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Parameters
    ----------
    problem, task : str
        Which matrix, and what was done with it.
    size : int
        Number of nodes d.
    condition : float
        Of A.
    error : float
        Distance from SciPy's result: relative for vectors and matrices, absolute for log det, and for samples that of
        the mean of (x − x*)ᵀA(x − x*)/d from 1.
    standard_error : float
        What the device says of its own error, in the same measure.
    device_time : float
        In units of τ.
    engine : str
        What drew the readings.
    wall_time, digital_time : float
        Seconds: the simulated device, and SciPy, for the same task.

    See Also
    --------
    run, run_guests, check_pictures : The demonstration and its parts.
    """

    problem: str
    task: str
    size: int
    condition: float
    error: float
    standard_error: float
    device_time: float
    engine: str
    wall_time: float
    digital_time: float

    @property
    def ratio(self) -> float:
        """Error in standard errors."""
        return self.error / self.standard_error


@dataclass(frozen=True)
class Subject:
    """A problem with SciPy's answers to it.

    Parameters
    ----------
    problem : Problem
    """

    problem: Problem

    @cached_property
    def condition(self) -> float:
        """λ_max/λ_min."""
        values = scipy.linalg.eigvalsh(self.problem.dense)
        return float(values[-1] / values[0])

    @cached_property
    def solution(self) -> tuple[np.ndarray, float]:
        """A⁻¹b by SciPy, and the seconds it took."""
        A, b = self.problem.A, self.problem.b
        if scipy.sparse.issparse(A):
            return _best_of_three(lambda: scipy.sparse.linalg.spsolve(A, b))
        return _best_of_three(lambda: scipy.linalg.solve(A, b, assume_a="pos"))

    @cached_property
    def inverse(self) -> tuple[np.ndarray, float]:
        """A⁻¹ by SciPy, and the seconds it took."""
        return _best_of_three(lambda: scipy.linalg.inv(self.problem.dense))

    @cached_property
    def log_determinant(self) -> tuple[float, float]:
        """log det A by NumPy, and the seconds it took."""
        return _best_of_three(lambda: float(np.linalg.slogdet(self.problem.dense)[1]))

    @cached_property
    def samples(self) -> tuple[np.ndarray, float]:
        """Digital samples of N(0, A⁻¹), and the seconds they took."""
        z = np.random.default_rng(0).standard_normal((len(self.problem.b), READINGS))
        return _best_of_three(lambda: scipy.linalg.solve_triangular(scipy.linalg.cholesky(self.problem.dense), z))


def measure(subject: Subject, task: str, rng: np.random.Generator) -> Row:
    """Run one of `TASKS` on a device and compare.

    Parameters
    ----------
    subject : Subject
    task : str
    rng : numpy.random.Generator

    Returns
    -------
    Row
    """
    work, compare = TASKS[task]
    (value, info), wall_time = _timed(lambda: work(subject.problem, rng))
    error, standard_error, digital_time = compare(subject, value, info)
    return Row(
        problem=subject.problem.name,
        task=task,
        size=len(subject.problem.b),
        condition=subject.condition,
        error=error,
        standard_error=standard_error,
        device_time=info.device_time,
        engine=info.engine.partition(" (")[0].removeprefix("dense "),
        wall_time=wall_time,
        digital_time=digital_time,
    )


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = perf_counter()
    value = work()
    return value, perf_counter() - start


def _best_of_three(work: Callable[[], Any]) -> tuple[Any, float]:
    """SciPy at its best: a first call pays for threads and caches."""
    values, seconds = zip(*(_timed(work) for _ in range(3)), strict=True)
    return values[0], min(seconds)


def _against_solution(subject: Subject, x: np.ndarray, info: tla.Info) -> tuple[float, float, float]:
    exact, seconds = subject.solution
    return *_relative(x, exact, info.standard_error), seconds


def _against_inverse(subject: Subject, X: np.ndarray, info: tla.Info) -> tuple[float, float, float]:
    exact, seconds = subject.inverse
    return *_relative(X, exact, info.standard_error), seconds


def _against_log_determinant(subject: Subject, result: Any, info: tla.Info) -> tuple[float, float, float]:
    exact, seconds = subject.log_determinant
    return abs(float(result.logabsdet) - exact), float(info.standard_error), seconds


def _against_law(subject: Subject, samples: np.ndarray, _: tla.Info) -> tuple[float, float, float]:
    """Σ (x − x*)ᵀA(x − x*) is χ² with n d degrees of freedom."""
    mean, seconds = subject.solution[0], subject.samples[1]
    deviations = (samples - mean).T
    energy = np.sum(deviations * (subject.problem.A @ deviations)) / deviations.size
    return abs(float(energy) - 1), (2 / deviations.size) ** 0.5, seconds


def _relative(value: np.ndarray, exact: np.ndarray, standard_error: np.ndarray) -> tuple[float, float]:
    """Norms of the error and of the error bars, in units of the norm of the exact value."""
    size = np.linalg.norm(exact)
    return float(np.linalg.norm(value - exact) / size), float(np.linalg.norm(standard_error) / size)


TASKS: dict[str, tuple[Callable[..., Any], Callable[..., tuple[float, float, float]]]] = {
    "solve, one run": (
        lambda p, rng: tla.solve(p.A, p.b, refine=False, rtol=1e-2, rng=rng, return_info=True),
        _against_solution,
    ),
    "solve": (lambda p, rng: tla.solve(p.A, p.b, rng=rng, return_info=True), _against_solution),
    "invert, one run": (
        lambda p, rng: tla.inv(p.A, refine=False, rng=rng, return_info=True),
        _against_inverse,
    ),
    "invert": (lambda p, rng: tla.inv(p.A, rng=rng, return_info=True), _against_inverse),
    "log det": (lambda p, rng: tla.slogdet(p.A, atol=0.05, rng=rng, return_info=True), _against_log_determinant),
    "sample": (lambda p, rng: tla.sample(p.A, READINGS, b=p.b, rng=rng, return_info=True), _against_law),
}
