"""Expansions cut where the noise hides what is left out: the error of every mode against its noise."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.polynomial.chebyshev import chebval

from thermolinalg.laws import Overdamped
from thermolinalg.matrix_functions._truncation import truncation

DEVICE = Overdamped()
LAWS = {
    "average": lambda k: DEVICE.average(16.5 * k, 64.0 * k),
    "window": lambda k: DEVICE.window(16.5 * k, 64.0 * k),
    "short window": lambda k: DEVICE.average(3.0, 10.0),
    "step": lambda k: DEVICE.step(10.0),
    "equilibrium": lambda k: DEVICE.stationary(),
}


def found(law, condition, share, load=1.0, start=1.0):
    sizes = np.array([{"x0": start}.get(name, 1.0 if name.startswith("z") else load) for name in law.inputs])
    return sizes, truncation(law, law.outputs, (1 / condition, 1.0), sizes, share=share, max_degree=3000)


@pytest.mark.parametrize("share", [0.1, 1e-3, 1e-6])
@pytest.mark.parametrize("condition", [1.5, 30.0, 1000.0])
@pytest.mark.parametrize("name", LAWS)
def test_no_mode_errs_by_more_than_its_share_of_the_noise(name, condition, share):
    law = LAWS[name](condition)
    sizes, short = found(law, condition, share)
    lam = np.geomspace(1 / condition, 1.0, 997)  # not the nodes
    x = (2 * lam - 1 - 1 / condition) / (1 - 1 / condition)
    for i, row in enumerate(law.functions(lam)):
        noise = np.sqrt(sum(f**2 for f, z in zip(row, law.inputs, strict=True) if f is not None and z[0] == "z"))
        for j, f in enumerate(row):
            c = short.coefficients[0][i] * short.shares[j] if short.shares is not None else short.coefficients[j][i]
            assert np.all(sizes[j] * abs(chebval(x, c) - (0.0 if f is None else f)) <= 1.05 * share * noise)


@pytest.mark.parametrize("condition", [10.0, 81.0, 1000.0])
def test_the_degree_is_that_of_chebyshevs_iteration(condition):
    # 1 − λp(λ) falls to δ in ln(2/δ) √κ/2 steps; here δ is the share over what the load is of the noise.
    law, share = LAWS["average"](condition), 0.1
    _, short = found(law, condition, share)
    f = dict(zip(law.inputs, law.functions(np.array([1.0]))[0], strict=True))
    delta = share * float(f["z"][0] / f["b"][0])
    assert short.degree <= 1.1 * np.log(4 / delta) * condition**0.5 / 2 + 2


def test_functions_that_are_one_but_for_a_factor_share_a_column():
    law = LAWS["average"](50.0)
    assert found(law, 50.0, 0.1, start=0.0)[1].shares is not None
    assert found(law, 50.0, 1e-6, start=0.0)[1].shares is None


def test_without_noise_or_a_lower_end_there_is_nothing_to_hide_in():
    sizes = np.array([1.0, 1.0, 0.0])
    law = DEVICE.step(3.0)
    assert truncation(law, law.outputs, (0.1, 1.0), sizes, share=0.1, max_degree=100) is None
    assert truncation(law, law.outputs, (0.0, 1.0), sizes + 1, share=0.1, max_degree=100) is None
    assert truncation(DEVICE.stationary(), ("state",), (1e-6, 1.0), sizes + 1, share=1e-6, max_degree=50) is None


def test_a_rough_law_stays_rough_on_a_device_that_holds_a_multiple():
    assert replace(DEVICE.average(1.0, 2.0), rough=True).rescaled(3.0).rough
