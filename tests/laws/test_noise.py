"""Every law without its load and start."""

import numpy as np
import pytest

from thermolinalg.laws import EulerMaruyama, Overdamped, Skew, Underdamped

LAWS = [Overdamped(2.0), Underdamped(2.0), EulerMaruyama(step_size=0.01), Skew(0.1)]


@pytest.mark.parametrize("law", LAWS, ids=lambda law: type(law).__name__)
@pytest.mark.parametrize("run", ["step", "stationary", "window"])
def test_the_noise_is_that_of_the_whole_law(law, run):
    whole = {"step": lambda: law.step(1.0), "stationary": law.stationary, "window": lambda: law.window(200.0, 400.0)}
    whole = whole[run]()
    alone, lam = whole.noise(), np.array([0.1, 1.0, 3.0])
    assert alone.inputs == whole.normal_inputs()
    assert (alone.outputs, alone.rough) == (whole.outputs, whole.rough)
    kept = [whole.inputs.index(name) for name in alone.inputs]
    for found, row in zip(alone.functions(lam), whole.functions(lam), strict=True):
        for f, j in zip(found, kept, strict=True):
            assert (f is None and row[j] is None) or np.array_equal(f, row[j])
    form, full = alone.equilibrium(0.1), whole.equilibrium(0.1)
    assert (form is None) == (full is None)
    assert form is None or form == [[row[j] for j in kept] for row in full]
