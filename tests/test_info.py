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
