"""The report of a call: attributes, deferred entries, copies."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import thermolinalg as tla


def test_attributes_are_entries():
    info = tla.Info(success=True)
    info.note = "seen"
    assert info["note"] == info.note == "seen"
    del info.note
    assert "note" not in info
    with pytest.raises(AttributeError, match="note"):
        _ = info.note


def test_deferred_entries_are_evaluated_once_and_when_read():
    calls = []
    info = tla.Info(standard_error=lambda: calls.append(1) or 0.5)
    assert "evaluated when read" in repr(info)
    assert not calls
    assert info.standard_error == info["standard_error"] == info.get("standard_error") == 0.5
    assert len(calls) == 1
    assert info.get("missing", 3) == 3


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda info: pickle.loads(pickle.dumps(info))])
def test_reports_of_calls_travel(duplicate):
    _, info = tla.solve(np.eye(3) + 0.1, np.ones(3), rng=0, return_info=True)
    other = duplicate(info)
    assert type(other) is tla.Info
    assert set(other) == set(info)
    np.testing.assert_array_equal(other.standard_error, info.standard_error)


def test_long_arrays_are_abridged():
    assert len(repr(tla.Info(state=np.zeros(5000)))) < 200


EMPTY, NO_ROWS = np.zeros((0, 0)), np.zeros(0)


@pytest.mark.parametrize(
    "call",
    [
        lambda **options: tla.solve(EMPTY, NO_ROWS, **options),
        lambda **options: tla.lstsq(EMPTY, NO_ROWS, **options),
        lambda **options: tla.lstsq(np.zeros((2, 2)), np.ones(2), **options),
        lambda **options: tla.solve_continuous_lyapunov(EMPTY, EMPTY, **options),
        *(lambda function=f, **options: function(EMPTY, **options) for f in (tla.inv, tla.pinv, tla.inv_diagonal)),
        *(lambda function=f, **options: function(EMPTY, **options) for f in (tla.slogdet, tla.logabsdet, tla.expm)),
    ],
)
def test_reports_of_calls_that_run_nothing_have_the_same_fields(call):
    _, full = tla.solve(np.eye(2), np.ones(2), rng=0, return_info=True)
    _, info = call(return_info=True)
    asked_of_a_device = {"degrees_of_freedom", "autocorrelation_time", "effective_sample_size"}
    assert set(full) - asked_of_a_device <= set(info)
    assert info.success
    assert info.n_runs == info.device_time == info.ledger.runs == 0
    assert not np.any(info.standard_error)
