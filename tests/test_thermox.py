"""thermox's own tests of its linear algebra, re-aimed at ours by a module of its name.

They are in its source distribution only: unpack that, and name its folder `tests` in the variable THERMOX_TESTS.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

import thermolinalg as tla

TESTS = Path(os.environ.get("THERMOX_TESTS", ""), "test_linalg.py")
NAMES = [
    "test_linear_system",
    "test_linear_system_processed",
    "test_linear_system_x0",
    "test_inv",
    "test_expnegm",
    "test_expm",
]


def device(temperature):
    return tla.LangevinDevice(law=tla.Overdamped(temperature), loading=tla.AsWritten())


def window(num_samples, dt, burnin):
    return tla.Schedule(burn_in=burnin * dt, readings=num_samples + 1, spacing=dt)


def seeded(key):
    """A generator for a key of JAX."""
    return np.random.default_rng(0 if key is None else np.asarray(key).ravel().astype(np.uint32).tolist())


def solve(A, b, num_samples=10_000, dt=1.0, burnin=0, key=None, associative_scan=True, x0=None):
    import jax

    def read(A, b, key, x0):
        program = device(0.5).program(tla.operators.Dense(np.asarray(A, dtype=float)))
        columns = np.asarray(b, dtype=float)[:, None]
        start = np.asarray(x0, dtype=float)[:, None]
        run = program.average(columns, window(num_samples, dt, burnin), rng=seeded(key), start=start)
        return run.value[:, 0].astype(b.dtype)

    start, key = (0 * b if x0 is None else x0), jax.random.PRNGKey(0) if key is None else key
    return jax.pure_callback(read, jax.ShapeDtypeStruct(b.shape, b.dtype), A, b, key, start, vmap_method="sequential")


def inv(A, num_samples=10_000, dt=1.0, burnin=0, key=None, associative_scan=True):
    schedule = window(num_samples, dt, burnin)
    return tla.inv(np.asarray(A, dtype=float), refine=False, schedule=schedule, device=device(1.0), rng=seeded(key))


def expm(A, num_samples=10_000, dt=1.0, burnin=0, key=None, alpha=1.0, associative_scan=True):
    # Ours takes pairs of readings that have forgotten the last pair, as many as an error bar asks for.
    return tla.expm(np.asarray(A, dtype=float), atol=2 * np.exp(alpha) / num_samples**0.5, rng=seeded(key))


def expnegm(A, *arguments, **options):
    return expm(-A, *arguments, **options)


@pytest.fixture
def contract(monkeypatch):
    """thermox's test file, for which `thermox` is ours."""
    pytest.importorskip("jax")
    if not TESTS.is_file():
        pytest.skip("THERMOX_TESTS names no folder with thermox's tests")
    ours = ModuleType("thermox")
    ours.linalg = SimpleNamespace(solve=solve, inv=inv, expm=expm, expnegm=expnegm)
    ours.utils = SimpleNamespace(preprocess_drift_matrix=lambda A: A)
    monkeypatch.setitem(sys.modules, "thermox", ours)
    spec = importlib.util.spec_from_file_location("thermox_contract", TESTS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.peers
@pytest.mark.parametrize("name", NAMES)
def test_of_thermox(contract, name):
    getattr(contract, name)()


@pytest.mark.peers
def test_none_is_left_out(contract):
    assert [name for name in vars(contract) if name.startswith("test_")] == NAMES
