"""Paths in the eigenbasis: all steps at once are the steps one by one."""

import numpy as np
import pytest

from thermolinalg.laws import Overdamped, Underdamped
from thermolinalg.simulation.readings import modal_readings


@pytest.mark.parametrize("law", [Overdamped(), Underdamped(friction=0.3)], ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("readings", [1, 2, 777, 2500])
def test_all_steps_at_once_are_the_steps_one_by_one(law, readings, monkeypatch):
    lam, load, start = np.geomspace(0.01, 1.0, 5), np.arange(5.0), np.linspace(-1, 1, 5)

    def path():
        rng = np.random.default_rng(0)
        return np.concatenate(list(modal_readings(lam, law.step(3.0), law.step(0.7), start, load, readings, rng)))

    at_once = path()
    monkeypatch.setattr("thermolinalg.simulation.readings.FEW_MODES", 0)
    np.testing.assert_allclose(at_once, path(), rtol=1e-12, atol=1e-12)
