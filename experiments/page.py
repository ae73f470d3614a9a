"""Write docs/experiments.md from the results."""

from __future__ import annotations

from pathlib import Path
from statistics import mean, median
from typing import Any

from common import ROOT, options, read, write_text

NAMES = (
    "tune",
    "refine",
    "compare-10k",
    "compare-60k",
    "compare-60k-first",
    "runtime",
    "sweep-time",
    "sweep-delay",
    "sweep-late",
    "sweep-noise",
    "step-time",
    "products",
)


def main() -> None:
    given = options(__doc__, output=ROOT / "docs" / "experiments.md")
    results = {name: read(given.results / f"{name}.json") for name in NAMES}
    page = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    parts = {
        "search": search(results["tune"]),
        "refined": refinement(results["refine"]),
        "part": comparison(results["compare-10k"]),
        "whole": comparison(results["compare-60k"]),
        "first": comparison(results["compare-60k-first"]),
        "runtime": curves(results["runtime"]),
        **{name: sweep(results[f"sweep-{name}"]) for name in ("time", "delay", "late", "noise")},
        "steps": steps(results["step-time"]),
        "products": products(results["products"]),
    }
    for name, text in parts.items():
        page = page.replace("{{" + name + "}}", text)
    write_text(given.output, page)


def search(results: dict[str, Any]) -> str:
    """Every round's best setting and median one: what a careless choice costs."""
    rows = []
    for name, found in results["methods"].items():
        row = [name, *middle_and_best(found["first"])]
        for tried in found["finals"].values():
            winner = max(tried, key=lambda entry: mean(entry["accuracies"]))
            row += shown(winner)
        rows.append(row)
    sizes = next(iter(results["methods"].values()))["finals"]
    finals = [head for size in sizes for head in (f"best on {size}", "its settings")]
    return table(["method", "first: median", "first: best", *finals], rows)


def refinement(results: dict[str, Any]) -> str:
    """The winner before, and the one of the search near it."""
    rows = []
    for name, found in results["methods"].items():
        (tried,) = found["finals"].values()
        winner = max(tried, key=lambda entry: mean(entry["accuracies"]))
        rows.append([name, *(text for entry in (tried[0], winner) for text in shown(entry))])
    return table(["method", "before", "its settings", "best", "its settings"], rows)


def shown(entry: dict[str, Any]) -> list[str]:
    return [percent(mean(entry["accuracies"])), settings(entry["settings"])]


def middle_and_best(tried: list[dict[str, Any]]) -> list[str]:
    accuracies = sorted(mean(entry["accuracies"]) for entry in tried)
    return [percent(accuracies[len(accuracies) // 2]), percent(accuracies[-1])]


def settings(values: dict[str, float]) -> str:
    return ", ".join(f"{key} {value:g}" for key, value in values.items())


def comparison(results: dict[str, Any]) -> str:
    """Test accuracy, also after a quarter of the steps, last training loss and time of every method, best first."""
    rows = []
    for name, found in results["methods"].items():
        runs = found["runs"]
        seconds = f"{mean(run['seconds'][-1] for run in runs):.1f}"
        rows.append([name, accuracy(runs), percent(median(early(run) for run in runs)), middle_loss(runs), seconds])
    rows.sort(key=lambda row: row[1], reverse=True)
    head = ["method", "test accuracy", "after a quarter of the steps", "last training loss", "processor seconds"]
    return table(head, rows)


def early(run: dict[str, Any]) -> float:
    """Test accuracy after a quarter of the steps: looks are evenly spaced."""
    return run["accuracy"][max(0, len(run["accuracy"]) // 4 - 1)]


def curves(results: dict[str, Any]) -> str:
    """The ends of the curves against run time."""
    rows = []
    for label, found in results["curves"].items():
        runs = found["runs"]
        times = [f"{mean(run[name][-1] for run in runs):.1f}" for name in ("seconds", "modelled")]
        rows.append([label, settings(found["settings"]), accuracy(runs), middle_loss(runs), *times])
    head = ["", "settings", "test accuracy", "last training loss", "seconds, simulated", "modelled"]
    return table(head, rows)


def sweep(results: dict[str, Any]) -> str:
    """Last loss and test accuracy of every value."""
    rows = [[label, middle_loss(runs), accuracy(runs)] for label, runs in results["runs"].items()]
    return table(["", "last training loss", "test accuracy"], rows)


def accuracy(runs: list[dict[str, Any]]) -> str:
    """Median over seeds of the last test accuracy, smallest and largest."""
    last = [run["accuracy"][-1] for run in runs]
    return f"{percent(median(last))} ({percent(min(last))} to {percent(max(last))})"


def middle_loss(runs: list[dict[str, Any]]) -> str:
    """Of the last losses, or how many runs diverged."""
    losses = [run["loss"][-1] for run in runs]
    diverged = losses.count(None)
    return f"{diverged} of {len(losses)} diverged" if diverged else f"{median(losses):.3f}"


def steps(results: dict[str, Any]) -> str:
    """Milliseconds of a step, one row for each network and batch."""
    names = list(results["panels"][0]["rows"][0]["seconds"])
    rows = [
        [
            *(f"{row[key]}" for key in ("parameters", "outputs", "batch")),
            *(f"{1e3 * row['seconds'][name]:.3g}" if name in row["seconds"] else "" for name in names),
        ]
        for panel in results["panels"]
        for row in panel["rows"]
    ]
    return table(["parameters", "outputs", "batch", *names], rows)


def products(results: dict[str, Any]) -> str:
    """Relative error of a direction against the products with the curvature it took."""
    rows = [
        [f"{found['condition']:.3g}", name, *(f"{error:.2g}" for error in errors)]
        for found in results["by damping"].values()
        for name, errors in found["errors"].items()
    ]
    counts = next(iter(results["by damping"].values()))["products"]
    return table(["condition", "", *(f"{count}" for count in counts)], rows)


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table of Markdown."""
    lines = ["| " + " | ".join(line) + " |" for line in [head, ["---"] * len(head), *rows]]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
