"""Energy × time of drives from aI to A against the least there is: linear, geometric, and the linear path's best clock.

    python experiments/drives.py

A slow drive over the time t dissipates C/t. Here are its C, for each schedule, over that of the path which moves every
mode's λ^(−1/2) evenly: no device can take it, since A_s is not linear in A then. Laws alone; nothing is sampled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from common import options, pyplot, read, save, write

from thermolinalg.laws.work import Drive

CONDITIONS = (10.0, 30.0, 100.0, 1e3, 1e4, 1e5)
MODES, STEPS, POINTS = 50, 400_000, 40_001


def geometric_cost(eigenvalues: np.ndarray, drive: Drive) -> float:
    """Dissipated work times duration over T of a slow drive, all modes together: Σ_i ∫ (dα_i^(−1/2)/dt)² dt."""
    progress = drive.progress(np.linspace(0.0, 1.0, STEPS + 1))
    return sum(
        float(STEPS * np.sum(np.diff(((1 - progress) * drive.start + progress * value) ** -0.5) ** 2))
        for value in eigenvalues
    )


def best_clock(eigenvalues: np.ndarray, start: float) -> float:
    """The linear path at constant thermodynamic speed: the square of its length, by Cauchy and Schwarz.

    The length is ∫ sqrt(Σ_i (λ_i − a)²/(4 α_i³)) du; its integrand peaks at both ends, which a grid in log-odds meets.
    """
    log_odds = np.linspace(-40.0, 40.0, POINTS)
    u = 1 / (1 + np.exp(-log_odds))
    rest = 1 / (1 + np.exp(log_odds))
    speed = np.sqrt(sum((value - start) ** 2 / (4 * (rest * start + u * value) ** 3) for value in eigenvalues))
    return float(np.trapezoid(speed * u * rest, log_odds)) ** 2


def measure() -> list[dict[str, Any]]:
    rows = []
    for condition in CONDITIONS:
        eigenvalues = np.geomspace(1.0, condition, MODES)
        interval = float(eigenvalues[0]), float(eigenvalues[-1])
        for name, start in (("mean eigenvalue", float(eigenvalues.mean())), ("smallest eigenvalue", 1.0)):
            floor = float(np.sum((start**-0.5 - eigenvalues**-0.5) ** 2))
            linear = float(np.sum((eigenvalues - start) * (start**-2.0 - eigenvalues**-2.0) / 8))
            geometric = geometric_cost(eigenvalues, Drive(start, "geometric", interval=interval))
            rows.append(
                {
                    "condition": condition,
                    "from": name,
                    "floor": floor,
                    "linear": linear / floor,
                    "geometric": geometric / floor,
                    "best clock": best_clock(eigenvalues, start) / floor,
                }
            )
            print(rows[-1], flush=True)
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Over the floor, from either start."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
    for ax, start in zip(axes, ("mean eigenvalue", "smallest eigenvalue"), strict=True):
        chosen = [row for row in rows if row["from"] == start]
        for name, colour in (("linear", "#D55E00"), ("geometric", "#0072B2"), ("best clock", "#009E73")):
            ax.loglog(
                [row["condition"] for row in chosen], [row[name] for row in chosen], "o-", color=colour, label=name
            )
        ax.axhline(1.0, color="0.6", lw=1)
        ax.set(xlabel="condition number", title=f"from the {start}")
    axes[0].set_ylabel("energy × time over the floor")
    axes[0].legend(frameon=False)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "drives.json"
    if not given.draw:
        write({"modes": MODES, "rows": measure()}, path)
    draw(read(path)["rows"], given.pictures / "planning-drives.png")


if __name__ == "__main__":
    main()
