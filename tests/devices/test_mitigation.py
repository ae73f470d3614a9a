"""Devices around devices: what each removes, what it leaves, and that they compose."""

import pickle

import numpy as np
import pytest
from helpers import spd
from hypothesis import given, settings
from hypothesis import strategies as st

import thermolinalg as tla
from thermolinalg import Imperfections, LangevinDevice, Overdamped
from thermolinalg.devices import Averaged, Calibrated, Converter, Couplings, Ensemble, LatticeDevice
from thermolinalg.devices.imperfections import quantise
from thermolinalg.testing import check_device

COLD = Overdamped(1e-12)
SEEDS = 12


def device(**imperfections):
    return LangevinDevice(COLD, imperfections=Imperfections(**imperfections))


def error(held, seed=0, d=12, kappa=8.0):
    """Relative error of one raw run."""
    A, b = spd(d, kappa, seed), np.random.default_rng(seed).choice([-1.0, 1.0], d)
    exact = np.linalg.solve(A, b)
    x = tla.solve(A, b, refine=False, rtol=1e-4, device=held, rng=seed)
    return np.linalg.norm(x - exact) / np.linalg.norm(exact)


def rms(held, **size):
    return np.sqrt(np.mean([error(held, seed, **size) ** 2 for seed in range(SEEDS)]))


# -- ensembles ---------------------------------------------------------------------------------------------------------


@given(st.integers(2, 10), st.integers(1, 40), st.integers(0, 2**31))
@settings(deadline=None, max_examples=50)
@pytest.mark.slow
def test_dithered_roundings_are_right_on_average_up_to_a_step_over_their_number(bits, copies, seed):
    x = np.random.default_rng(seed).uniform(-1, 1, (5, 4))
    step = np.abs(x).max() / (2 ** (bits - 1) - 1 if bits > 1 else 1)
    written = [
        Couplings(bits=bits, rounding="dither", phase=k / copies, dither=seed).realise(x, None, None)
        for k in range(copies)
    ]
    for copy in written:
        assert np.all(abs(copy - x) <= step * (1 + 1e-9))
        np.testing.assert_allclose(copy / step, np.round(copy / step), atol=1e-9)
    assert np.all(abs(np.mean(written, axis=0) - x) <= step / copies * (1 + 1e-9))


def test_thresholds_of_one_half_round_to_the_nearest():
    x = np.random.default_rng(0).uniform(-1, 1, 1000)
    np.testing.assert_array_equal(quantise(x, 5), quantise(x, 5, thresholds=np.full(1000, 0.5)))


def test_stochastic_rounding_is_right_on_average():
    x, rng = np.full(100_000, 0.3), np.random.default_rng(0)
    x[0] = 1.0
    written = Couplings(bits=3, rounding="stochastic").realise(x, rng, rng)[1:]
    assert set(np.round(3 * written)) == {0.0, 1.0}
    assert abs(written.mean() - 0.3) < 5 * written.std() / len(written) ** 0.5


@pytest.mark.slow
def test_an_ensemble_turns_an_error_into_about_its_square():
    """With bits on the abscissa one bit more halves the error of a device, and quarters that of its ensemble."""
    bits, plain, merged = (7, 8, 9), [], []
    for n in bits:
        plain.append(rms(device(matrix_bits=n)))
        merged.append(rms(Ensemble(device(matrix_bits=n), copies=64)))
    steps = [1 / (2 ** (n - 1) - 1) for n in bits]
    slopes = [np.polyfit(np.log(steps), np.log(errors), 1)[0] for errors in (plain, merged)]
    assert 0.8 < slopes[0] < 1.2
    assert 1.8 < slopes[1] < 2.3
    assert merged[-1] < 0.07 * plain[-1]


@pytest.mark.slow
def test_stochastic_ensembles_gain_as_the_root_of_their_copies():
    few, many = (rms(Ensemble(device(matrix_bits=12), copies, "stochastic")) for copies in (4, 64))
    assert 2.5 < few / many < 6


def test_what_is_the_same_in_all_copies_stays():
    worn = dict(matrix_bits=10, mismatch=0.02)
    assert 0.6 < rms(Ensemble(device(**worn))) / rms(device(mismatch=0.02)) < 1.6


