"""How far a run of time t has come from the gradient to the natural gradient, beside the bound 1 − exp(−(λ+σ)t).

Every mode of the distance falls at its own rate λ + σᵢ, so the share of the way that is left is at most that of the
slowest one. σ is 0 in the whole space, since there are fewer rows than parameters; a start and a load that are sums of
rows never leave their span, where σ is the smallest eigenvalue of R Rᵀ.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import options, pyplot, read, save, write
from data import load_data, one_convolution

from thermoapps.natural_gradient import Thermodynamic, Woodbury, curvature_rows

BATCH, TIMES = 64, np.geomspace(0.1, 1000, 17)


def measure(folder: Path | None, steps: int, damping: float) -> dict[str, Any]:
    """The share of the way that is left after each time, for a network that has made so many steps of Adam."""
    x, y = load_data(folder).first((steps + 1) * BATCH)
    torch.manual_seed(0)
    model = one_convolution(x.shape[-1])
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    for inputs, labels in list(zip(x.split(BATCH), y.split(BATCH), strict=True))[:steps]:
        adam.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        adam.step()
    rows, gradient, _ = curvature_rows(model.double(), x[-BATCH:].double(), y[-BATCH:], "cross_entropy")
    exact = Woodbury().direction(rows, gradient, damping)[0]
    eigenvalues = torch.linalg.eigvalsh(rows.gram())
    left = []
    for time in TIMES:
        read_at, *_ = Thermodynamic(float(time), start="gradient").direction(rows, gradient, damping)
        left.append(float((read_at - exact).norm() / (gradient - exact).norm()))
    return {
        "steps": steps,
        "damping": damping,
        "smallest": max(0.0, float(eigenvalues[0])),
        "median": float(eigenvalues.median()),
        "largest": float(eigenvalues[-1]),
        "times": TIMES.tolist(),
        "left": left,
    }


def draw(results: list[dict[str, Any]], path: Path) -> None:
    """Share of the way that is left, and the bound."""
    plt = pyplot()
    figure, axes = plt.subplots(1, len(results), figsize=(11, 4), layout="constrained", sharey=True)
    for ax, found in zip(axes, results, strict=True):
        times, slowest = np.array(found["times"]), found["damping"] + found["smallest"]
        ax.plot(times, found["left"], color="#c1272d", marker="o", markersize=3, label="device")
        ax.plot(times, np.exp(-slowest * times), "--", color="#222222", label="bound, smallest eigenvalue of R Rᵀ")
        ax.plot(times, np.exp(-found["damping"] * times), ":", color="#8c8c8c", label="bound, λ alone")
        ax.set(xscale="log", yscale="log", xlabel="t (τ)", ylim=(1e-5, 2))
        ax.set_title(f"after {found['steps']} steps of Adam, λ = {found['damping']:g}", loc="left", fontsize=10)
    axes[0].set(ylabel="share of the way to the natural gradient that is left")
    axes[0].legend(frameon=False, fontsize=8, loc="lower left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "bound.json"
    if not given.draw:
        cases = [measure(given.data, steps, damping) for steps, damping in ((0, 0.01), (300, 0.01), (300, 0.1))]
        write({"data": load_data(given.data).name, "cases": cases}, path)
    draw(read(path)["cases"], given.pictures / "experiments-bound.png")


if __name__ == "__main__":
    main()
