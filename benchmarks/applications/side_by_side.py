"""The same question to two libraries, in turns, and the row that says what each took."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.markdown import duration, table

ROUNDS, MOST = 3, 40
SHORT, ENOUGH = 0.5, 8.0  # s; calls that take less together are repeated, and none that take more


def beside(ours: Callable[[], Any], theirs: Callable[[], Any], differ: Callable[[Any, Any], float]) -> dict[str, float]:
    """CPU seconds of both, the least of some rounds in turns, and by how much the answers differ.

    Parameters
    ----------
    ours, theirs : callable
        What is timed.
    differ : callable
        (our answer, their answer) ↦ a number.

    Returns
    -------
    dict
        "ours", "theirs" and "difference".
    """
    calls, values = {"ours": ours, "theirs": theirs}, dict[str, Any]()
    least, total = dict[str, float](), 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for done in range(MOST):
            if (done >= ROUNDS and total > SHORT) or total > ENOUGH:
                break
            for name, call in calls.items():
                began = time.process_time()
                values[name] = call()
                spent = time.process_time() - began
                least[name] = min(least.get(name, spent), spent)
                total += spent
    return {**least, "difference": float(differ(values["ours"], values["theirs"]))}


def rows(results: dict[str, Any]) -> str:
    """A table of such comparisons, by name; each says who the other library is."""
    return table(
        ["", "simulated device", "beside", "", "ratio", "difference"],
        [
            [
                name,
                duration(one["ours"]),
                one["beside"],
                duration(one["theirs"]),
                f"{one['ours'] / one['theirs']:.2g}",
                f"{one['difference']:.1e}",
            ]
            for name, one in results.items()
        ],
    )
