"""TNGD that ends first: what weight averages, decay, other schedules and longer first runs add to short runs.

Each method starts from the winner of a search before and changes one thing, then two, on part of the images; images
that no run has seen judge. Averages of the weights are judged in every run, and of them only the best. Then the best
of each method trains on all images, unless ``--whole 0``. Adam and K-FAC get what there is of these for them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common import SEEDS, options, pyplot, read, save, shaded, unfinished, write
from data import load_data
from methods import METHODS
from training import Run, averaged_name, train_all
from tune import FIRST_SEED, tuned

MEMORIES = (0.9, 0.98, 0.995)
LAST = "accuracy"

Change = dict[str, float]
"""What is changed: factors of settings by their name after ``×``, settings by their name, and ``flat`` of the run."""

COMMON: dict[str, Change] = {
    "as it was": {},
    "weights shrink by 1e-4 a step": {"shrink": 1e-4},
    "weights shrink by 5e-4 a step": {"shrink": 5e-4},
    "rate falls in the second half": {"flat": 0.5},
    "constant rate": {"flat": 1.0},
}

CHANGES: dict[str, dict[str, Change]] = {
    "TNGD, short": COMMON
    | {
        "time from 1 τ": {"first_time": 1.0},
        "time from 5 τ": {"first_time": 5.0},
        "forgetting from 0.5": {"first_forget": 0.5},
        "trust region 1e-3": {"trust_region": 1e-3},
        "twice the time": {"× time": 2.0},
        "curvature of four batches": {"renew": 0.5, "batches": 3.0, "directions": 64.0},
        "curvature of nine batches": {"renew": 0.1},
        "curvature of 33 batches": {"renew": 0.02, "batches": 32.0, "directions": 8.0},
    },
    "K-FAC": COMMON
    | {
        "half the rate": {"× lr": 0.5},
        "one and a half times the rate": {"× lr": 1.5},
        "half the forgetting": {"× forget": 0.5},
        "half the damping": {"× damping": 0.5},
        "twice the damping": {"× damping": 2.0},
    },
    "Adam": COMMON
    | {
        "half the rate": {"× lr": 0.5},
        "one and a half times the rate": {"× lr": 1.5},
        "half the forgetting": {"× forget": 0.5},
        "one and a half times the forgetting": {"× forget": 1.5},
        "twice the forgetting": {"× forget": 2.0},
    },
}
RAMPS = {"first_time", "first_forget"}


def run_of(
    method: str, winner: dict[str, float], change: Change, images: int, epochs: int, seed: int, judge: int
) -> Run:
    """A run with a winner's settings, changed."""
    plain = {name: value for name, value in change.items() if name != "flat" and name[0] != "×"}
    scaled = {name: value * change.get(f"× {name}", 1.0) for name, value in winner.items()}
    steps = {"steps": float(images // 64 * epochs)} if RAMPS & change.keys() else {}
    flat = change.get("flat", 0.0)
    return Run(
        method,
        scaled | plain | steps,
        images,
        judge,
        seed=seed,
        epochs=epochs,
        decay=flat < 1,
        flat=flat,
        averages=MEMORIES,
    )


def choices(history: dict[str, Any]) -> dict[str, float]:
    """The accuracy at the end with the last weights, and with each average."""
    return {name: history[name][-1] for name in (LAST, *map(averaged_name, MEMORIES))}


def search(given: Any, winners: dict[str, dict[str, float]], kept: Path) -> dict[str, list[dict[str, Any]]]:
    """How each change did, then the best two together in every way that is left of the budget."""
    found: dict[str, list[dict[str, Any]]] = {}
    for method, winner in winners.items():
        tried = _tried(given, method, winner, dict(list(CHANGES[method].items())[: given.changes]), kept)
        useful = sorted((entry for entry in tried if entry["change"]), key=lambda entry: -best_of(entry)[1])[:3]
        pairs = {
            f"{one['label']}; {other['label']}": one["change"] | other["change"]
            for i, one in enumerate(useful)
            for other in useful[i + 1 :]
            if not one["change"].keys() & other["change"].keys()
        }
        found[method] = tried + _tried(given, method, winner, pairs, kept)
        print(method, best_entry(found[method]), flush=True)
    return found


def _tried(
    given: Any, method: str, winner: dict[str, float], changes: dict[str, Change], kept: Path
) -> list[dict[str, Any]]:
    runs = [
        run_of(method, winner, change, given.images, given.epochs, FIRST_SEED, given.judge)
        for change in changes.values()
    ]
    histories = train_all(runs, given.data, kept, given.workers)
    return [
        {"label": label, "change": change, "accuracies": choices(history)}
        for (label, change), history in zip(changes.items(), histories, strict=True)
    ]


def best_of(entry: dict[str, Any]) -> tuple[str, float]:
    """With which weights a run ends best, and how well."""
    return max(entry["accuracies"].items(), key=lambda item: item[1])


def best_entry(tried: list[dict[str, Any]]) -> dict[str, Any]:
    """The change with the best end."""
    return max(tried, key=lambda entry: best_of(entry)[1])


def finals(
    given: Any, winners: dict[str, dict[str, float]], found: dict[str, list[dict[str, Any]]], kept: Path
) -> dict[str, Any]:
    """The best of each method on all images, judged by the test images."""
    results = {}
    for method, tried in found.items():
        best = best_entry(tried)
        runs = [
            run_of(method, winners[method], best["change"], given.whole, given.epochs, seed, 0)
            for seed in SEEDS[: given.seeds]
        ]
        histories = train_all(runs, given.data, kept, given.workers)
        results[method] = {"label": best["label"], "weights": best_of(best)[0], "runs": histories}
        print(method, [choices(history) for history in histories], flush=True)
    return results


def draw(results: dict[str, Any], path: Path) -> None:
    """Held-out errors of all changes; test errors of the best, with the weights chosen and, dotted, the last ones."""
    plt = pyplot()
    columns = 1 + bool(results["finals"])
    figure, axes = plt.subplots(1, columns, figsize=(5.5 * columns, 4.2), layout="constrained", squeeze=False)
    search_ax, *others = axes[0]
    for row, (method, tried) in enumerate(results["tried"].items()):
        for entry in tried:
            for name, value in entry["accuracies"].items():
                marker = "o" if name == LAST else "x"
                search_ax.scatter(100 * (1 - value), row, color=METHODS[method].color, alpha=0.6, marker=marker, s=22)
    search_ax.set(
        yticks=range(len(results["tried"])),
        yticklabels=list(results["tried"]),
        xlabel="error on held-out images (%); crosses: averages",
    )
    search_ax.set_title(f"{results['images']} images, one seed", loc="left", fontsize=9)
    for ax in others:
        for method, found in results["finals"].items():
            for name, style in ((found["weights"], "-"), (LAST, ":")):
                runs = [run | {"error": [100 * (1 - value) for value in run[name]]} for run in found["runs"]]
                label = f"{method}, {found['label']}" if style == "-" else ""
                shaded(ax, runs, "step", "error", label, METHODS[method].color, style)
        ax.set(xlabel="steps", ylabel="test error (%)", yscale="log")
        ax.legend(frameon=False, fontsize=8)
        ax.set_title(f"{results['whole']} images; dotted: last weights", loc="left", fontsize=9)
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(
        __doc__,
        images=10_000,
        epochs=2,
        judge=5_000,
        whole=60_000,
        changes=13,
        search="tune",
        tuned=20_000,
        methods=";".join(CHANGES),
    )
    path = given.results / "extend.json"
    if not given.draw:
        earlier = read(given.results / f"{given.search}.json")
        winners = {method: tuned(earlier, method, given.tuned) for method in given.methods.split(";")}
        kept = unfinished(path)
        tried = search(given, winners, kept)
        ended = finals(given, winners, tried, kept) if given.whole else {}
        shape = {"images": given.images, "whole": given.whole, "epochs": given.epochs, "winners": winners}
        write({"data": load_data(given.data).name} | shape | {"tried": tried, "finals": ended}, path)
    draw(read(path), given.pictures / "experiments-extend.png")


if __name__ == "__main__":
    main()
