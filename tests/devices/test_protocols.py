"""Any device that follows the protocols serves every primitive; one that does not is refused by what it lacks."""

import numpy as np
import pytest
import scipy.linalg
from own_devices import Forwarding, Stepped

import thermolinalg as tla
from thermolinalg.devices import Correlated, Drivable, Program
from thermolinalg.devices.protocols import DRIVABLE, missing
from thermolinalg.operators import Dense
from thermolinalg.testing import assert_covariance, check_device
from thermolinalg.testing.conformance import CHECKS

A = np.array([[1.0, 0.3, -0.1], [0.3, 0.9, 0.2], [-0.1, 0.2, 0.8]])
GENERAL = np.array([[0.4, -1.0, 0.2], [0.3, 0.1, 0.5], [0.0, -0.4, -0.8]])
SYMMETRIC = {"forwarding": Forwarding(tla.LangevinDevice()), "stepped": Stepped()}
FREE = {"forwarding": Forwarding(tla.GeneralDevice()), "stepped": Stepped()}


@pytest.mark.parametrize("method", ["work", "integration", None])
@pytest.mark.parametrize("device", SYMMETRIC.values(), ids=SYMMETRIC)
def test_determinants(device, method):
    (sign, value), info = tla.slogdet(A, atol=0.2, method=method, device=device, rng=0, return_info=True)
    assert sign == 1
    assert info.success
    assert abs(value - np.linalg.slogdet(A)[1]) < 4 * info.standard_error
    assert info.ledger.runs >= info.n_runs > 0
    value, info = tla.det(A, rtol=0.2, method=method, device=device, rng=1, return_info=True)
    assert abs(value - np.linalg.det(A)) < 4 * info.standard_error
    value, info = tla.logabsdet(GENERAL, atol=0.3, method=method, device=device, rng=2, return_info=True)
    assert abs(value - np.linalg.slogdet(GENERAL)[1]) < 4 * info.standard_error


@pytest.mark.parametrize("device", FREE.values(), ids=FREE)
@pytest.mark.parametrize("matrix", [GENERAL, 1j * GENERAL], ids=["real", "complex"])
def test_exponential(device, matrix):
    value, info = tla.expm(matrix, atol=0.1, device=device, rng=0, return_info=True)
    assert np.all(abs(value - scipy.linalg.expm(matrix)) < 5 * info.standard_error)
    assert info.ledger.runs > 0


@pytest.mark.parametrize("device", SYMMETRIC.values(), ids=SYMMETRIC)
def test_samples(device):
    b = np.array([1.0, -1.0, 0.5])
    x = tla.sample(A, 4000, b=b, temperature=0.3, device=device, rng=0)
    assert_covariance(x, 0.3 * np.linalg.inv(A))
    assert np.all(abs(x.mean(axis=0) - np.linalg.solve(A, b)) < 5 * x.std(axis=0) / 4000**0.5)
    assert_covariance(tla.sample(cov=A, size=4000, device=device, rng=0), A)


@pytest.mark.parametrize("device", SYMMETRIC.values(), ids=SYMMETRIC)
def test_diagonal_of_the_inverse(device):
    value, info = tla.inv_diagonal(A, rtol=0.03, device=device, rng=0, return_info=True)
    assert np.all(abs(value - np.diag(np.linalg.inv(A))) < 4 * info.standard_error)


def test_what_a_device_does_not_tell_is_said():
    """Nothing is known of the errors of somebody else's device, and the report does not pretend otherwise."""
    for call in (tla.slogdet, tla.inv_diagonal):
        info = call(A, device=Stepped(), rng=0, return_info=True, **({"atol": 0.3} if call is tla.slogdet else {}))[1]
        assert info.systematic is None
        assert "noise and rounding only" in info.message
        assert call(A, rng=0, return_info=True)[1].systematic is not None


def test_the_protocols_are_met():
    symmetric, free = tla.LangevinDevice().program(Dense(A)), tla.GeneralDevice().program(Dense(A))
    for program in (symmetric, Stepped().program(Dense(A))):
        assert isinstance(program, Drivable)
    assert not missing(Forwarding(tla.LangevinDevice()).program(Dense(A)), DRIVABLE)
    for program in (free, Stepped().program(Dense(A))):
        assert isinstance(program, Correlated)
    assert not isinstance(free, Drivable)
    assert not isinstance(symmetric, Correlated)
    assert not isinstance(Stepped().program(Dense(A)), Program)


# -- what is refused ----------------------------------------------------------------------------


