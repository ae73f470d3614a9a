"""Search once more, longer runs near the settings that won before: for the comparison on all images.

Every method gets the same number of points, in a box around its winner, and the winner again; training images that no
run has seen judge, as in the search before. ``--add`` puts methods beside those that the results have already.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from common import added, options, read, unfinished, write
from data import load_data
from methods import METHODS, Method
from tune import Tried, best, round_of, tuned

EARLIER = {
    "TNGD, short": [
        {"rate": 0.1, "forget": 0.1, "time": 0.1},
        {"rate": 0.15, "forget": 0.1, "time": 0.3},
        {"rate": 0.1, "forget": 0.15, "time": 0.1},
    ]
}
"""Points that stand in the place of some of the box: single runs on all images had been made with them before."""


def near(method: Method, winner: dict[str, float], count: int, reach: float) -> list[dict[str, float]]:
    """The winner, and points up to a factor away from it; `forget`, a share, ends at one."""
    box = {
        name: (value / reach, min(value * reach, 1.0) if name == "forget" else value * reach)
        for name, value in winner.items()
    }
    return [winner, *Method(method.make, box, method.color).points(count)]


def refine(given: Any, names: list[str], kept: Path) -> dict[str, Any]:
    """What every method reached with each of its points."""
    search = read(given.results / "tune.json")
    candidates = {
        name: near(METHODS[name], tuned(search, name, given.around), given.points - len(known), given.reach) + known
        for name in names
        for known in [EARLIER.get(name, [])[: given.points]]
    }
    tried: dict[str, Tried] = round_of(candidates, given.images, given.epochs, 1, given, kept)
    for name in names:
        print(f"{name}: {best(tried[name], 1)[0]}", flush=True)
    budget = f"{given.points + 1} settings, {given.images} images, {given.epochs} epochs, 1 seed"
    found = {name: {"finals": {str(given.images): tried[name]}} for name in names}
    return {"data": load_data(given.data).name, "budget of each method": [budget], "methods": found}


def main() -> None:
    given = options(
        __doc__,
        points=8,
        reach=float(np.sqrt(10)),
        around=20_000,
        images=30_000,
        epochs=1,
        judge=5_000,
        methods="TNGD;NGD (Woodbury);NGD (CG);K-FAC;Adam;SGD;TNGD–Adam",
        add=False,
    )
    path = given.results / "refine.json"
    found = refine(given, given.methods.split(";"), unfinished(path))
    write(added(found, path, "methods") if given.add else found, path)


if __name__ == "__main__":
    main()
