"""Is the noise redundant? A⁻¹ from a million readings of a simulated device, and without noise to the same error.

    python experiments/redundant_noise.py

A covariance of N readings errs by about sqrt((d + 1)/N), however it was simulated. The equation that the covariance
itself obeys, dΣ/dt = 2I − A Σ − Σ A, has no noise; Newton–Schulz and LAPACK do not even need it. All are taken to the
error of the readings here, on one core. What is compared is ways of simulating: a device would take N readings of its
own time, which is given in τ beside, and no digital step at all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from common import options, pyplot, read, save, write
from scipy.linalg import lapack

import thermolinalg as tla
from thermolinalg.operators import Dense

CONDITION = 10.0
REPEATS = 5


def matrix(d: int) -> np.ndarray:
    """Symmetric, eigenvalues from 1/κ to 1."""
    Q, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))
    return (Q * np.geomspace(1 / CONDITION, 1.0, d)) @ Q.T


def by_readings(A: np.ndarray, n: int, spacing: float) -> tuple[np.ndarray, float]:
    """A⁻¹ from so many readings so far apart, in relaxation times of the slowest mode; and the device time."""
    program = tla.LangevinDevice(loading=tla.AsWritten()).program(Dense(A), rng=0)
    rate = program.rate()
    schedule = tla.Schedule(burn_in=20 / rate, readings=n, spacing=spacing / rate)
    return program.covariance(schedule, rng=np.random.default_rng(1)).value, schedule.total


def by_its_equation(A: np.ndarray, exact: np.ndarray, target: float) -> tuple[np.ndarray, int]:
    """Euler's method for dΣ/dt = 2I − AΣ − ΣA from zero, until the error is the target."""
    spread, steps = np.zeros_like(A), 0
    while np.linalg.norm(spread - exact) > target * np.linalg.norm(exact):
        half = np.eye(len(A)) - A @ spread
        spread, steps = spread + 0.5 * (half + half.T), steps + 1
    return spread, steps


def by_newton(A: np.ndarray, exact: np.ndarray, target: float) -> tuple[np.ndarray, int]:
    """Newton–Schulz, X ← X (2 − A X), until the error is the target."""
    X, steps = np.eye(len(A)) / np.linalg.norm(A, np.inf), 0
    while np.linalg.norm(X - exact) > target * np.linalg.norm(exact):
        X, steps = 2 * X - X @ A @ X, steps + 1
    return X, steps


def by_lapack(A: np.ndarray) -> np.ndarray:
    """Cholesky's factor, and the inverse from it."""
    factor, _ = lapack.dpotrf(A)
    upper, _ = lapack.dpotri(factor)
    return np.triu(upper) + np.triu(upper, 1).T


def measure(d: int, n: int) -> list[dict[str, Any]]:
    A = matrix(d)
    exact = np.linalg.inv(A)
    rows: list[dict[str, Any]] = []

    def record(way: str, call: Callable[[], Any], repeats: int = REPEATS, **more: Any) -> float:
        least = np.inf
        for _ in range(repeats):
            begin = time.process_time()
            found, told = call()
            least = min(least, time.process_time() - begin)
        error = float(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        rows.append({"way": way, "seconds": least, "error": error, "told": told, **more})
        print(rows[-1], flush=True)
        return error

    record("correlated readings", lambda: by_readings(A, n, 0.5), 1)
    target = record("independent readings", lambda: by_readings(A, n, 20.0))
    record("covariance equation", lambda: by_its_equation(A, exact, target))
    record("Newton–Schulz", lambda: by_newton(A, exact, target))
    record("LAPACK", lambda: (by_lapack(A), 1))
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Seconds of each way."""
    plt = pyplot()
    figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
    names = [f"{row['way']} (error {row['error']:.1g})" for row in rows]
    ax.barh(names[::-1], [row["seconds"] for row in rows][::-1], color="#0072B2")
    ax.set_xscale("log")
    ax.set_xlabel("seconds of one core")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, nodes=50, readings=1_000_000)
    path = given.results / "redundant_noise.json"
    if not given.draw:
        write({"nodes": given.nodes, "readings": given.readings, "rows": measure(given.nodes, given.readings)}, path)
    draw(read(path)["rows"], given.pictures / "planning-redundant-noise.png")


if __name__ == "__main__":
    main()
