"""The error budget of an answer: what each cause contributes to its error, and what they come to together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from thermolinalg._arrays import Array, namespace, to_numpy
from thermolinalg.devices.systematic import combined

__all__ = ["Budget"]


@dataclass(frozen=True)
class Budget:
    """One standard deviation of the error of an answer, by cause.

    Parameters
    ----------
    parts : dict
        For each cause an array in the shape of the answer, or None where it is unknown.
    reasons : dict of str
        Why, for each cause that is unknown.

    Examples
    --------
    >>> budget = Budget({"thermal": np.array([3.0]), "matrix": np.array([4.0])})
    >>> budget["matrix"], budget.total
    (array([4.]), array([5.]))
    """

    parts: dict[str, Array | None]
    reasons: dict[str, str] = field(default_factory=dict)

    def __getitem__(self, cause: str) -> Array | None:
        return self.parts[cause]

    @property
    def total(self) -> Array | None:
        """Root of the sum of their squares; None where one of them is unknown."""
        known = {cause: part for cause, part in self.parts.items() if part is not None}
        return combined(known) if len(known) == len(self.parts) else None

    def __str__(self) -> str:
        rows = [(cause, _size(part, self.reasons.get(cause, ""))) for cause, part in self.parts.items()]
        reason = "some cause is unknown"
        return "\n".join(f"{cause:<10}  {size}" for cause, size in [*rows, ("total", _size(self.total, reason))])

    def mapped(self, change: Callable[[Array], Array]) -> Budget:
        """The budget of an answer in other units or of another shape.

        Parameters
        ----------
        change : callable
            Of each part.

        Returns
        -------
        Budget
        """
        parts = {cause: None if part is None else change(part) for cause, part in self.parts.items()}
        return Budget(parts, self.reasons)

    @classmethod
    def side_by_side(cls, budgets: Sequence[Budget]) -> Budget:
        """That of answers (d, k) that are columns of one.

        Parameters
        ----------
        budgets : sequence of Budget

        Returns
        -------
        Budget
        """
        parts: dict[str, Array | None] = {}
        for cause in budgets[0].parts:
            each: list[Any] = [budget.parts[cause] for budget in budgets]
            parts[cause] = None if any(part is None for part in each) else namespace(each[0]).concat(each, axis=1)
        reasons: dict[str, str] = {}
        for budget in budgets:
            reasons |= budget.reasons
        return cls(parts, reasons)


def _size(part: Array | None, reason: str) -> str:
    """Root mean square of a part, or why there is none."""
    if part is None:
        return f"unknown: {reason}"
    return f"{float(np.sqrt(np.mean(np.square(to_numpy(part).astype(float))))) if np.size(part) else 0.0:.3g}"
