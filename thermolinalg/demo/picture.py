"""The picture of the demonstration: one small device, from rest to statistics."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import scipy.linalg

import thermolinalg as tla
from thermolinalg import plotting
from thermolinalg.demo.problems import Problem
from thermolinalg.files import replacing

__all__ = ["draw"]

RUNS = 48
"""Averages drawn for each averaging time."""

SPACING = 0.1
"""Time between the readings of the trajectory, in units of τ."""


def draw(problems: list[Problem], output: Path, rng: np.random.Generator, *, force: bool = False) -> None:
    """Write the picture: a trajectory, the error law, all spectra, and a histogram.

    Parameters
    ----------
    problems : list of Problem
        The first one is what the device in the picture holds.
    output : Path
    rng : numpy.random.Generator
    force : bool, optional
        Whether a picture that exists is replaced.
    """
    plt = plotting.pyplot()
    figure, ((relaxing, error), (spectra, readings)) = plt.subplots(2, 2, figsize=(12.5, 8.6), layout="constrained")
    small = problems[0]
    largest = scipy.linalg.eigvalsh(small.A)[-1]
    A, b = small.A / largest, small.b / largest
    values, solution, inverse = scipy.linalg.eigvalsh(A), scipy.linalg.solve(A, b), scipy.linalg.inv(A)
    # Warm enough to see the noise, cold enough to see the solution through it.
    temperature = float(0.15 * np.ptp(solution) ** 2 / np.max(np.diag(inverse)) / 16)
    device = tla.LangevinDevice(law=tla.Overdamped(temperature), loading=tla.AsWritten())
    program = device.program(tla.operators.Dense(A))
    slowest = 1 / values[0]

    shown = np.argsort(-np.abs(solution))[:5]
    # Fast modes take a few τ and slow ones hundreds: readings at equal ratios of time show both.
    count = int(8 * slowest / SPACING)
    path = program.readings(b, tla.Schedule(burn_in=SPACING, readings=count, spacing=SPACING), rng=rng).value
    picked = np.unique(np.geomspace(1, count, 320).astype(int)) - 1
    plotting.trajectory(
        SPACING * (picked + 1),
        path[np.ix_(picked, shown)],
        solution=solution[shown],
        standard_deviation=np.sqrt(temperature * np.diag(inverse)[shown]),
        labels=[small.labels[i] for i in shown],
        ax=relaxing,
    )
    relaxing.set_xscale("log")

    durations = slowest * np.logspace(1.5, 5, 8)
    norms = []
    for duration in durations:
        schedule = tla.Schedule(burn_in=17 * slowest, duration=float(duration))
        averages = program.average(np.tile(b[:, None], RUNS), schedule, rng=rng).value
        norms.append(np.linalg.norm(averages - solution[:, None], axis=0))
    plotting.error_against_time(durations, norms, eigenvalues=values, temperature=temperature, ax=error)

    for problem in problems:
        plotting.spectrum(_on_device(problem.dense), label=f"{problem.name} (d = {len(problem.b)})", ax=spectra)
    spectra.set_title("Spectra on the device: how far modes lie apart", loc="left", fontweight="bold", fontsize=11)

    node = int(shown[0])
    schedule = tla.Schedule(burn_in=17 * slowest, readings=5000, spacing=17 * slowest)
    voltages = program.readings(b, schedule, rng=rng).value[:, node]
    variance = float(temperature * inverse[node, node])
    plotting.histogram(voltages, mean=float(solution[node]), variance=variance, ax=readings)
    readings.set_xlabel(f"voltage of node '{small.labels[node]}'")

    title = f"A thermodynamic device at work ({small.name}): {len(b)} nodes, condition {slowest:.3g}"
    figure.suptitle(title, fontsize=14, fontweight="bold", x=0.01, ha="left")
    with replacing(output, force=force) as stream:
        figure.savefig(stream, format=output.suffix[1:].lower(), dpi=130)
    plt.close(figure)


def _on_device(A: np.ndarray) -> np.ndarray:
    """Eigenvalues in units of the largest, which a device holds as 1/τ."""
    values = scipy.linalg.eigvalsh(A)
    return np.asarray(values / values[-1])
