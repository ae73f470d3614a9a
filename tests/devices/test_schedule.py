"""Timetables: what they fill in, what they refuse, and the rules that choose them."""

import numpy as np
import pytest

from thermolinalg import Schedule
from thermolinalg.devices.schedule import AVERAGING_TIMES, EQUILIBRIUM_TIMES


def test_what_is_left_out_is_filled_in():
    assert Schedule(1.0, readings=10, spacing=0.5).duration == 5.0
    assert Schedule(1.0, 5.0, readings=10).spacing == 0.5
    assert Schedule(1.0, 5.0).readings is None
    assert Schedule(1.0, 5.0).total == 6.0
    assert Schedule(1.0, 5.0).with_readings(2).spacing == 2.5


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"burn_in": -1.0, "duration": 1.0}, ValueError, "burn_in must not be negative"),
        ({"burn_in": np.inf, "duration": 1.0}, ValueError, "burn_in must be finite"),
        ({"burn_in": "long", "duration": 1.0}, TypeError, "burn_in must be a real number"),
        ({"burn_in": 1.0, "duration": 0.0}, ValueError, "duration must be positive"),
        ({"burn_in": 1.0, "duration": np.nan}, ValueError, "duration must be finite"),
        ({"burn_in": 1.0}, ValueError, "needs duration"),
        ({"burn_in": 1.0, "readings": 3}, ValueError, "needs duration"),
        ({"burn_in": 1.0, "spacing": 3.0}, ValueError, "needs duration"),
        ({"burn_in": 1.0, "duration": 1.0, "readings": 0}, ValueError, "readings must be at least 1"),
        ({"burn_in": 1.0, "duration": 1.0, "readings": 1.5}, TypeError, "readings must be an integer"),
        ({"burn_in": 1.0, "readings": 2, "spacing": -1.0}, ValueError, "spacing must be positive"),
        ({"burn_in": 1.0, "duration": 9.0, "readings": 2, "spacing": 1.0}, ValueError, "is not readings × spacing"),
    ],
)
def test_nonsense_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        Schedule(**options)


def test_windows_for_a_residual():
    """The white residual of a window has the size sqrt(2T/T_w); below that the slowest mode sets the length."""
    tight = Schedule.for_residual(1e-3, signal=0.5, temperature=2.0, rate=0.1)
    needed = 2 * 2.0 / (1e-3 * 0.5) ** 2  # 1.6e7: the next quarter of an octave is 2^24
    assert tight.duration == 2.0**24
    assert needed <= tight.duration < 2**0.25 * needed
    assert Schedule.for_residual(2.0**-6, signal=0.5, temperature=2.0, rate=1.0).duration == 2.0**16  # on the grid
    assert tight.bound == "residual noise 0.001"
    loose = Schedule.for_residual(10.0, signal=0.5, temperature=2.0, rate=0.1)
    assert loose.duration == pytest.approx(AVERAGING_TIMES / 0.1)
    assert loose.bound == "averaging over the slowest mode"
    assert tight.burn_in == loose.burn_in == pytest.approx(EQUILIBRIUM_TIMES / 0.1)


def test_windows_for_a_covariance():
    schedule = Schedule.for_covariance(7, rate=2.0)
    assert schedule.readings == 7
    assert schedule.spacing == schedule.burn_in == pytest.approx(EQUILIBRIUM_TIMES / 2.0)


def test_lengthened_windows():
    window = Schedule(burn_in=2.0, duration=3.0)
    assert (window.lengthened(4).burn_in, window.lengthened(4).duration) == (2.0, 12.0)
    read = Schedule(burn_in=2.0, readings=5, spacing=0.5).lengthened(4)
    assert (read.burn_in, read.readings, read.spacing, read.duration) == (2.0, 20, 0.5, 10.0)
