"""diffrax: Euler on the linear SDE, compiled."""

from __future__ import annotations

import diffrax
import jax
import jax.numpy as jnp
import lineax
import numpy as np

from benchmarks.peers.base import Estimator, Stepper, reading_times
from benchmarks.problems import Window


class Diffrax(Stepper):
    """UnsafeBrownianPath is its fastest noise for a fixed step; VirtualBrownianTree is 3 to 30 times slower here."""

    name = "diffrax Euler"
    method = "diffeqsolve(Euler, UnsafeBrownianPath, ForwardMode), jitted"

    def path(self, window: Window) -> Estimator:
        """See `Stepper.path`."""
        A, b, times = jnp.asarray(window.A), jnp.asarray(window.b), jnp.asarray(reading_times(window))
        steps = self.steps_per_reading(window) * (len(times) - 1)
        noise = lineax.DiagonalLinearOperator(jnp.full(window.size, (2 * window.temperature) ** 0.5))

        @jax.jit
        def path(A: jax.Array, b: jax.Array, key: jax.Array) -> jax.Array:
            brownian = diffrax.UnsafeBrownianPath(shape=b.shape, key=key)
            terms = diffrax.MultiTerm(
                diffrax.ODETerm(lambda t, x, args: b - A @ x),
                diffrax.ControlTerm(lambda t, x, args: noise, brownian),
            )
            return diffrax.diffeqsolve(
                terms,
                diffrax.Euler(),
                t0=0.0,
                t1=times[-1],
                dt0=self.step,
                y0=jnp.zeros_like(b),
                saveat=diffrax.SaveAt(ts=times),
                adjoint=diffrax.ForwardMode(),
                max_steps=steps + 10,
            ).ys

        return lambda seed: np.asarray(path(A, b, jax.random.key(seed)))
