"""Tune every method with the same number of runs, judged on training images that no run has seen.

First Sobol points in the logarithms of the settings, one short run each; then, for every size in ``--finals``, the best
of them again, longer and with several seeds. Test images have no part in it.
"""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from common import options, pyplot, read, save, unfinished, write
from data import load_data
from methods import METHODS
from training import Run, train_all

FIRST_SEED = 100

Tried = list[dict[str, Any]]


def search(given: Any, names: list[str], kept: Path) -> dict[str, Any]:
    """All rounds: the settings tried, how each did, and the best of each final round."""
    first = round_of(
        {name: METHODS[name].points(given.runs) for name in names}, given.images, given.epochs, 1, given, kept
    )
    found: dict[str, Any] = {
        name: {"ranges": METHODS[name].ranges, "first": first[name], "finals": {}} for name in names
    }
    budget = [f"{given.runs} settings, {given.images} images, {given.epochs} epochs, 1 seed"]
    for final in given.finals.split(","):
        images, epochs, seeds = (int(part) for part in final.split(":"))
        tried = round_of(
            {name: best(first[name], given.finalists) for name in names}, images, epochs, seeds, given, kept
        )
        for name in names:
            found[name]["finals"][str(images)] = tried[name]
            print(f"{name}, {images} images: {best(tried[name], 1)[0]}", flush=True)
        budget.append(f"{given.finalists} settings, {images} images, {epochs} epochs, {seeds} seeds")
    return {"data": load_data(given.data).name, "budget of each method": budget, "judge": given.judge, "methods": found}


def round_of(
    candidates: dict[str, list[dict[str, float]]], images: int, epochs: int, seeds: int, given: Any, kept: Path
) -> dict[str, Tried]:
    """Accuracy of each candidate over some seeds, and processor seconds of a run."""
    runs = [
        Run(name, settings, images, given.judge, seed=FIRST_SEED + seed, epochs=epochs, points=1)
        for name, points in candidates.items()
        for settings in points
        for seed in range(seeds)
    ]
    histories = iter(train_all(runs, given.data, kept, given.workers))
    found: dict[str, Tried] = {}
    for name, points in candidates.items():
        for settings in points:
            of_seeds = [next(histories) for _ in range(seeds)]
            entry = {
                "settings": settings,
                "accuracies": [history["accuracy"][-1] for history in of_seeds],
                "seconds": mean(history["seconds"][-1] for history in of_seeds),
            }
            found.setdefault(name, []).append(entry)
    return found


def best(tried: Tried, count: int) -> list[dict[str, float]]:
    """The settings with the best mean accuracy."""
    return [entry["settings"] for entry in sorted(tried, key=lambda entry: -mean(entry["accuracies"]))[:count]]


def tuned(results: dict[str, Any], name: str, images: int) -> dict[str, float]:
    """The settings of a method that won the round on so many images."""
    return best(results["methods"][name]["finals"][str(images)], 1)[0]


def draw(results: dict[str, Any], path: Path) -> None:
    """Held-out error of every setting tried, method by method and round by round: how forgiving each one is."""
    plt = pyplot()
    rounds = ["first", *next(iter(results["methods"].values()))["finals"]]
    figure, axes = plt.subplots(1, len(rounds), figsize=(11, 4.4), layout="constrained", sharey=True)
    names = list(results["methods"])
    for ax, which, budget in zip(axes, rounds, results["budget of each method"], strict=True):
        for row, name in enumerate(names):
            found = results["methods"][name]
            for entry in found["first"] if which == "first" else found["finals"][which]:
                errors = 100 * (1 - np.array(entry["accuracies"]))
                ax.plot([errors.min(), errors.max()], [row, row], color=METHODS[name].color, linewidth=1, alpha=0.5)
                ax.scatter(errors.mean(), row, color=METHODS[name].color, alpha=0.7, s=24)
        ax.set(xscale="log", xlabel="error on held-out images (%)")
        ax.set_title(budget, loc="left", fontsize=9)
    axes[0].set(yticks=range(len(names)), yticklabels=names)
    axes[0].invert_yaxis()
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(
        __doc__, runs=16, images=5_000, epochs=2, judge=5_000, finalists=4, finals="10000:2:3,20000:1:2", methods=""
    )
    path = given.results / "tune.json"
    if not given.draw:
        names = given.methods.split(";") if given.methods else list(METHODS)
        write(search(given, names, unfinished(path)), path)
    draw(read(path), given.pictures / "experiments-tune.png")


if __name__ == "__main__":
    main()