def test_copies_that_are_not_definite_are_drawn_again_or_refused():
    A = spd(8, 300.0)
    with pytest.raises(np.linalg.LinAlgError, match="matrix_bits"):
        tla.inv_diagonal(A, device=Ensemble(device(matrix_bits=3)), rng=0)
    with pytest.raises(TypeError, match="couplings round"):
        Ensemble(LatticeDevice())
    with pytest.raises(ValueError, match="rounding"):
        Ensemble(device(matrix_bits=8), rounding="nearest")


def test_inverses_of_ensembles():
    A, held = spd(8, 6.0), device(matrix_bits=8)
    schedule = tla.Schedule(burn_in=1e3, readings=10**7, spacing=200.0)
    found = []
    for each in (held, Ensemble(held)):
        warm = Ensemble(each.device, each.copies) if isinstance(each, Ensemble) else each
        covariance = warm.program(A, rng=0).covariance(schedule, rng=np.random.default_rng(0)).value
        found.append(np.linalg.norm(covariance - np.linalg.inv(A)) / np.linalg.norm(np.linalg.inv(A)))
    assert found[1] < 0.3 * found[0]


# -- averages ----------------------------------------------------------------------------------------------------------


def test_noise_of_converters_averages_out_and_so_does_stochastic_rounding():
    noisy = device(outputs=Converter(noise=0.01))
    assert 6 < rms(noisy) / rms(Averaged(noisy, 64)) < 11
    dithered = device(outputs=Converter(bits=6, rounding="stochastic"))
    assert 5 < rms(dithered) / rms(Averaged(dithered, 64)) < 12
    nearest = device(output_bits=6)
    assert 0.8 < rms(nearest) / rms(Averaged(nearest, 64)) < 1.2


def test_error_bars_of_averages_hold():
    held = Averaged(LangevinDevice(Overdamped(1e-2)), 9)
    A, b, ratios = spd(6), np.ones(6), []
    for seed in range(30):
        x, info = tla.solve(A, b, refine=False, rtol=0.1, device=held, rng=seed, return_info=True)
        ratios.append((x - np.linalg.solve(A, b)) / info.standard_error)
    assert 0.8 < np.std(ratios) < 1.25


# -- calibration -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "worn",
    [dict(mismatch=0.03), dict(matrix_bits=7), dict(offset=0.05), dict(mismatch=0.03, offset=0.05, matrix_bits=8)],
    ids=["mismatch", "bits", "offset", "all"],
)
def test_calibration_removes_what_is_frozen(worn):
    assert rms(Calibrated(device(**worn))) < 3e-4 < 0.01 < rms(device(**worn))


def test_offsets_alone_and_gains_alone():
    assert rms(Calibrated(device(offset=0.05), ["offsets"])) < 1e-3
    both = rms(device(offset=0.05, mismatch=0.01))
    assert rms(Calibrated(device(offset=0.05, mismatch=0.01), ["offsets"])) < 0.5 * both
    unequal = LangevinDevice(COLD, imperfections=Imperfections(couplings=Couplings(drift=0.02, age=10.0)))
    assert rms(Calibrated(unequal, ["gains"])) < 0.02 * rms(unequal)


def test_the_couplings_that_a_device_holds_are_found():
    A, held = spd(6), device(mismatch=0.03, die=4)
    program = Calibrated(held).program(A, rng=0)
    inner = program.program
    S = np.ones(6) if inner.scaling is None else inner.scaling
    really = inner.effective.dense() / np.outer(S, S)
    np.testing.assert_allclose(program.delta, really - A, atol=1e-3 * np.abs(really - A).max())
    with pytest.raises(ValueError, match="couplings"):
        _ = Calibrated(held, ["gains"]).program(A, rng=0).delta


def test_the_rounding_of_loads_stays():
    coarse = device(input_bits=5)
    assert rms(Calibrated(coarse)) > 0.3 * rms(coarse)


