"""Time of one step against parameters, outputs and batch, method by method (the paper's Figure 2)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
from common import options, pyplot, read, save, write
from data import one_convolution
from torch import nn
from torch.optim import Optimizer

from thermoapps.natural_gradient import (
    TNGD,
    ConjugateGradient,
    Dense,
    EulerMaruyama,
    KroneckerFactored,
    Krylov,
    NaturalGradient,
)

SIDE, DENSE_LIMIT = 28, 7_000

OPTIMIZERS: dict[str, tuple[Callable[[nn.Module], Optimizer], str]] = {
    "Adam": (lambda model: torch.optim.Adam(model.parameters()), "#222222"),
    "NGD (dense)": (partial(NaturalGradient, solver=Dense(max_parameters=DENSE_LIMIT)), "#7f7fd5"),
    "NGD (Woodbury)": (NaturalGradient, "#1f4e9c"),
    "NGD (CG)": (partial(NaturalGradient, solver=ConjugateGradient(200, progress=0.0)), "#5aa9e6"),
    "K-FAC": (partial(NaturalGradient, solver=KroneckerFactored()), "#2e8b57"),
    "TNGD, exact law": (TNGD, "#c1272d"),
    "TNGD, by products": (partial(NaturalGradient, solver=Krylov(time=50)), "#e07b39"),
    "TNGD, Euler–Maruyama": (
        partial(NaturalGradient, solver=EulerMaruyama(time=50, step_size=0.1, stepped=True)),
        "#e9a3a6",
    ),
}
MODELLED = "TNGD, modelled device"


def dense(side: int, width: int, outputs: int) -> nn.Sequential:
    """One hidden layer on the pixels of images."""
    return nn.Sequential(nn.Flatten(), nn.Linear(side**2, width), nn.ReLU(), nn.Linear(width, outputs))


NETWORKS: dict[str, Callable[[int, int, int], nn.Sequential]] = {"dense": dense, "convolution": one_convolution}


def measure(network: str, width: int, outputs: int, batch: int, repeats: int) -> dict[str, Any]:
    """Median processor seconds of a step of each method on a network, and of the modelled device."""
    torch.manual_seed(0)
    x, y = 0.1 * torch.randn(batch, 1, SIDE, SIDE), torch.randint(0, outputs, (batch,))
    seconds, build = {}, partial(NETWORKS[network], SIDE, width, outputs)
    parameters = sum(parameter.numel() for parameter in build().parameters())
    for name, (make, _) in OPTIMIZERS.items():
        if name == "NGD (dense)" and parameters > DENSE_LIMIT:
            continue
        model = build()
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
            if name == "TNGD, exact law":
                timing, simulated = optimizer.report.hardware, optimizer.report.timings.solve
                digital = seconds[name] * timing.digital / (timing.digital + simulated)
                seconds[MODELLED] = digital + timing.device.total
    return {"network": network, "parameters": parameters, "outputs": outputs, "batch": batch, "seconds": seconds}


def draw(results: dict[str, Any], path: Path) -> None:
    """One panel for each quantity that grows."""
    plt = pyplot()
    figure, axes = plt.subplots(1, len(results["panels"]), figsize=(16.5, 4.2), layout="constrained", sharey=True)
    colors = {name: color for name, (_, color) in OPTIMIZERS.items()} | {MODELLED: "#000000"}
    for ax, panel in zip(axes, results["panels"], strict=True):
        rows, along = panel["rows"], panel["along"]
        for name, color in colors.items():
            style = ":" if name == MODELLED else "-"
            shown = [row for row in rows if name in row["seconds"]]
            x, values = [row[along] for row in shown], [row["seconds"][name] for row in shown]
            ax.plot(x, values, style, color=color, marker="o", markersize=3, label=name)
        fixed = {key: rows[0][key] for key in ("parameters", "outputs", "batch") if key != along}
        title = ", ".join(f"{value:,} {key}" if key != "batch" else f"batch {value}" for key, value in fixed.items())
        ax.set(xscale="log", yscale="log", xlabel=along)
        ax.set_title(f"{rows[0]['network']}: {title}", loc="left", fontsize=9)
    axes[0].set(ylabel="processor seconds per step, one core")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(
        __doc__,
        repeats=2,
        widths="2,8,32,128,512",
        channels="1,2,4,8,16",
        outputs="2,5,10,20,50,100",
        batches="8,16,32,64,128",
        batch=32,
    )
    path = given.results / "step-time.json"
    if not given.draw:
        widths, channels, outputs, batches = (
            [int(part) for part in text.split(",")]
            for text in (given.widths, given.channels, given.outputs, given.batches)
        )
        middle = widths[len(widths) // 2]
        panels = [
            ("parameters", "dense", [(width, 2, given.batch) for width in widths]),
            ("parameters", "dense", [(width, 20, given.batch) for width in widths]),
            ("parameters", "convolution", [(count, 20, given.batch) for count in channels]),
            ("outputs", "dense", [(middle, count, given.batch) for count in outputs]),
            ("batch", "dense", [(middle, 10, batch) for batch in batches]),
        ]
        rows = [
            {"along": along, "rows": [measure(network, *point, given.repeats) for point in points]}
            for along, network, points in panels
        ]
        write({"panels": rows}, path)
    draw(read(path), given.pictures / "experiments-step-time.png")


if __name__ == "__main__":
    main()
