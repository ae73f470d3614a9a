"""The same question to two libraries, in turns, and the row that says what each took."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

from benchmarks.markdown import duration, table

ROUNDS, MOST = 3, 40
SHORT, ENOUGH = 0.5, 8.0  # s; calls that take less together are repeated, and none that take more


def beside(
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    differ: Callable[[Any, Any], float],
    floor: Callable[[], Any] | None = None,
) -> dict[str, float]:
    """CPU seconds of both, the least of some rounds in turns, and by how much the answers differ.

    Parameters
    ----------
    ours, theirs : callable
        What is timed.
    differ : callable
        (our answer, their answer) ↦ a number.
    floor : callable, optional
        What both contain at least, timed as well.

    Returns
    -------
    dict
        "ours", "theirs" and "difference", and "floor" where there is one.
    """
    calls, values = {"ours": ours, "theirs": theirs}, dict[str, Any]()
    if floor is not None:
        calls["floor"] = floor
    least, total = dict[str, float](), 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for done in range(MOST):
            if (done >= ROUNDS and total > SHORT) or total > ENOUGH:
                break
            for name, call in calls.items():
                spent, values[name] = alone(call)
                least[name] = min(least.get(name, spent), spent)
                total += spent
    return {**least, "difference": float(differ(values["ours"], values["theirs"]))}


def alone(call: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of one call, and what it returned."""
    began = time.process_time()
    value = call()
    return time.process_time() - began, value


def rows(results: dict[str, Any]) -> str:
    """A table of such comparisons, by name; each says who the other library is."""
    floors = any("floor" in one for one in results.values())
    return table(
        ["", "simulated device", "beside", "", "ratio", "difference", *["floor"] * floors],
        [
            [
                name,
                duration(one["ours"]),
                one["beside"],
                duration(one["theirs"]),
                f"{one['ours'] / one['theirs']:.2g}",
                f"{one['difference']:.1e}",
                *[duration(one["floor"]) if "floor" in one else "—"] * floors,
            ]
            for name, one in results.items()
        ],
    )
