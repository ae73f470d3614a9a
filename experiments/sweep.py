"""TNGD with the settings of its paper while one is changed: analog time t, delay t_d, or noise κ₀."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from common import SEEDS, Data, load_data, one_convolution, options, pyplot, read, save, shaded, train, write
from torch import nn
from torch.optim import Optimizer

from thermoapps.natural_gradient import TNGD, NaturalGradient

PAPER = {"lr": 0.01, "damping": 0.01}
"""η and λ of the paper's runs on MNIST."""

SWEEPS: dict[str, tuple[str, dict[str, float], list[float], str]] = {
    # what is changed: argument of TNGD, the others, values, sign in the picture
    "time": ("time", {}, [1.0, 5.0, 20.0, 50.0], "t"),
    "delay": ("delay", {"time": 5.0}, [0.0, 1.0, 5.0, 20.0], "t_d"),
    "noise": ("temperature", {"time": 50.0}, [0.0, 1e-3, 1e-2, 1e-1], "κ₀"),
}


def tngd(model: nn.Module, seed: int, **settings: float) -> Optimizer:
    return TNGD(model, **PAPER, rng=seed, **settings)


def sgd(model: nn.Module, _: int) -> Optimizer:
    import torch

    return torch.optim.SGD(model.parameters(), PAPER["lr"])


def ngd(model: nn.Module, _: int) -> Optimizer:
    return NaturalGradient(model, **PAPER)


def sweep(data: Data, which: str, images: int, epochs: int, seeds: int) -> dict[str, Any]:
    """Runs over several seeds for each value, without a schedule of the rate, as in the paper."""
    argument, others, values, sign = SWEEPS[which]
    builds = {f"{sign} = {value:g}": partial(tngd, **others, **{argument: value}) for value in values}
    if which == "time":  # The two ends.
        builds = {"SGD": sgd} | builds | {"NGD": ngd}
    part = data.first(images)
    found = {}
    for label, build in builds.items():
        found[label] = [
            train(one_convolution, build, part, data.test, seed=seed, epochs=epochs, points=4, decay=False, label=label)
            for seed in SEEDS[:seeds]
        ]
        print(f"{label}: {[run['accuracy'][-1] for run in found[label]]}", flush=True)
    settings = PAPER | others
    return {"data": data.name, "network": "one_convolution", "images": len(part[1]), "epochs": epochs} | {
        "settings": settings,
        "runs": found,
    }


def draw(results: dict[str, Any], path: Path) -> None:
    """Training loss and test accuracy against steps."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
    colors = plt.get_cmap("viridis")
    inner = [label for label in results["runs"] if "=" in label]
    for label, runs in results["runs"].items():
        color = (
            colors(0.9 * inner.index(label) / max(1, len(inner) - 1))
            if label in inner
            else {"SGD": "#8c8c8c"}.get(label, "#c1272d")
        )
        for ax, quantity in zip(axes, ("loss", "accuracy"), strict=True):
            shaded(ax, runs, "step", quantity, label, color)
    axes[0].set(xlabel="steps", ylabel="training loss", yscale="log")
    axes[1].set(xlabel="steps", ylabel="test accuracy")
    axes[0].legend(frameon=False, fontsize=9)
    settings = ", ".join(f"{name} {value:g}" for name, value in results["settings"].items())
    figure.suptitle(f"TNGD on {results['data']}, {results['images']} images: {settings}", x=0.01, ha="left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, which="time", images=10_000, epochs=1)
    path = given.results / f"sweep-{given.which}.json"
    if not given.draw:
        write(sweep(load_data(given.data), given.which, given.images, given.epochs, given.seeds), path)
    draw(read(path), given.pictures / f"experiments-{given.which}.png")


if __name__ == "__main__":
    main()
