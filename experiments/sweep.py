"""TNGD with the settings of its paper while one changes: time, delay, noise (Figures 4(a), 4(b), 7), or lateness.

`reset` and `plateau` start every run from the gradient, as those figures of the paper did; the others from the state
of the run before.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import SEEDS, options, pyplot, read, save, shaded, unfinished, write
from data import load_data
from training import Run, train_all

PAPER = {"lr": 0.01, "damping": 0.01}
"""η and λ of the paper's runs on MNIST."""

SWEEPS: dict[str, tuple[str, dict[str, float], list[float], str]] = {
    # what is changed: argument of TNGD, the others, values, sign in the picture
    "time": ("time", {}, [1.0, 5.0, 20.0, 50.0], "t"),
    "reset": ("time", {"reset": 1.0}, [1.0, 5.0, 20.0, 50.0, 200.0], "t"),
    "delay": ("delay", {"time": 5.0}, [0.0, 1.0, 5.0, 20.0], "t_d"),
    "late": ("late", {"time": 5.0}, [0.0, 1.0], "steps late"),
    "noise": ("temperature", {"time": 50.0}, [0.0, 1e-3, 1e-2, 1e-1], "κ₀"),
    "plateau": ("temperature", {"time": 1.0, "reset": 1.0}, [0.0, 1e-3, 1e-2, 1e-1], "κ₀"),
}


def sweep(given: Any, kept: Path) -> dict[str, Any]:
    """Runs over several seeds for each value, without a schedule of the rate, as in the paper."""
    argument, others, values, sign = SWEEPS[given.which]
    methods = {f"{sign} = {value:g}": ("TNGD", PAPER | others | {argument: value}) for value in values}
    if argument == "time":  # The two ends.
        methods = {"SGD": ("SGD", {"lr": PAPER["lr"]})} | methods | {"NGD": ("NGD (Woodbury)", PAPER)}
    seeds = SEEDS[: given.seeds]
    runs = [
        Run(method, settings, given.images, 0, "one convolution", seed, given.epochs, decay=False)
        for method, settings in methods.values()
        for seed in seeds
    ]
    histories = train_all(runs, given.data, kept, given.workers)
    found = {label: histories[len(seeds) * i : len(seeds) * (i + 1)] for i, label in enumerate(methods)}
    shape = {"images": given.images, "epochs": given.epochs, "settings": PAPER | others}
    return {"data": load_data(given.data).name} | shape | {"runs": found}


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
    given = options(__doc__, which="time", images=10_000, epochs=2)
    path = given.results / f"sweep-{given.which}.json"
    if not given.draw:
        write(sweep(given, unfinished(path)), path)
    draw(read(path), given.pictures / f"experiments-{given.which}.png")


if __name__ == "__main__":
    main()
