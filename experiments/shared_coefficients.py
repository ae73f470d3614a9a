"""Natural gradients whose coefficients are shared after the first epoch, and the same without sharing.

    python experiments/shared_coefficients.py --seeds 3

The abstract of Fast Natural Gradient Descent (FNGD, arXiv:2403.03473) says that a damped natural gradient of the
empirical Fisher matrix is a weighted sum of per-sample gradients, and that weights found in the first epoch serve all
later ones. How they are shared is our reading: by their mean over that epoch, at each place of a batch, or batch by
batch, with the same batches in every epoch. Every method gets the same number of settings; the best one is run for the
same number of images, and then for about the same processor seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from common import SEEDS, options, pyplot, read, save, shaded, unfinished, write
from data import load_data
from methods import DAMPING, FORGET, METHODS, Method
from torch import nn
from torch.optim import Optimizer
from training import Run, train, train_all

from thermoapps.natural_gradient import InverseFree, NaturalGradient

SEARCH_SEED = 100


def _shared(share: str, model: nn.Module, _: int, lr: float, damping: float, forget: float, batches: int) -> Optimizer:
    """Coefficients of the first `batches` steps, and what is shared of them afterwards."""
    solver = InverseFree(batches, share)
    return NaturalGradient(model, lr, damping, solver=solver, momentum=1 - forget, curvature="empirical")


SEARCHED = {"lr": (3e-3, 0.3)} | DAMPING | FORGET
"""With smaller rates than the others: coefficients of the first steps, whose gradients are small, are large."""
COMPARED: Mapping[str, Method] = {
    "FNGD, mean": Method(partial(_shared, "mean"), SEARCHED, "#c1272d"),
    "FNGD, batch by batch": Method(partial(_shared, "per_batch"), SEARCHED, "#e07b39"),
    "never shared": Method(partial(_shared, "mean"), SEARCHED, "#1f4e9c"),
    "K-FAC": METHODS["K-FAC"],
    "Adam": METHODS["Adam"],
    "SGD": METHODS["SGD"],
}


def run_of(name: str, settings: dict[str, float], images: int, epochs: int, **options: Any) -> Run:
    """A run of a method; what shares coefficients is told how many batches share theirs with the others."""
    batches = images // Run.batch
    given = {"FNGD, mean": batches, "FNGD, batch by batch": batches, "never shared": batches * epochs}
    settings = settings | ({"batches": given[name]} if name in given else {})
    return Run(name, settings, images, epochs=epochs, shuffled=name != "FNGD, batch by batch", **options)


def compare(given: Any, kept: Path) -> dict[str, Any]:
    """The search of every method, its winner on the same images, and in the same time."""
    found: dict[str, Any] = {}
    for name, method in COMPARED.items():
        points = method.points(given.runs)
        search = [
            run_of(name, point, given.search, 2, judge=given.judge, seed=SEARCH_SEED, points=1) for point in points
        ]
        tried = [history["accuracy"][-1] for history in made(search, given, kept)]
        best = points[int(np.argmax(tried))]
        runs = made([run_of(name, best, given.images, given.epochs, seed=seed) for seed in seeds(given)], given, kept)
        found[name] = {"settings": best, "tried": tried, "runs": runs}
        print(name, best, [run["accuracy"][-1] for run in runs], f"{runs[0]['seconds'][-1]:.1f} s", flush=True)
    allowed = seconds(found["FNGD, mean"])
    for name, entry in found.items():
        epochs = max(1, round(given.epochs * allowed / seconds(entry)))
        entry["epochs in the same time"] = epochs
        same = [run_of(name, entry["settings"], given.images, epochs, seed=seed) for seed in seeds(given)]
        entry["same time"] = made(same, given, kept)
        print(name, epochs, [run["accuracy"][-1] for run in entry["same time"]], flush=True)
    return found


def made(runs: list[Run], given: Any, kept: Path) -> list[dict[str, Any]]:
    """Histories of runs, made or found."""
    return train_all(runs, given.data, kept, given.workers, partial(train, methods=COMPARED))


def seeds(given: Any) -> tuple[int, ...]:
    return SEEDS[: given.seeds]


def seconds(entry: dict[str, Any]) -> float:
    """Of a run of the same images, by processor time."""
    return mean(run["seconds"][-1] for run in entry["runs"])


def draw(results: dict[str, Any], path: Path) -> None:
    """Training loss and test error against steps, test error against processor seconds."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    for name, entry in results["methods"].items():
        runs = [run | {"error": [100 * (1 - share) for share in run["accuracy"]]} for run in entry["runs"]]
        for ax, along, what in zip(axes, ("step", "step", "seconds"), ("loss", "error", "error"), strict=True):
            shaded(ax, runs, along, what, name, COMPARED[name].color)
    for ax in axes[:2]:
        ax.axvline(results["images"] // Run.batch, color="#999999", linewidth=0.8, linestyle=":")
    axes[0].set(yscale="log", xlabel="steps; dotted: the first epoch ends", ylabel="training loss")
    axes[1].set(yscale="log", xlabel="steps", ylabel="test error (%)")
    axes[2].set(xscale="log", yscale="log", xlabel="processor seconds", ylabel="test error (%)")
    axes[0].legend(frameon=False, fontsize=8)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, runs=4, search=960, judge=2_000, images=1_920, epochs=3)
    path = given.results / "shared-coefficients.json"
    if not given.draw:
        found = compare(given, unfinished(path))
        told = {
            "data": load_data(given.data).name,
            "images": given.images,
            "epochs": given.epochs,
            "budget of each method": f"{given.runs} settings, {given.search} images, 2 epochs, 1 seed",
        }
        write(told | {"methods": found}, path)
    draw(read(path), given.pictures / "experiments-shared-coefficients.png")


if __name__ == "__main__":
    main()
