"""Long calls end within about a second of an interrupt."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

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
@pytest.mark.parametrize("call", LONG)
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
