"""A device in another process: it conforms, and neither a hang nor a death over there costs an answer."""

import os
import pickle
import signal
import time

import numpy as np
import pytest

import thermolinalg as tla
from thermolinalg.devices import GeneralDevice, LangevinDevice, Ledger, RemoteDevice
from thermolinalg.operators import Dense
from thermolinalg.testing import check_device

A = np.array([[4.0, 1.0], [1.0, 3.0]])
B = np.array([1.0, 2.0])
X = np.linalg.solve(A, B)


class Slow(LangevinDevice):
    """A driver that hangs once, at its first average after a file is there."""

    def __init__(self, flag):
        super().__init__()
        object.__setattr__(self, "flag", flag)

    def program(self, operator, *, rng=None):
        return Slowly(super().program(operator, rng=rng), self.flag)


class Slowly:
    def __init__(self, program, flag):
        self.program, self.flag = program, flag

    def __getattr__(self, name):
        if name.startswith("__") or "program" not in vars(self):
            raise AttributeError(name)
        if name == "average" and os.path.exists(self.flag):
            os.remove(self.flag)
            time.sleep(60)
        return getattr(self.program, name)


class Fatal:
    """A driver that takes its process down."""

    def program(self, operator, *, rng=None):
        self.ledger = Ledger(programs=1)
        return self

    def rate(self):
        os._exit(3)


class Unfit:
    """What cannot be made over there."""

    def program(self, operator, *, rng=None):
        raise np.linalg.LinAlgError("A is singular; pass another one")


@pytest.fixture(scope="module")
def remote():
    with RemoteDevice(LangevinDevice()) as device:
        yield device


@pytest.mark.slow
def test_it_conforms(remote):
    assert set(check_device(remote)) == set(check_device(LangevinDevice()))


@pytest.mark.slow
def test_general_devices_too():
    with RemoteDevice(GeneralDevice) as device:
        solution = tla.solve_continuous_lyapunov(A, np.eye(2), device=device, rng=0)
    np.testing.assert_allclose(A @ solution + solution @ A.T, np.eye(2), atol=1e-8)


@pytest.mark.parametrize(
    ("call", "exact", "tolerance"),
    [
        (lambda device: tla.solve(A, B, device=device, rng=0), X, 1e-9),
        (lambda device: tla.inv(A, device=device, rng=0), np.linalg.inv(A), 1e-9),
        (lambda device: tla.slogdet(A, device=device, rng=0).logabsdet, np.log(np.linalg.det(A)), 0.05),
        (lambda device: tla.inv_diagonal(A, device=device, rng=0), np.diag(np.linalg.inv(A)), 0.05),
    ],
    ids=["solve", "inv", "slogdet", "inv_diagonal"],
)
def test_answers(remote, call, exact, tolerance):
    np.testing.assert_allclose(call(remote), exact, rtol=tolerance)


@pytest.mark.slow
def test_a_device_that_dies_costs_a_rewrite_and_no_answer(remote):
    prepared = tla.program(A, device=remote, rng=0)
    first = prepared.solve(B)
    starts, written = remote.starts, prepared.ledger.programs
    os.kill(remote._process.pid, signal.SIGKILL)
    second, info = prepared.solve(B, return_info=True)
    np.testing.assert_allclose([first, second], [X, X], rtol=1e-9)
    assert info.success
    assert remote.starts == starts + 1
    assert prepared.ledger.programs == written + 1


@pytest.mark.slow
def test_a_device_that_hangs_is_started_again(tmp_path):
    flag = tmp_path / "hang"
    with RemoteDevice(Slow(str(flag)), timeout=30.0) as device:
        prepared = tla.program(A, device=device, rng=0)
        prepared.solve(B)
        device.timeout = 1.0
        flag.touch()
        x, info = prepared.solve(B, return_info=True)
        assert device.starts == 2
    np.testing.assert_allclose(x, X, rtol=1e-9)
    assert "no answer in 1 s" in " ".join(info.failures)


@pytest.mark.slow
def test_a_device_that_always_dies_is_given_up():
    with RemoteDevice(Fatal) as device:
        program = device.program(Dense(A))
        with pytest.raises(ConnectionError, match=r"process is gone \(exit code 3\)"):
            program.rate()
        assert device.starts == 2


def test_an_error_over_there_is_the_same_here(remote):
    with pytest.raises(np.linalg.LinAlgError):
        remote.program(Dense(np.ones((2, 2)))).rate()
    with RemoteDevice(Unfit) as device, pytest.raises(np.linalg.LinAlgError, match="A is singular"):
        device.program(Dense(A))


def test_an_answer_left_unread_is_not_taken_for_the_next(remote):
    program = remote.program(Dense(A))
    remote._asked += 1  # as an interrupt between question and answer leaves it
    remote._connection.send((remote._asked, ("call", program._number, "describe", (), {}, None)))
    assert program.rate() == pytest.approx(LangevinDevice().program(Dense(A)).rate())


def test_what_the_device_has_not_is_not_there(remote):
    program = remote.program(Dense(A))
    assert not hasattr(program, "noise_covariance") or hasattr(LangevinDevice().program(Dense(A)), "noise_covariance")
    assert not hasattr(program, "temperature_of_the_room")


@pytest.mark.slow
def test_it_pickles(remote):
    with pickle.loads(pickle.dumps(remote)) as copy:
        np.testing.assert_allclose(tla.solve(A, B, device=copy, rng=0), X, rtol=1e-9)
    prepared = pickle.loads(pickle.dumps(tla.program(A, device=remote, rng=0)))
    np.testing.assert_allclose(prepared.solve(B), X, rtol=1e-9)


@pytest.mark.parametrize("timeout", [0.0, -1.0, np.nan])
def test_bad_timeouts_are_refused(timeout):
    with pytest.raises(ValueError, match="timeout"):
        RemoteDevice(LangevinDevice(), timeout=timeout)
