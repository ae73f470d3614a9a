"""thermox: exact transitions by diagonalisation, reading after reading."""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import thermox

from benchmarks.peers.base import Estimator, Peer
from benchmarks.problems import Window


class Thermox(Peer):
    """Its own `linalg` functions, jitted as a whole: faster than its plain call, and its scan over readings is not.

    Its noise is fixed: T = 1/2 in `solve`, T = 1 in `inv`. It takes one reading more than it is asked for.
    """

    name = "thermox"
    method = "jax.jit(thermox.linalg.solve / inv), preprocessing of A counted"

    def solve(self, window: Window) -> Estimator:
        """See `Peer.solve`."""
        _require(window, temperature=0.5)
        A, b = jnp.asarray(window.A), jnp.asarray(window.b)
        solve = jax.jit(partial(thermox.linalg.solve, **_schedule(window)))
        return lambda seed: np.asarray(solve(A, b, key=jax.random.PRNGKey(seed)))

    def inv(self, window: Window) -> Estimator:
        """See `Peer.inv`."""
        _require(window, temperature=1.0)
        A = jnp.asarray(window.A)
        inv = jax.jit(partial(thermox.linalg.inv, **_schedule(window)))
        return lambda seed: np.asarray(inv(A, key=jax.random.PRNGKey(seed)))


def _schedule(window: Window) -> dict[str, float]:
    return {
        "num_samples": window.readings - 1,
        "dt": window.spacing,
        "burnin": round(window.burn_in / window.spacing),
    }


def _require(window: Window, temperature: float) -> None:
    if window.temperature != temperature:
        raise ValueError(f"thermox simulates this task at T = {temperature} only, the window has {window.temperature}")
