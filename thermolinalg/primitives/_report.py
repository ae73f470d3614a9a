"""What the report of a linear solve is made of: error bars by their origin, norms in the user's units, the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, namespace
from thermolinalg._info import Info
from thermolinalg.estimation.budget import Budget
from thermolinalg.estimation.refinement import State
from thermolinalg.systems import Chain
from thermolinalg.systems.placed import Held

__all__ = [
    "bar_entries",
    "joined",
    "largest",
    "not_reached",
    "once",
    "outer_norms",
    "scalar",
    "side_by_side",
    "with_budget",
    "with_device",
]


def bar_entries(
    outer: Chain,
    shape: Callable[[Array], Array],
    noise: Callable[[], Array],
    rounding: Callable[[], Array],
    systematic: Callable[[], Array] | None,
) -> dict[str, Any]:
    """The error bar in the user's units, by where it comes from; evaluated when read."""

    def told(part: Callable[[], Array]) -> Callable[[], Array]:
        return lambda: shape(outer.back_error(part()))

    parts = {"noise": told(noise), "rounding": told(rounding)}
    if systematic is not None:
        parts["systematic"] = told(systematic)
    values = {name: once(part) for name, part in parts.items()}

    def total() -> Array:
        return sum(value() for value in values.values())

    entries: dict[str, Any] = {**values, "standard_error": total}
    entries.setdefault("systematic", None)
    return entries


def with_device(info: Info, held: Held, state: State) -> Info:
    """Add what concerns the device to a report."""
    inverse, condition = held.inverse, held.condition
    told = inverse.describe()
    told["reason"] = "; ".join(filter(None, (held.reason, told.get("reason", ""))))
    schedule = state.schedules[-1] if state.schedules else None
    if schedule is not None and schedule.rough:
        schedule = replace(schedule, rough=False)
    info.update(
        told,
        condition=None if condition is None else condition.number,
        failures=list(inverse.failures),
        schedule=schedule,
        ledger=inverse.ledger,
        device_time=inverse.ledger.device_time,
    )
    if state.reading is not None and schedule is not None:
        rate = inverse.rate()
        info.update(
            degrees_of_freedom=state.reading.degrees_of_freedom,
            autocorrelation_time=1 / rate,
            effective_sample_size=max(1.0, schedule.duration * rate / 2),
        )
    return info


def with_budget(info: Info) -> Info:
    """Add what the error of a refined answer consists of, as its error bar tells it when it is read.

    Noise, mismatch, offsets and the rest were measured together, in the true residual, and sent back together, so that
    none of them has a share of its own.
    """
    info["budget"] = lambda: Budget({"residual": info["noise"], "rounding": info["rounding"]})
    return info


def outer_norms(outer: Chain, norms: np.ndarray) -> Any:
    """Norms of the user's residuals, a number where there is one."""
    return scalar(outer.norms(norms))


def largest(outer: Chain, values: np.ndarray) -> Any:
    """One value for each of the user's right-hand sides: the largest of those of its parts."""
    return scalar(values.reshape(-1, len(outer.norms(values))).max(axis=0))


def scalar(values: np.ndarray) -> Any:
    """A number where there is one."""
    return values if values.shape[0] != 1 else float(values[0])


def once(function: Callable[[], Any]) -> Callable[[], Any]:
    """The same, evaluated at most once."""
    kept: list[Any] = []

    def value() -> Any:
        if not kept:
            kept.append(function())
        return kept[0]

    return value


def side_by_side(parts: list[Array], whole: Array) -> Array:
    """Blocks of columns as one block as wide as `whole`; columns that are not there are zero."""
    missing = whole.shape[1] - sum(part.shape[1] for part in parts)
    if len(parts) == 1 and not missing:
        return parts[0]
    xp, like = namespace(parts[0]), parts[0]
    rest = xp.zeros((like.shape[0], missing), dtype=like.dtype, device=like.device)
    return xp.concat([*parts, rest], axis=1)


def not_reached(info: Info, columns: Array) -> Info:
    """The report of right-hand sides that no run has reached: zero is their answer, and nothing is known of it."""
    bar = abs(columns) + np.inf
    bars = {name: bar for name in ("noise", "rounding", "systematic", "standard_error")}
    ones = np.ones(columns.shape[1])
    lost = dict(success=False, n_runs=0, n_matvec=0, residual_norm=ones, backward_error=ones)
    return with_budget(Info(info | bars | lost))


def joined(infos: list[Info]) -> Info:
    """One report for all blocks of columns: that of the worst one, with sums and all columns."""
    if len(infos) == 1:
        return infos[0]
    worst = min(infos, key=lambda info: bool(info.success))

    def bars(name: str) -> Callable[[], Any]:
        def parts_together() -> Any:
            parts = [info[name] for info in infos]
            return None if parts[0] is None else namespace(parts[0]).concat(parts, axis=1)

        return parts_together

    def numbers(name: str) -> np.ndarray:
        return np.concatenate([np.atleast_1d(info[name]) for info in infos])

    together = {}
    if "budget" in worst:
        together["budget"] = lambda: Budget.side_by_side([info["budget"] for info in infos])
    return Info(
        worst
        | together
        | dict(
            n_runs=sum(info.n_runs for info in infos),
            n_matvec=sum(info.n_matvec for info in infos),
            residual_norm=numbers("residual_norm"),
            backward_error=numbers("backward_error"),
            device_time=infos[-1].device_time,
            **{name: bars(name) for name in ("noise", "rounding", "systematic", "standard_error")},
        )
    )
