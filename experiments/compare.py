"""Train with the settings that the search found, on part of the images and on all: loss, accuracy and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import SEEDS, Data, load_data, options, ordinary_cnn, pyplot, read, save, shaded, train, write
from methods import METHODS


def compare(
    data: Data, best: dict[str, Any], names: list[str], images: int, epochs: int, seeds: int, points: int
) -> dict[str, Any]:
    """Runs of each method over several seeds."""
    part = data.first(images)
    found = {}
    for name in names:
        build = METHODS[name].build(best[name]["best"])
        runs = [
            train(ordinary_cnn, build, part, data.test, seed=seed, epochs=epochs, points=points, label=f"{name} {seed}")
            for seed in SEEDS[:seeds]
        ]
        found[name] = {"settings": best[name]["best"], "runs": runs}
        print(f"{name}: {[run['accuracy'][-1] for run in runs]}, {runs[0]['seconds'][-1]:.1f} s", flush=True)
    return {"data": data.name, "network": "ordinary_cnn", "images": len(part[1]), "epochs": epochs, "methods": found}


def draw(results: dict[str, Any], path: Path) -> None:
    """Training loss and test error against steps and against seconds."""
    plt = pyplot()
    figure, axes = plt.subplots(2, 2, figsize=(10.5, 7), layout="constrained", sharex="col")
    for column, along in enumerate(("step", "seconds")):
        for name, found in results["methods"].items():
            runs = [run | {"error": [100 * (1 - value) for value in run["accuracy"]]} for run in found["runs"]]
            for ax, quantity in zip(axes[:, column], ("loss", "error"), strict=True):
                shaded(ax, runs, along, quantity, name, METHODS[name].color)
        for ax in axes[:, column]:
            ax.set_yscale("log")
    for ax in axes[:, 1]:
        ax.set_xscale("log")
    axes[0, 0].set(ylabel="training loss")
    axes[1, 0].set(ylabel="test error (%)", xlabel="steps")
    axes[1, 1].set(xlabel="processor seconds, one core (device simulated)")
    axes[0, 0].legend(frameon=False, fontsize=9)
    count = max(len(entry["runs"]) for entry in results["methods"].values())
    spread = f", {count} seeds: mean, smallest to largest" if count > 1 else ""
    figure.suptitle(f"{results['data']}, {results['images']} images{spread}", x=0.01, ha="left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, images=10_000, epochs=1, points=2, methods="", name="compare-10k", settings="tune")
    path = given.results / f"{given.name}.json"
    if not given.draw:
        tuned = read(given.results / f"{given.settings}.json")
        data = load_data(given.data)
        names = given.methods.split(";") if given.methods else list(tuned["methods"])
        results = compare(data, tuned["methods"], names, given.images, given.epochs, given.seeds, given.points)
        if given.methods and path.is_file():  # Methods may be run one after the other.
            results["methods"] = read(path)["methods"] | results["methods"]
        write(results, path)
    draw(read(path), given.pictures / f"experiments-{given.name}.png")


if __name__ == "__main__":
    main()
