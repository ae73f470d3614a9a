"""Tune every method with the same number of runs: Sobol points, one short run each, judged on held-out images.

With ``--start tune`` the runs are given to the best settings of that search instead, say on more images.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from common import Data, load_data, options, ordinary_cnn, pyplot, read, save, train, write
from methods import METHODS


def search(
    data: Data, candidates: dict[str, list[dict[str, float]]], images: int, held_out: int, epochs: int
) -> dict[str, Any]:
    """Accuracy on held-out images of the candidate settings of each method, and the best of them."""
    train_part, judge = data.first(images), data.held_out(images, held_out)
    found: dict[str, Any] = {}
    for name, points in candidates.items():
        method, tried = METHODS[name], []
        for settings in points:
            run = train(
                ordinary_cnn, method.build(settings), train_part, judge, seed=100, epochs=epochs, points=1, label=name
            )
            tried.append({"settings": settings, "accuracy": run["accuracy"][-1], "seconds": run["seconds"][-1]})
        found[name] = {"ranges": method.ranges, "tried": tried, "best": best(tried, 1)[0]}
        print(f"{name}: {found[name]['best']}", flush=True)
    budget = {"runs per method": len(points), "epochs per run": epochs, "images": images, "held-out images": held_out}
    return {"data": data.name, "network": "ordinary_cnn", "budget": budget, "seed": 100, "methods": found}


def best(tried: list[dict[str, Any]], count: int) -> list[dict[str, float]]:
    """The settings with the best accuracy."""
    return [entry["settings"] for entry in sorted(tried, key=lambda entry: -entry["accuracy"])[:count]]


def draw(results: dict[str, Any], path: Any) -> None:
    """Held-out accuracy of every setting tried, method by method: how forgiving each one is."""
    plt = pyplot()
    figure, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
    names = list(results["methods"])
    for row, name in enumerate(names):
        tried = results["methods"][name]["tried"]
        errors = [100 * (1 - entry["accuracy"]) for entry in tried]
        ax.scatter(errors, np.full(len(errors), row), color=METHODS[name].color, alpha=0.7, s=28)
    ax.set(yticks=range(len(names)), yticklabels=names, xscale="log", xlabel="error on held-out images (%)")
    ax.invert_yaxis()
    ax.set_title("Every setting of the search, one short run each", loc="left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, runs=16, images=5_000, judge=3_000, epochs=1, methods="", start="", name="tune")
    path = given.results / f"{given.name}.json"
    if not given.draw:
        data = load_data(given.data)
        names = given.methods.split(";") if given.methods else list(METHODS)
        images = min(given.images, 2 * len(data.train[1]) // 3)
        if given.start:
            before = read(given.results / f"{given.start}.json")["methods"]
            candidates = {name: best(before[name]["tried"], given.runs) for name in names}
        else:
            candidates = {name: METHODS[name].points(given.runs) for name in names}
        results = search(data, candidates, images, given.judge, given.epochs)
        if given.methods and path.is_file():  # Methods may be run one after the other.
            results["methods"] = read(path)["methods"] | results["methods"]
        write(results, path)
    draw(read(path), given.pictures / f"experiments-{given.name}.png")


if __name__ == "__main__":
    main()
