"""Large Gram matrices: polynomials in a shifted inverse beside the eigendecomposition."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import relative_error

from thermolinalg.laws import EulerMaruyama, Overdamped
from thermolinalg.matrix_functions.low_rank import LowRankEngine
from thermolinalg.operators import LowRankPlusIdentity

ROWS, COLUMNS = 300, 500


def problem(seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    R = rng.standard_normal((ROWS, COLUMNS)) * np.geomspace(1.0, 1e-2, ROWS)[:, None]
    return R.astype(dtype), [rng.standard_normal((COLUMNS, 2)).astype(dtype) for _ in range(3)]


def decomposed(R, shift):
    operator = LowRankPlusIdentity(R, shift)
    operator.factor.spectrum  # noqa: B018
    return LowRankEngine(operator)


@pytest.mark.parametrize("shift", [0.0, 1e-3, 1.0])
@pytest.mark.parametrize("t", [1e-3, 0.1, 1.0, 50.0, 1e3])
def test_same_numbers_as_the_modes(t, shift):
    R, inputs = problem()
    law = Overdamped(temperature=0.0).step(t)
    engine = LowRankEngine(LowRankPlusIdentity(R, shift))
    (actual,) = engine.apply(law, inputs, ["state"])
    assert engine.operator.factor.is_decomposed == (shift == 1.0 and t == 50.0)  # there the modes are cheaper
    (expected,) = decomposed(R, shift).apply(law, inputs, ["state"])
    assert relative_error(actual, expected) < 1e-9


@pytest.mark.parametrize("law", [Overdamped(0.3).step(0.1), Overdamped(0.3).window(0.5, 3.0, 4)])
def test_noise_and_windows(law):
    R, inputs = problem()
    inputs = inputs if len(law.inputs) == 3 else [*inputs, inputs[0][:, ::-1]]
    actual = LowRankEngine(LowRankPlusIdentity(R, 0.01)).apply(law, inputs, law.outputs)
    expected = decomposed(R, 0.01).apply(law, inputs, law.outputs)
    for x, y in zip(actual, expected, strict=True):
        assert relative_error(x, y) < 1e-9


@pytest.mark.parametrize("decompose", [False, True])
@pytest.mark.parametrize("shift", [1e-2, 1e-5])
def test_single_precision_keeps_its_digits(shift, decompose):
    """Modes far below eps · ‖A‖ count where the shift is that small and the run that long."""
    R, inputs = problem(dtype=np.float32)
    law = Overdamped(temperature=0.0).step(100.0)
    (expected,) = decomposed(R.astype(np.float64), shift).apply(law, [v.astype(np.float64) for v in inputs], ["state"])
    engine = decomposed(R, shift) if decompose else LowRankEngine(LowRankPlusIdentity(R, shift))
    (actual,) = engine.apply(law, inputs, ["state"])
    assert actual.dtype == np.float32
    assert relative_error(actual.astype(np.float64), expected) < 5e-6


def test_torch_takes_the_same_way():
    torch = pytest.importorskip("torch")
    R, inputs = problem()
    law = Overdamped(temperature=0.0).step(2.0)
    (expected,) = LowRankEngine(LowRankPlusIdentity(R, 0.1)).apply(law, inputs, ["state"])
    engine = LowRankEngine(LowRankPlusIdentity(torch.as_tensor(R), 0.1))
    (actual,) = engine.apply(law, [torch.as_tensor(v) for v in inputs], ["state"])
    assert not engine.operator.factor.is_decomposed
    assert relative_error(actual.numpy(), expected) < 1e-12


def test_many_runs_decompose_in_the_end():
    R, inputs = problem()
    engine, law = LowRankEngine(LowRankPlusIdentity(R, 0.1)), Overdamped(0.0).step(2.0)
    results = [engine.apply(law, inputs, ["state"])[0] for _ in range(8)]
    assert engine.operator.factor.is_decomposed
    assert relative_error(results[-1], results[0]) < 1e-10


def test_laws_that_do_not_hold_beyond_the_spectrum_are_decomposed():
    R, inputs = problem()
    largest = float(np.linalg.norm(R, 2)) ** 2
    law = EulerMaruyama(step_size=1.9 / largest, temperature=0.0).step(20 / largest)
    engine = LowRankEngine(LowRankPlusIdentity(R, 0.0))
    (actual,) = engine.apply(law, inputs, ["state"])
    (expected,) = decomposed(R, 0.0).apply(law, inputs, ["state"])
    assert relative_error(actual, expected) < 1e-12


def test_inputs_without_effect_are_not_multiplied():
    class Counted:
        shape = (3, 5)
        columns = 0

        def apply(self, block):
            self.columns += block.shape[1]
            return np.ones((3, 5)) @ block

        def apply_transposed(self, block):
            return np.ones((5, 3)) @ block

        def gram(self):
            return np.full((3, 3), 5.0)

    rows = Counted()
    LowRankEngine(LowRankPlusIdentity(rows, 0.1)).apply(Overdamped(0.0).step(1.0), [np.ones((5, 1))] * 3, ["state"])
    assert rows.columns == 2
