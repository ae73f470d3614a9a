from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped

torch = pytest.importorskip("torch")

LAWS = {
    "overdamped": Overdamped(0.5),
    "underdamped": Underdamped(0.5, 2.0, 0.3),
    "euler-maruyama": EulerMaruyama(0.1, 0.5),
}
RUNS = {
    "step": lambda law: law.step(0.7),
    "continuous": lambda law: law.window(0.3, 2.0),
    "readings": lambda law: law.window(0.3, 2.0, 10),
    "one reading": lambda law: law.window(0.3, 2.0, 1),
}


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("name", LAWS)
def test_torch_gives_the_numbers_of_numpy(name, run):
    law = RUNS[run](LAWS[name])
    lam = np.array([0.0, 1e-9, 0.0112, 0.5, 11.0])
    expected, got = law.functions(lam), law.functions(torch.as_tensor(lam))
    for row, other in zip(expected, got, strict=True):
        for f, g in zip(row, other, strict=True):
            assert (f is None) == (g is None)
            if f is not None:
                assert isinstance(g, torch.Tensor)
                assert g.dtype == torch.float64
                assert_allclose(g.numpy(), f, rtol=1e-12, atol=1e-15)


def test_input_is_left_alone():
    lam = np.array([0.0, 0.5, 3.0])
    lam.setflags(write=False)
    for law in LAWS.values():
        for run in RUNS.values():
            run(law).functions(lam)
