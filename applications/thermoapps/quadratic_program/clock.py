"""How long a solver may run."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic

__all__ = ["Clock"]


@dataclass
class Clock:
    """Runs from when it is made.

    Parameters
    ----------
    limit : float
        Seconds; infinite for no limit.
    """

    limit: float
    _began: float = field(default_factory=monotonic)

    @property
    def over(self) -> bool:
        """Whether the time is up."""
        return monotonic() - self._began >= self.limit
