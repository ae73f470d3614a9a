"""Write docs/experiments.md from the results."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from typing import Any

from common import ROOT, options, read


def main() -> None:
    given = options(__doc__, output=ROOT / "docs" / "experiments.md")
    names = (
        "tune",
        "tune-long",
        "compare-10k",
        "compare-60k",
        "compare-signs",
        "sweep-time",
        "sweep-delay",
        "sweep-noise",
        "step-time",
    )
    results = {name: read(given.results / f"{name}.json") for name in names}
    template = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    parts = {
        "search": search(results["tune"]),
        "long": search(results["tune-long"]),
        "signs": comparison(results["compare-signs"]),
        "part": comparison(results["compare-10k"]),
        "whole": comparison(results["compare-60k"]),
        **{name: sweep(results[f"sweep-{name}"]) for name in ("time", "delay", "noise")},
        "steps": steps(results["step-time"]),
    }
    for name, text in parts.items():
        template = template.replace("{{" + name + "}}", text)
    given.output.write_text(template, encoding="utf-8")


def search(results: dict[str, Any]) -> str:
    """Best settings, and how good the median setting was: what a careless choice costs."""
    rows = []
    for name, found in results["methods"].items():
        accuracies = sorted(entry["accuracy"] for entry in found["tried"])
        settings = ", ".join(f"{key} {value:g}" for key, value in found["best"].items())
        middle = accuracies[len(accuracies) // 2]
        rows.append([name, settings, percent(accuracies[-1]), percent(middle), percent(accuracies[0])])
    return table(["method", "best settings", "best", "median", "worst"], rows)


def comparison(results: dict[str, Any]) -> str:
    """Last loss, test accuracy and time of every method."""
    rows = []
    for name, found in results["methods"].items():
        runs = found["runs"]
        accuracies = [run["accuracy"][-1] for run in runs]
        spread = f" ({percent(min(accuracies))} to {percent(max(accuracies))})" if len(runs) > 1 else ""
        loss = average_loss(runs)
        seconds = f"{mean(run['seconds'][-1] for run in runs):.1f}"
        rows.append([name, str(len(runs)), percent(mean(accuracies)) + spread, loss, seconds])
    return table(["method", "seeds", "test accuracy", "last training loss", "processor seconds"], rows)


def sweep(results: dict[str, Any]) -> str:
    """Last loss and test accuracy of every value."""
    rows = []
    for label, runs in results["runs"].items():
        accuracies = [run["accuracy"][-1] for run in runs]
        spread = f"{percent(min(accuracies))} to {percent(max(accuracies))}"
        rows.append([label, average_loss(runs), percent(mean(accuracies)), spread])
    return table(["", "last training loss", "test accuracy", "over seeds"], rows)


def average_loss(runs: list[dict[str, Any]]) -> str:
    """Of the last losses, or how many runs diverged."""
    losses = [run["loss"][-1] for run in runs]
    diverged = losses.count(None)
    return f"{diverged} diverged" if diverged else f"{mean(losses):.3f}"


def steps(results: dict[str, Any]) -> str:
    """Milliseconds of a step, one row for each network and batch."""
    rows = [
        [f"{row['parameters']}", f"{row['batch']}", *(f"{1e3 * value:.3g}" for value in row["seconds"].values())]
        for row in results["parameters"] + results["batch"]
    ]
    return table(["parameters", "batch", *results["batch"][0]["seconds"]], rows)


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