class Without(Forwarding):
    """A device whose programs lack some methods."""

    def __init__(self, device, *names):
        super().__init__(device)
        self.names = names

    def __repr__(self):
        return "Without()"

    def program(self, operator, *, rng=None):
        names = self.names

        class Lacking(ForwardingOf):
            def __getattr__(self, name):
                if name in names:
                    raise AttributeError(name)
                return getattr(self.inner, name)

        return Lacking(self.device.program(operator, rng=rng))


class ForwardingOf:
    def __init__(self, inner):
        self.inner = inner


@pytest.mark.parametrize("call", [tla.slogdet, tla.det, tla.logabsdet])
def test_devices_that_cannot_be_driven(call):
    with pytest.raises(TypeError, match=r"driven.*LangevinDevice.*Without\(\) lacks readings_along, work$"):
        call(A, device=Without(tla.LangevinDevice(), "work", "readings_along"))
    with pytest.raises(TypeError, match=r"lacks spectrum, readings_along, work$"):
        call(A, assume_a="pos", device=tla.GeneralDevice())


def test_devices_without_noise_of_ones_own():
    with pytest.raises(TypeError, match=r"GeneralDevice.*Without\(\) lacks lagged_covariance$"):
        tla.expm(GENERAL, device=Without(tla.GeneralDevice(), "lagged_covariance"))
    with pytest.raises(TypeError, match="pass a GeneralDevice"):
        tla.expm(GENERAL, device=tla.LangevinDevice())
    with pytest.raises(TypeError, match="device must be None or have a method program"):
        tla.expm(GENERAL, device=3)


# -- the conformance suite ----------------------------------------------------------------------

DRIVEN = ("spectrum", "readings along", "work")


@pytest.mark.parametrize("seed", range(3))
def test_stepping_through_time_conforms(seed):
    names = {*DRIVEN, "own noise"}
    assert set(check_device(Stepped(), rng=seed, skip=CHECKS.keys() - names)) == names


def test_only_what_a_device_promises_is_checked():
    assert set(check_device(tla.LangevinDevice())) == CHECKS.keys() - {"own noise"}
    assert set(check_device(tla.GeneralDevice())) == CHECKS.keys() - {*DRIVEN, "covariance", "autocovariance"}
    half = Without(tla.LangevinDevice(), "work")
    with pytest.raises(AssertionError, match="protocol: the program lacks work, although"):
        check_device(half, skip=CHECKS.keys() - {"protocol"})


class Off(Forwarding):
    """A device one of whose methods returns something else than it should."""

    def __init__(self, device, name, change):
        super().__init__(device)
        self.name, self.change = name, change

    def program(self, operator, *, rng=None):
        program = super().program(operator, rng=rng)
        method = getattr(program.inner, self.name)
        setattr(program, self.name, lambda *args, **options: self.change(method(*args, **options)))
        return program


def scaled(factor):
    return lambda means: means.mean() + factor * (means - means.mean())


WRONG = {
    "readings along: .*mean": ("readings_along", lambda means: 1.1 * means + 0.01),
    "readings along: .*variance": ("readings_along", scaled(1.5)),
    "work: forward work: mean": ("work", lambda done: (done[0] + 0.1, done[1])),
    "work: reverse work: mean": ("work", lambda done: (done[0], -done[1])),
    "work: forward work: variance": ("work", lambda done: (scaled(1.2)(done[0]), done[1])),
    "spectrum: a matrix of three": ("spectrum", lambda told: tla.devices.Spectrum(4, 0.4, 1.0, 0.7)),
    "spectrum: the spectrum ends at": ("spectrum", lambda told: tla.devices.Spectrum(3, 0.1, 1.0, 0.7)),
}


@pytest.mark.parametrize("evidence", WRONG)
def test_wrong_drives_fail_with_the_evidence(evidence):
    device = Off(tla.LangevinDevice(), *WRONG[evidence])
    with pytest.raises(AssertionError, match=evidence):
        check_device(device, skip=CHECKS.keys() - {evidence.partition(":")[0]})


@pytest.mark.parametrize(("name", "factor"), [("noise_covariance", 1.15), ("lagged_covariance", 0.85)])
def test_wrong_covariances_fail_with_the_evidence(name, factor):
    device = Off(tla.GeneralDevice(), name, lambda drawn: factor * drawn)
    with pytest.raises(AssertionError, match=f"own noise: {name} .*is off by up to|own noise: {name} is off"):
        check_device(device, skip=CHECKS.keys() - {"own noise"})
