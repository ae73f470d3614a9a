"""Train with the settings that the search found, on part of the images and on all: loss, accuracy and time.

``--add`` puts the methods beside those of an earlier comparison, in its file; ``--averages 0.9,0.98`` judges running
averages of the weights too, ``--warm 0.05`` lets the rate rise for so much of the steps, and
``--change renew=0.5,batches=3`` changes settings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import SEEDS, added, options, pyplot, read, save, shaded, unfinished, write
from data import load_data
from methods import METHODS
from training import Run, train_all
from tune import tuned


def compare(given: Any, settings: dict[str, dict[str, float]], kept: Path) -> dict[str, Any]:
    """Runs of each method over several seeds."""
    seeds = SEEDS[: given.seeds]
    runs = [
        Run(
            name,
            settings[name],
            given.images,
            seed=seed,
            epochs=given.epochs,
            points=given.points,
            averages=tuple(float(memory) for memory in given.averages.split(",") if memory),
            warm=given.warm,
        )
        for name in settings
        for seed in seeds
    ]
    histories = train_all(runs, given.data, kept, given.workers)
    found = {
        name: {"settings": settings[name], "runs": histories[len(seeds) * i : len(seeds) * (i + 1)]}
        for i, name in enumerate(settings)
    }
    return {"data": load_data(given.data).name, "images": given.images, "epochs": given.epochs, "methods": found}


def draw(results: dict[str, Any], path: Path) -> None:
    """Training loss and test error against steps and against seconds."""
    plt = pyplot()
    figure, axes = plt.subplots(2, 2, figsize=(12, 7), layout="constrained", sharex="col")
    for column, along in enumerate(("step", "seconds")):
        for name, found in results["methods"].items():
            runs = [run | {"error": [100 * (1 - value) for value in run["accuracy"]]} for run in found["runs"]]
            for ax, quantity in zip(axes[:, column], ("loss", "error"), strict=True):
                shaded(ax, runs, along, quantity, name, METHODS[name].color)
        for ax, largest in zip(axes[:, column], (2, 20), strict=True):
            ax.set(yscale="log", ylim=(None, largest))  # Runs that fail leave the picture.
    for ax in axes[:, 1]:
        ax.set_xscale("log")
    axes[0, 0].set(ylabel="training loss")
    axes[1, 0].set(ylabel="test error (%)", xlabel="steps")
    axes[1, 1].set(xlabel="processor seconds, one core (device simulated)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside right upper", frameon=False, fontsize=9)
    count = max(len(entry["runs"]) for entry in results["methods"].values())
    title = f"{results['data']}, {results['images']} images, {results['epochs']} epochs"
    figure.suptitle(f"{title}, {count} seeds: median, smallest to largest", x=0.01, ha="left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(
        __doc__,
        images=10_000,
        epochs=2,
        points=4,
        methods="",
        search="tune",
        tuned="10000",
        name="compare-10k",
        add=False,
        averages="",
        warm=0.0,
        change="",
    )
    path = given.results / f"{given.name}.json"
    if not given.draw:
        search = read(given.results / f"{given.search}.json")
        names = given.methods.split(";") if given.methods else list(search["methods"])
        changes = dict(change.split("=") for change in given.change.split(",") if change)
        changed = {name: float(value) for name, value in changes.items()}
        settings = {name: tuned(search, name, int(given.tuned)) | changed for name in names}
        found = compare(given, settings, unfinished(path))
        write(added(found, path, "methods") if given.add else found, path)
    draw(read(path), given.pictures / f"experiments-{given.name}.png")


if __name__ == "__main__":
    main()
