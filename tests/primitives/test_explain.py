"""What `explain` says is what a call then does."""

import numpy as np
import pytest
import scipy.sparse
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermolinalg.operators import Diagonal, LowRankPlusIdentity
from thermolinalg.primitives.explain import EngineReport


def positive(d: int, seed: int = 0) -> np.ndarray:
    X = np.random.default_rng(seed).standard_normal((2 * d, d))
    return X.T @ X / (2 * d)


def laplacian(d: int) -> scipy.sparse.csr_array:
    return scipy.sparse.csr_array(scipy.sparse.diags_array([-1.0, 2.1, -1.0], offsets=[-1, 0, 1], shape=(d, d)))


INPUTS = {
    "small": positive(20),
    "dense": positive(200),
    "sparse": laplacian(500),
    "matrix-free": aslinearoperator(positive(200)),
    "low rank": LowRankPlusIdentity(np.random.default_rng(1).standard_normal((5, 400)), 1.0),
    "diagonal": Diagonal(np.linspace(1, 2, 50)),
    "not symmetric": positive(30) + np.triu(np.ones((30, 30))),
    "complex": positive(30) + 0.01j * (np.tri(30) - np.tri(30).T),
}


@pytest.mark.parametrize("name", INPUTS)
def test_the_engine_and_the_timetable_are_those_of_the_first_run(name):
    A = INPUTS[name]
    b = np.random.default_rng(5).standard_normal(A.shape[0])
    told = tla.explain(A, b, device=tla.LangevinDevice())
    _, info = tla.solve(A, b, rng=0, return_info=True, maxiter=1, rtol=0.9)
    assert told.solve.name == info.engine
    assert told.solve.reason == info.reason
    assert told.schedule == info.schedule
    assert told.rate == pytest.approx(1 / info.autocorrelation_time)


@pytest.mark.parametrize("name", INPUTS)
def test_the_text_names_everything(name):
    told = tla.explain(INPUTS[name])
    text = str(told)
    assert repr(told) == text
    assert max(map(len, text.splitlines())) <= 120
    for part in (told.structure, told.solve.name, told.solve.reason, told.trajectory.name, told.schedule.bound, "τ"):
        assert part in text


def test_the_spectrum_is_that_of_the_matrix_on_the_device():
    A = positive(40)
    told = tla.explain(A)
    scaling = 2.0 ** np.round(-0.5 * np.log2(np.diag(A)))
    values = np.linalg.eigvalsh(scaling[:, None] * A * scaling)
    assert told.spectrum[1] / told.spectrum[0] == told.condition
    assert told.condition == pytest.approx(values[-1] / values[0])


def test_structure_size_and_symmetry():
    told = tla.explain(laplacian(300))
    assert (told.shape, told.structure, told.nonzeros, told.symmetric) == ((300, 300), "sparse", 898, True)
    told = tla.explain(INPUTS["not symmetric"])
    assert told.through_normal_operator
    assert not told.symmetric
    assert "AᵀA" in str(told)
    assert tla.explain(INPUTS["complex"]).dtype == "complex128"
    assert tla.explain(np.eye(3, dtype=np.float32)).dtype == "float32"


def test_nothing_is_decomposed_for_a_trajectory_that_nobody_asked_for(monkeypatch):
    from thermolinalg.matrix_functions import select

    def refuse(operator):
        raise AssertionError("an eigendecomposition was computed")

    monkeypatch.setattr(select.DenseEngine, "__init__", lambda self, operator: refuse(operator))
    told = tla.explain(INPUTS["dense"])
    assert told.trajectory.name == "dense eigendecomposition"
    assert told.trajectory.flops >= 9 * 200**3


def test_a_device_that_only_keeps_the_protocol_is_explained_in_its_own_words():
    class Program:
        def __init__(self, operator):
            self.inner = tla.LangevinDevice().program(operator)

        def rate(self):
            return self.inner.rate()

        def timetable(self, b, relative):
            return self.inner.timetable(b, relative)

        def describe(self):
            return {"engine": "a real device", "reason": "it is at hand"}

    class Hardware:
        def program(self, operator, *, rng=None):
            return Program(operator)

    told = tla.explain(INPUTS["small"], device=Hardware())
    assert told.solve == EngineReport("a real device", "it is at hand")
    assert told.trajectory is None
    assert told.spectrum is None
    assert "because it is at hand" in str(told)


def test_the_drift_itself_or_the_normal_operator():
    M = np.array([[1.0, 5.0], [0.0, 2.0]])
    told, through = tla.explain(M, assume_a="stable"), tla.explain(M)
    assert (told.through_normal_operator, through.through_normal_operator) == (False, True)
    _, info = tla.solve(M, np.ones(2), assume_a="stable", rng=0, return_info=True)
    assert told.solve.name == info.engine
    indefinite = np.diag([1.0, -2.0])
    assert tla.explain(indefinite, assume_a="sym").through_normal_operator


def test_entries_of_extreme_size_do_not_change_what_would_run():
    A = INPUTS["small"]
    told, tiny = tla.explain(A), tla.explain(1e-300 * A)
    assert tiny.solve == told.solve
    assert tiny.spectrum == pytest.approx(told.spectrum, rel=0.1)


@pytest.mark.parametrize(
    ("A", "error", "words"),
    [
        (np.diag([1.0, -1.0]), np.linalg.LinAlgError, "positive"),
        (np.ones((2, 2)), np.linalg.LinAlgError, "singular"),
        (np.full((2, 2), np.nan), ValueError, "NaN"),
        (np.ones((2, 3)), ValueError, "square"),
        (np.ones((0, 0)), ValueError, "empty"),
        (np.array([[1, None], [None, 1]]), TypeError, "dtype"),
    ],
)
def test_bad_input_is_refused_with_the_evidence(A, error, words):
    with pytest.raises(error, match=words):
        tla.explain(A)


def test_a_right_hand_side_that_does_not_fit():
    with pytest.raises(ValueError, match="rows"):
        tla.explain(np.eye(3), np.ones(4))
