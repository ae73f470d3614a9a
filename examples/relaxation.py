"""The picture of the home page: a device relaxes to the solution, and knows how far its averages are from it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import thermolinalg as tla
from thermolinalg import plotting

A = np.array([[3.0, -1.0, 0.0, 0.5], [-1.0, 2.0, -0.5, 0.0], [0.0, -0.5, 1.0, -0.2], [0.5, 0.0, -0.2, 2.0]])
A /= np.linalg.eigvalsh(A)[-1]  # so that times are in τ, the time constant of the fastest mode
b = np.array([0.3, 0.6, -0.3, 0.15])
TEMPERATURE, EVERY, SHOWN = 0.02, 0.05, 24.0
WINDOWS = (30, 100, 300, 1000, 3000)


def draw(path: Path) -> None:
    """Left, voltages from rest to the solution; right, averages over longer windows with their error bars."""
    plt = plotting.pyplot()
    figure, (relaxing, averages) = plt.subplots(1, 2, figsize=(10.5, 3.9), layout="constrained")
    solution = np.linalg.solve(A, b)

    device = tla.LangevinDevice(law=tla.Overdamped(temperature=TEMPERATURE), loading=tla.AsWritten())
    run = tla.Schedule(burn_in=EVERY, readings=int(SHOWN / EVERY), spacing=EVERY)
    voltages = device.program(tla.operators.Dense(A)).readings(b, run, rng=np.random.default_rng(4)).value
    times, spread = EVERY * np.arange(1, len(voltages) + 1), np.sqrt(TEMPERATURE * np.diag(np.linalg.inv(A)))
    plotting.trajectory(times, voltages, solution=solution, standard_deviation=spread, ax=relaxing)
    relaxing.set_title("voltages relax to the solution of A x = b", loc="left", fontsize=10)

    for place, window in enumerate(WINDOWS):
        x, info = tla.solve(
            A,
            b,
            refine=False,
            device=device,
            schedule=tla.Schedule(burn_in=20, readings=window, spacing=1.0),
            rng=np.random.default_rng(place),
            return_info=True,
        )
        for node in range(4):
            averages.errorbar(
                window * 1.06 ** (node - 1.5),
                x[node] - solution[node],
                2 * info.standard_error[node],
                fmt="o",
                markersize=3.5,
                color=plotting.CYCLE[node],
            )
    averages.spines[["top", "right"]].set_visible(False)
    averages.axhline(0, color=plotting.GREY, linewidth=0.8)
    averages.set(xscale="log", xlabel="window of readings (τ)", ylabel="average − solution")
    averages.set_title("averages, with two standard errors either side", loc="left", fontsize=10)
    figure.savefig(path, dpi=130)
    plt.close(figure)


if __name__ == "__main__":
    draw(Path(sys.argv[1] if len(sys.argv) > 1 else "relaxation.png"))
