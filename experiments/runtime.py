"""Losses and accuracies against run time: Adam as measured, TNGD with its device as modelled (the paper's Figure 3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import SEEDS, options, pyplot, read, save, shaded, unfinished, write
from data import load_data
from training import Run, train_all
from tune import tuned

PAPER = {"lr": 0.01, "damping": 0.01, "time": 50.0}
"""η, λ and t of the paper's runs on MNIST."""

COLORS = {"Adam, default": "#222222", "Adam, tuned": "#8c8c8c", "TNGD, paper": "#c1272d", "TNGD, tuned": "#e9a3a6"}


def curves(given: Any, settings: dict[str, tuple[str, dict[str, float]]], kept: Path) -> dict[str, Any]:
    """Runs over several seeds for each label, at constant rates."""
    seeds = SEEDS[: given.seeds]
    runs = [
        Run(method, values, given.images, 0, "one convolution", seed, given.epochs, points=2, decay=False)
        for method, values in settings.values()
        for seed in seeds
    ]
    histories = train_all(runs, given.data, kept, given.workers)
    found = {
        label: {"method": method, "settings": values, "runs": histories[len(seeds) * i : len(seeds) * (i + 1)]}
        for i, (label, (method, values)) in enumerate(settings.items())
    }
    return {"data": load_data(given.data).name, "images": given.images, "epochs": given.epochs, "curves": found}


def draw(results: dict[str, Any], path: Path) -> None:
    """Left losses, right accuracies; full lines on test images, dotted ones on training images."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
    for label, found in results["curves"].items():
        for ax, on_test, on_training in zip(axes, ("test_loss", "accuracy"), ("loss", "seen"), strict=True):
            shaded(ax, found["runs"], "modelled", on_test, label, COLORS[label])
            shaded(ax, found["runs"], "modelled", on_training, "", COLORS[label], ":")
    axes[0].set(ylabel="loss", yscale="log")
    axes[1].set(ylabel="accuracy", ylim=(0.85, 1.0))
    for ax in axes:
        ax.set(xlabel="seconds: processor time of one core, device modelled", xscale="log")
    axes[0].legend(frameon=False, fontsize=9)
    title = f"{results['data']}, {results['images']} images, {results['epochs']} epochs"
    figure.suptitle(f"{title}: test images, and training images dotted", x=0.01, ha="left")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__, images=10_000, epochs=5)
    path = given.results / "runtime.json"
    if not given.draw:
        search = read(given.results / "tune.json")
        settings = {
            "Adam, default": ("Adam", {"lr": 1e-3, "forget": 0.1}),
            "Adam, tuned": ("Adam", tuned(search, "Adam", 10_000)),
            "TNGD, paper": ("TNGD", PAPER),
            "TNGD, tuned": ("TNGD", tuned(search, "TNGD", 10_000)),
        }
        write(curves(given, settings, unfinished(path)), path)
    draw(read(path), given.pictures / "experiments-runtime.png")


if __name__ == "__main__":
    main()