def test_covariances_and_samples_are_calibrated():
    A = spd(5, 5.0)
    warm = LangevinDevice(imperfections=Imperfections(mismatch=0.05, die=2))
    schedule, exact = tla.Schedule(burn_in=1e3, readings=10**9, spacing=200.0), np.linalg.inv(A)
    plain, fixed = (
        each.program(A, rng=0).covariance(schedule, rng=np.random.default_rng(0)).value
        for each in (warm, Calibrated(warm, relative=1e-3))
    )
    assert np.linalg.norm(fixed - exact) < 0.2 * np.linalg.norm(plain - exact)
    x = (
        Calibrated(warm, relative=1e-3)
        .program(A, rng=0)
        .readings(np.ones(5), schedule.up_to(20_000), rng=np.random.default_rng(1), temperature=0.01)
    )
    assert np.all(abs(x.value.mean(axis=0) - exact @ np.ones(5)) < 6 * x.value.std(axis=0) / 20_000**0.5 + 0.01)


@pytest.mark.parametrize("around", [lambda held: held, Averaged, lambda held: Ensemble(held, 4)])
def test_offsets_are_taken_from_single_readings_too_at_any_gain(around):
    A, b = spd(5, 5.0), 1e3 * np.ones(5)
    worn = LangevinDevice(COLD, imperfections=Imperfections(offset=0.05, die=3, matrix_bits=16))
    program = Calibrated(around(worn)).program(A, rng=0)
    rng, exact = np.random.default_rng(0), np.linalg.solve(A, b)
    schedule = tla.Schedule(burn_in=200.0, readings=8, spacing=200.0)
    read = program.readings(b, schedule, rng=rng).value.mean(axis=0)
    for x in (read, program.settle(b[:, None], np.inf, rng=rng).value[:, 0]):
        np.testing.assert_allclose(x, exact, rtol=2e-3)


def test_devices_beyond_calibration_are_refused():
    with pytest.raises(np.linalg.LinAlgError, match="too much to be calibrated"):
        Calibrated(device(couplings=Couplings(drift=0.5, age=100.0))).program(spd(4), rng=0)
    with pytest.raises(ValueError, match="fit must be"):
        Calibrated(device(), "gains")
    with pytest.raises(ValueError, match="relative"):
        Calibrated(device(), relative=0.0)
    with pytest.raises(ValueError, match="runs"):
        Averaged(device(), 0)


# -- together ----------------------------------------------------------------------------------------------------------

WRAPPED = {
    "averaged": Averaged(LangevinDevice(), 4),
    "calibrated": Calibrated(LangevinDevice(), relative=1e-3),
    "ensemble": Ensemble(LangevinDevice(), 3),
    "all": Averaged(Calibrated(LangevinDevice(), relative=1e-3), 2),
}


@pytest.mark.thinned(4)
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "all")) for name in WRAPPED])
def test_they_conform(name):
    """They count their own programs, runs and columns; calibration runs differ from call to call."""
    skip = ["ledger"] + (["noise"] if name == "ensemble" else [])
    passed = check_device(WRAPPED[name], skip=skip)
    assert {"mean", "variance", "error bars", "scaling", "singular"} <= set(passed)


def test_they_compose_pickle_and_tell_what_they_do():
    held = Averaged(Calibrated(Ensemble(device(matrix_bits=8, offset=0.01), copies=4)), runs=2)
    assert repr(held).startswith("Averaged(device=Calibrated(device=Ensemble(device=LangevinDevice(")
    assert pickle.loads(pickle.dumps(held)) == held
    A, b = spd(6), np.ones(6)
    x, info = tla.solve(A, b, refine=False, rtol=1e-4, device=held, rng=0, return_info=True)
    np.testing.assert_allclose(x, np.linalg.solve(A, b), rtol=1e-3, atol=1e-3)
    for words in ("copies of A", "calibrated for", "means of 2 runs"):
        assert words in info.reason
    program = pickle.loads(pickle.dumps(tla.program(A, device=held, rng=0)))
    np.testing.assert_allclose(A @ program.solve(b), b, atol=1e-8)
    assert Ensemble(Averaged(device(matrix_bits=8))).device.device.imperfections.couplings.rounding == "nearest"


@pytest.mark.parametrize("name", WRAPPED)
def test_systems_are_refined_through_them(name):
    A, b = spd(7, 50.0), np.linspace(-1, 1, 7)
    x, info = tla.solve(A, b, device=WRAPPED[name], rng=0, return_info=True)
    assert info.success
    assert np.linalg.norm(b - A @ x) < 1e-9 * np.linalg.norm(b)
    with pytest.raises(TypeError, match="can be driven"):
        tla.slogdet(A, device=WRAPPED[name], rng=0)
