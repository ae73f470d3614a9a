"""Callbacks see what a call has at hand, may end it, and change nothing."""

from __future__ import annotations

import numpy as np
import pytest
from cases import grid
from helpers import spd

import thermolinalg as tla
from thermolinalg._progress import seen_as, showing, told

A, B = spd(6), np.ones(6)
SPARSE = grid(66, 0.1)
PATH = tla.Schedule(1.0, readings=2500, spacing=0.1)
EARLIER = {"return_info": True, "rng": 0}


def last(result):
    """The numbers of a result that its callback sees."""
    return getattr(result, "logabsdet", getattr(result, "x", result))


def prepared(question, *arguments, **fixed):
    def call(**options):
        return getattr(tla.program(A, rng=options.pop("rng")), question)(*arguments, **fixed, **options)

    return call


def on(function, *arguments, **fixed):
    return lambda **options: function(*arguments, **fixed, **options)


# Calls, and after how many looks they are ended.
CALLS = {
    "solve": (on(tla.solve, A, B), 3),
    "solve of columns": (on(tla.solve, A, np.eye(6)[:, :2]), 3),
    "solve of complex numbers": (on(tla.solve, spd(6, dtype=complex), B), 3),
    "solve in other units": (on(tla.solve, 1e200 * A, 1e-90 * B), 3),
    "solve of a general matrix": (on(tla.solve, A + np.triu(A), B), 3),
    "lstsq": (on(tla.lstsq, A[:, :3], B), 3),
    "inv": (on(tla.inv, A), 3),
    "inv of many columns": (on(tla.inv, spd(600)), 3),
    "pinv": (on(tla.pinv, A[:, :3]), 3),
    "lyapunov": (on(tla.solve_continuous_lyapunov, A, A), 3),
    "inv_diagonal": (on(tla.inv_diagonal, A), 2),
    "inv_diagonal of complex numbers": (on(tla.inv_diagonal, 1e-200 * spd(6, dtype=complex)), 2),
    "inv_diagonal of a sparse array": (on(tla.inv_diagonal, SPARSE, rtol=0.01), 2),
    "slogdet": (on(tla.slogdet, A, method="work", atol=4e-3), 1),
    "slogdet by readings": (on(tla.slogdet, 1e-100 * A, method="integration"), 2),
    "logabsdet": (on(tla.logabsdet, np.triu(A), method="integration"), 2),
    "expm": (on(tla.expm, -A, rtol=1e-3), 1),
    "expm_multiply": (on(tla.expm_multiply, -A, B, rtol=1e-3), 1),
    "expm_multiply of complex vectors": (on(tla.expm_multiply, -A, 1j * B, 0.0, 1.0, 3, rtol=1e-3), 1),
    "prepared solve": (prepared("solve", B), 3),
    "prepared inv": (prepared("inv"), 3),
    "prepared diagonal": (prepared("diagonal"), 2),
    "prepared logdet": (prepared("logdet", method="integration"), 2),
}


def ended_after(looks, seen):
    def callback(intermediate_result):
        seen.append(intermediate_result)
        if len(seen) == looks:
            raise StopIteration

    return callback


@pytest.mark.parametrize("name", CALLS)
def test_stop_iteration_returns_what_was_shown(name):
    call, looks = CALLS[name]
    seen = []
    result, info = call(callback=ended_after(looks, seen), **EARLIER)
    assert len(seen) == looks
    np.testing.assert_array_equal(seen[-1].x, last(result))
    assert seen[-1].x.dtype == last(result).dtype
    assert not info.success
    assert info.stopped
    assert info.status > 0
    assert info.message.startswith("stopped by the callback after")
    if info.standard_error is not None:
        assert np.all(np.isfinite(np.atleast_1d(info.standard_error)[..., :512]))


@pytest.mark.parametrize(
    "name", sorted(CALLS.keys() - {"inv_diagonal", "inv_diagonal of complex numbers", "prepared diagonal"})
)
def test_looking_changes_nothing(name):
    call, _ = CALLS[name]
    seen = []
    looked, info = call(callback=seen.append, **EARLIER)
    assert seen
    assert "stopped" not in info
    np.testing.assert_allclose(last(looked), last(call(**EARLIER)[0]), rtol=1e-13)


