"""sdeint: itoEuler with a constant noise matrix."""

from __future__ import annotations

import numpy as np
import sdeint

from benchmarks.peers.base import Estimator, Stepper, reading_times
from benchmarks.problems import Window


class Sdeint(Stepper):
    """Its noise is always a (d, d) matrix, so a step costs two products; itoSRI2 would need (steps, d, d) memory."""

    name = "sdeint itoEuler"
    method = "itoEuler with G = sqrt(2T) I"

    def path(self, window: Window) -> Estimator:
        """See `Stepper.path`."""
        A, b, steps = window.A, window.b, self.steps_per_reading(window)
        G = np.sqrt(2 * window.temperature) * np.eye(window.size)
        count = steps * (len(reading_times(window)) - 1)
        times = self.step * np.arange(count + 1)
        start = np.zeros(window.size)
        return lambda seed: sdeint.itoEuler(
            lambda x, t: b - A @ x, lambda x, t: G, start, times, generator=np.random.default_rng(seed)
        )[::steps]
