"""Long calls end within about a second of an interrupt."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from cases import grid
from helpers import relative_residual
from scipy.sparse.linalg import LinearOperator

import thermolinalg as tla

LONG = {
    "many drives": "tla.slogdet([[2.0, 1.0], [1.0, 2.0]], atol=1e-6, method='work', max_readings=10**8)",
    "long drives": "tla.slogdet(np.diag(np.geomspace(1e-12, 1, 40)), atol=1e-3, method='work', max_readings=10**7)",
    "readings by products": "tla.slogdet(Products(4000), atol=1e-6, max_readings=10**7)",
}

PREAMBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background starts with it ignored
import numpy as np
from scipy.sparse.linalg import LinearOperator
import thermolinalg as tla
def Products(d):
    scale = np.linspace(1, 2, 2 * d)[:, None]
    return LinearOperator((2 * d, 2 * d), matvec=lambda x: scale[:, 0] * x.ravel(), matmat=lambda x: scale * x,
                          rmatvec=lambda x: scale[:, 0] * x.ravel(), dtype=float)
print("ready", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT for one process")
@pytest.mark.parametrize(
    "call", [pytest.param(call, marks=[pytest.mark.slow] * (call != "long drives")) for call in LONG]
)
def test_an_interrupt_is_obeyed(call):
    code = PREAMBLE + LONG[call]
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(0.7)
        assert process.poll() is None, "the call is not long enough"
        process.send_signal(signal.SIGINT)
        begun = time.monotonic()
        _, errors = process.communicate(timeout=20)
        assert time.monotonic() - begun < 2.0  # the interpreter's end included
    assert b"KeyboardInterrupt" in errors


class Interrupted(LinearOperator):
    """A map whose user loses patience in one of its products."""

    def __init__(self, matrix):
        super().__init__(matrix.dtype, matrix.shape)
        self.matrix, self.taken, self.last = matrix, 0, -1

    def _matmat(self, x):
        self.taken += 1
        if self.taken == self.last:
            raise KeyboardInterrupt
        return self.matrix @ x

    def _adjoint(self):
        return self


@pytest.mark.parametrize("side", [pytest.param(12, marks=pytest.mark.slow), 66])
def test_an_interrupted_device_answers_as_if_nothing_had_been(side):
    matrix = grid(side, 0.1)
    b = np.ones(matrix.shape[0])
    A = Interrupted(matrix)
    device = tla.program(A, assume_a="pos", rng=0)
    before = A.taken
    device.solve(b)
    for last in np.linspace(before + 1, A.taken, 8).astype(int):
        A = Interrupted(matrix)
        device = tla.program(A, assume_a="pos", rng=0)
        A.last = int(last)
        with pytest.raises(KeyboardInterrupt):
            device.solve(b)
        x, info = device.solve(b, return_info=True)
        assert info.success
        assert relative_residual(matrix, x, b) <= 1.01e-10


FRESH = {
    "solve": lambda A, b: tla.solve(A, b, assume_a="pos", rng=0),
    "langevin": lambda A, b: tla.langevin(A, b, assume_a="pos", rng=0)[0],
    "sample": lambda A, b: tla.sample(A, 3, assume_a="pos", rng=0),
    "inv_diagonal": lambda A, b: tla.inv_diagonal(A, rtol=0.3, assume_a="pos", rng=0),
    "slogdet": lambda A, b: tla.slogdet(A, atol=3.0, max_readings=500, assume_a="pos", rng=0).logabsdet,
    "expm_multiply": lambda A, b: tla.expm_multiply(-A, b, rtol=0.5, rng=0),
}


@pytest.mark.parametrize("name", FRESH)
def test_an_interrupt_in_a_product_leaves_the_next_call_alone(name):
    call, matrix = FRESH[name], grid(34, 1.0)
    b = np.ones(matrix.shape[0])
    A = Interrupted(matrix)
    expected = call(A, b)
    for last in np.linspace(1, A.taken, 4).astype(int):
        A = Interrupted(matrix)
        A.last = int(last)
        with pytest.raises(KeyboardInterrupt):
            call(A, b)
        np.testing.assert_array_equal(call(A, b), expected)
