from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest


class JointLaw(NamedTuple):
    """What a linear law says about one mode: weights of the known inputs, of the normal inputs, and covariance."""

    weights: np.ndarray
    noise: np.ndarray
    covariance: np.ndarray


@pytest.fixture(scope="session")
def joint_law():
    """From a law and an eigenvalue to the weights of the known inputs and the covariance of the outputs."""

    def evaluate(law, lam) -> JointLaw:
        with np.errstate(all="raise", under="ignore"):
            rows = law.functions(np.array([lam]))
        table = np.array([[0.0 if f is None else float(f[0]) for f in row] for row in rows])
        noisy = np.array([name.startswith("z") for name in law.inputs])
        noise = table[:, noisy]
        return JointLaw(table[:, ~noisy], noise, noise @ noise.T)

    return evaluate


@pytest.fixture(scope="session")
def assert_same_functions():
    """Compare two tables of coefficients at eigenvalues, entry by entry, on the scale of the row."""

    def compare(got, want, lam, *, rtol, names):
        for i, (row, other) in enumerate(zip(got, want, strict=True)):
            scale = {}
            for kind in ("z", "other"):
                members = [f for f, name in zip(other, names, strict=True) if (name[0] == "z") == (kind == "z")]
                scale[kind] = np.sqrt(sum(at(f, lam) ** 2 for f in members))
            for j, name in enumerate(names):
                error = np.abs(at(row[j], lam) - at(other[j], lam)) / scale["z" if name[0] == "z" else "other"]
                assert np.nanmax(error) <= rtol, (i, name, error)

    def at(f, lam):
        return 0.0 * lam if f is None else np.asarray(f(lam) if callable(f) else f)

    return compare