@pytest.mark.slow
def test_variances_in_rounds_are_as_good():
    seen = []
    value, info = tla.inv_diagonal(A, rtol=0.02, callback=seen.append, rng=0, return_info=True)
    assert len(seen) == 16
    assert info.success
    plain = tla.inv_diagonal(A, rtol=0.02, rng=1, return_info=True)[1]
    np.testing.assert_allclose(info.noise / value, 0.02, rtol=1e-9)
    assert info.schedule.readings == plain.schedule.readings
    scores = [
        (tla.inv_diagonal(A, rtol=0.1, callback=seen.append, rng=s) / np.diag(np.linalg.inv(A)) - 1) / 0.1
        for s in range(200)
    ]
    assert abs(np.mean(scores)) < 0.2
    assert 0.85 < np.std(scores) < 1.15


@pytest.mark.parametrize(
    "options", [{"size": 400, "mean": B}, {"schedule": PATH}, {"schedule": PATH, "temperature": 2.0}]
)
@pytest.mark.parametrize(
    "matrix", [A, spd(6, dtype=complex), 1e-100 * spd(30)[:6, :6]], ids=["real", "complex", "tiny"]
)
@pytest.mark.parametrize("cov", [False, True])
def test_samples_that_came_are_kept(options, matrix, cov, monkeypatch):
    monkeypatch.setattr("thermolinalg.devices.readout.BLOCK", 600)
    given = {"cov" if cov else "A": matrix, **options}
    whole, seen = tla.sample(**given, rng=0), []
    x, info = tla.sample(**given, callback=ended_after(1, seen), rng=0, return_info=True)
    assert 0 < len(x) < len(whole)
    np.testing.assert_allclose(x, whole[: len(x)], rtol=1e-12)
    np.testing.assert_array_equal(x, seen[0].x)
    assert (info.success, info.stopped, info.schedule.readings, seen[0].n_readings) == (False, True, len(x), len(x))
    if "schedule" in options:
        assert info.schedule.spacing == PATH.spacing


def test_what_is_good_enough_is_a_success_even_where_it_was_stopped():
    _, info = tla.slogdet(A, method="integration", atol=3.0, callback=ended_after(1, []), rng=0, return_info=True)
    assert info.success
    assert info.stopped
    assert info.status == 0


@pytest.mark.parametrize("name", CALLS)
def test_an_error_of_the_callback_passes_and_leaves_nothing(name):
    call, _ = CALLS[name]
    expected, seen = last(call(**EARLIER)[0]), []

    def impatient(xk):
        seen.append(xk)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(callback=impatient, **EARLIER)
    np.testing.assert_array_equal(last(call(**EARLIER)[0]), expected)
    assert len(seen) == 1  # nobody looks any more


def test_calls_of_a_callback_are_its_own():
    inner = []

    def callback(xk):
        inner.append(tla.solve(A, xk, rng=1))

    x = tla.solve(A, B, callback=callback, rng=0)
    assert 2 < len(inner) < 30
    np.testing.assert_array_equal(inner[-1], tla.solve(A, x, rng=1))


def test_a_batch_is_one_call_after_another():
    seen = []
    tla.solve(np.stack([A, 2 * A]), B, callback=seen.append, rng=0)
    alone = []
    tla.solve(A, B, callback=alone.append, rng=0)
    assert all(xk.shape == (6,) for xk in seen)
    assert len(seen) > len(alone)


def test_tensors_are_shown_as_tensors():
    torch = pytest.importorskip("torch")
    seen = []
    x = tla.solve(torch.as_tensor(A), torch.as_tensor(B), callback=seen.append, rng=0)
    assert all(isinstance(xk, torch.Tensor) for xk in seen)
    assert torch.equal(seen[-1], x)
    tla.expm(-torch.as_tensor(A), callback=seen.append, rng=0)
    assert isinstance(seen[-1], torch.Tensor)


@pytest.mark.parametrize("callback", [3, "print"])
@pytest.mark.parametrize("name", ["solve", "inv_diagonal", "slogdet", "expm"])
def test_a_callback_can_be_called(name, callback):
    with pytest.raises(TypeError, match="callback must be None or callable, got"):
        CALLS[name][0](callback=callback, **EARLIER)


def test_a_callback_is_told_of_its_own_kind_only():
    seen = []
    with showing(False, seen.append, "samples"), seen_as(lambda x: x + 1), seen_as(lambda x: 10 * x):
        assert not told("diagonal", lambda: {"x": 0})
        assert not told("samples", lambda: {"x": 1})
        with showing(True):
            assert not told("samples", lambda: {"x": 2})
    assert not told("samples", lambda: {"x": 3})
    assert seen == [11, 21]
