"""Processor seconds of one step against the number of parameters and against the batch, method by method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from common import options, pyplot, read, save, write
from torch import nn
from torch.optim import Optimizer

from thermoapps.natural_gradient import (
    TNGD,
    ConjugateGradient,
    EulerMaruyama,
    KroneckerFactored,
    NaturalGradient,
    TimingModel,
)

OPTIMIZERS: dict[str, tuple[Callable[[nn.Module], Optimizer], str]] = {
    "Adam": (lambda model: torch.optim.Adam(model.parameters()), "#222222"),
    "NGD (Woodbury)": (NaturalGradient, "#1f4e9c"),
    "NGD (CG)": (partial(NaturalGradient, solver=ConjugateGradient(200, progress=0.0)), "#5aa9e6"),
    "K-FAC": (partial(NaturalGradient, solver=KroneckerFactored()), "#2e8b57"),
    "TNGD, exact law": (TNGD, "#c1272d"),
    "TNGD, Euler–Maruyama": (
        partial(NaturalGradient, solver=EulerMaruyama(time=50, step_size=0.1, stepped=True)),
        "#e9a3a6",
    ),
}


def measure(width: int, batch: int, repeats: int) -> dict[str, Any]:
    """Median seconds of a step of each method on a dense network, and the modelled device."""
    torch.manual_seed(0)
    x, y = 0.1 * torch.randn(batch, 784), torch.randint(0, 10, (batch,))
    seconds, report, parameters = {}, None, 0
    for name, (make, _) in OPTIMIZERS.items():
        model = nn.Sequential(nn.Linear(784, width), nn.ReLU(), nn.Linear(width, 10))
        parameters = sum(p.numel() for p in model.parameters())
        optimizer = make(model)
        times = []
        for _ in range(repeats + 1):
            began = process_time()
            optimizer.zero_grad()
            if isinstance(optimizer, NaturalGradient):
                optimizer.backward(model(x), y)
            else:
                nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            times.append(process_time() - began)
        seconds[name] = median(times[1:])  # The first step warms up.
        if isinstance(optimizer, NaturalGradient):
            optimizer.close()
            report = optimizer.report if name == "TNGD, exact law" else report
    timing = TimingModel().step(report, parameters)
    seconds["TNGD, modelled device"] = timing.digital + timing.device.total
    return {"parameters": parameters, "batch": batch, "seconds": seconds}


def draw(results: dict[str, Any], path: Path) -> None:
    """Two panels: growing network, growing batch."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained", sharey=True)
    colors = {name: color for name, (_, color) in OPTIMIZERS.items()} | {"TNGD, modelled device": "#000000"}
    for ax, along in zip(axes, ("parameters", "batch"), strict=True):
        rows = results[along]
        for name, color in colors.items():
            style = ":" if name == "TNGD, modelled device" else "-"
            values = [row["seconds"][name] for row in rows]
            ax.plot([row[along] for row in rows], values, style, color=color, marker="o", markersize=3, label=name)
        ax.set(xscale="log", yscale="log", xlabel=along)
    axes[0].set(ylabel="processor seconds per step, one core", title=f"batch {results['parameters'][0]['batch']}")
    axes[1].set(title=f"{results['batch'][0]['parameters']} parameters")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, repeats=1, widths="8,32,128,512", batches="8,16,32,64,128")
    path = given.results / "step-time.json"
    if not given.draw:
        by_width = [measure(int(width), 64, given.repeats) for width in given.widths.split(",")]
        by_batch = [measure(64, int(batch), given.repeats) for batch in given.batches.split(",")]
        write({"parameters": by_width, "batch": by_batch}, path)
    draw(read(path), given.pictures / "experiments-step-time.png")


if __name__ == "__main__":
    main()
