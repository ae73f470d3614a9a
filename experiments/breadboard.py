"""Two nodes of resistors and capacitors, as a breadboard measured them: error against time, and what ends it.

    python experiments/breadboard.py

The board had time constants of 41.6 to 92 µs; its error of an inverse was 10 % in 20 ms and 1 % in 2 s, and fell as
T^(−0.469 ± 0.016). Here are a device of these time constants, the rule sqrt(2 τ_slow/T), and the bias that noise
common to both nodes leaves, which no time takes away (1.8 % of it with a good ground there, 5.1 % with a bad one).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import scipy.linalg
from common import options, pyplot, read, save, write

import thermolinalg as tla
from thermolinalg.devices import AsWritten, Imperfections, LangevinDevice, Noise

FAST, SLOW = 41.6e-6, 92e-6
"""Time constants, s."""

SPACING = 0.5
"""Between readings, in the fast time constant."""

CORRELATIONS = (0.0, 0.018, 0.051)


def conductances() -> np.ndarray:
    """G of two equal nodes, in units of the fast rate."""
    fast, slow = 1.0, FAST / SLOW
    return np.array([[fast + slow, slow - fast], [slow - fast, fast + slow]]) / 2


def bias(rho: float) -> float:
    """Relative error of the covariance (Frobenius) under a noise of that correlation: G Σ + Σ G = D."""
    G, exact = conductances(), np.linalg.inv(conductances())
    found = scipy.linalg.solve_continuous_lyapunov(G, 2 * ((1 - rho) * np.eye(2) + rho))
    return float(np.linalg.norm(found - exact) / np.linalg.norm(exact))


def errors(rho: float, seconds: float, repeats: int) -> np.ndarray:
    """Relative errors of the covariance read in so many seconds."""
    device = LangevinDevice(loading=AsWritten(), imperfections=Imperfections(noise=Noise(correlation=rho)))
    program, rng = device.program(conductances(), rng=0), np.random.default_rng(round(1e6 * (seconds + rho)))
    exact, readings = np.linalg.inv(conductances()), max(2, round(seconds / FAST / SPACING))
    schedule = tla.Schedule(burn_in=40.0, readings=readings, spacing=SPACING)
    spreads = (program.covariance(schedule, rng=rng).value - exact for _ in range(repeats))
    return np.array([np.linalg.norm(spread) for spread in spreads]) / np.linalg.norm(exact)


def measure(repeats: int, longest: float) -> list[dict[str, Any]]:
    rows = []
    for rho in CORRELATIONS:
        times = np.geomspace(0.02, longest, 5)
        for seconds in times[:-1] if rho else times:  # unequal parts are stepped from reading to reading
            found = errors(rho, float(seconds), max(2, repeats // 4) if rho else repeats)
            rows.append(
                {
                    "correlation": rho,
                    "seconds": float(seconds),
                    "error": float(np.sqrt(np.mean(found**2))),
                    "rule": float(np.sqrt(2 * SLOW / seconds)),
                    "bias": bias(rho),
                }
            )
            print(rows[-1], flush=True)
    return rows


def slope(rows: list[dict[str, Any]]) -> float:
    """Exponent of the error in time, without common noise."""
    ideal = [row for row in rows if row["correlation"] == 0]
    return float(np.polyfit(np.log([row["seconds"] for row in ideal]), np.log([row["error"] for row in ideal]), 1)[0])


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Errors against time, beside the rule and the biases."""
    plt = pyplot()
    figure, ax = plt.subplots(figsize=(5.6, 3.6), layout="constrained")
    for rho, colour in zip(CORRELATIONS, ("#0072B2", "#009E73", "#D55E00"), strict=True):
        chosen = [row for row in rows if row["correlation"] == rho]
        ax.loglog(
            [row["seconds"] for row in chosen],
            [row["error"] for row in chosen],
            "o-",
            color=colour,
            label=f"common noise {100 * rho:g} %",
        )
        if rho:
            ax.axhline(chosen[0]["bias"], color=colour, lw=0.8, ls=":")
    chosen = [row for row in rows if row["correlation"] == 0]
    ax.loglog(
        [row["seconds"] for row in chosen], [row["rule"] for row in chosen], "--", color="0.5", label="(2 τ_slow/T)^½"
    )
    ax.loglog([0.02, 2.0], [0.1, 0.01], "k*", ms=9, label="measured on the board")
    ax.set(xlabel="seconds", ylabel="relative error of the inverse")
    ax.legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, repeats=24, longest=2.0)
    path = given.results / "breadboard.json"
    if not given.draw:
        rows = measure(given.repeats, given.longest)
        write({"slope": slope(rows), "rows": rows}, path)
    draw(read(path)["rows"], given.pictures / "imperfections-breadboard.png")


if __name__ == "__main__":
    main()
