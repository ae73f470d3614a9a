"""Plain Euler–Maruyama in NumPy: what one would write by hand."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.base import Estimator, Stepper, reading_times
from benchmarks.problems import Array, Window


class EulerMaruyama(Stepper):
    """One product A x and one normal vector a step."""

    name = "Euler–Maruyama (NumPy)"
    method = "a Python loop, normals drawn a reading's worth at a time"

    def path(self, window: Window) -> Estimator:
        """See `Stepper.path`."""
        A, b, h, steps = window.A, window.b, self.step, self.steps_per_reading(window)
        amplitude = np.sqrt(2 * window.temperature * h)
        count = len(reading_times(window))

        def path(seed: int) -> Array:
            rng = np.random.default_rng(seed)
            x = np.zeros(window.size)
            states = np.zeros((count, window.size))
            for state in states[1:]:
                for noise in amplitude * rng.standard_normal((steps, window.size)):
                    x = x - h * (A @ x - b) + noise
                state[:] = x
            return states

        return path
