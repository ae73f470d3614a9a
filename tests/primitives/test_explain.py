"""What `explain` says is what a call then does."""

import numpy as np
import pytest
from cases import path
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermolinalg.operators import Diagonal, LowRankPlusIdentity
from thermolinalg.operators.read import read_matrix
from thermolinalg.primitives._pricing import EngineReport
from thermolinalg.systems.routes import Router


def positive(d: int, seed: int = 0) -> np.ndarray:
    X = np.random.default_rng(seed).standard_normal((2 * d, d))
    return X.T @ X / (2 * d)


INPUTS = {
    "small": positive(20),
    "dense": positive(200),
    "sparse": path(500, 0.1),
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
    assert told.solve.reason == info.reason.removeprefix(told.why).removeprefix("; ")
    assert told.schedule == info.schedule
    assert told.rate == pytest.approx(1 / info.autocorrelation_time)


@pytest.mark.parametrize("name", INPUTS)
def test_the_text_names_everything(name):
    told = tla.explain(INPUTS[name])
    text = str(told)
    assert repr(told) == text
    assert max(map(len, text.splitlines())) <= 120
    parts = [told.structure, told.solve.name, told.solve.reason, told.trajectory.name, told.schedule.bound, "τ"]
    for part in parts if told.held == "definite" else [*parts, told.why, "on the device"]:
        assert part in text


def test_the_spectrum_is_that_of_the_matrix_on_the_device():
    A = positive(40)
    told = tla.explain(A)
    scaling = 2.0 ** np.round(-0.5 * np.log2(np.diag(A)))
    values = np.linalg.eigvalsh(scaling[:, None] * A * scaling)
    assert told.spectrum[1] / told.spectrum[0] == told.condition
    assert told.condition == pytest.approx(values[-1] / values[0])


def test_structure_size_and_symmetry():
    told = tla.explain(path(300, 0.1))
    assert (told.shape, told.structure, told.nonzeros, told.symmetric) == ((300, 300), "sparse", 898, True)
    told = tla.explain(INPUTS["not symmetric"])
    assert told.held == "embedded"
    assert not told.symmetric
    assert "[[αI, A], [−Aᵀ, αI]]: A is not symmetric" in str(told)
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


UNDERDAMPED = tla.LangevinDevice(law=tla.Underdamped())
DRIFT = np.array([[1.0, 5.0], [0.0, 2.0]])


@pytest.mark.parametrize(
    ("A", "options", "held", "words"),
    [
        (positive(20), {}, "definite", None),
        (-positive(20), {}, "negative", "−A: A is held as −A: its diagonal is negative"),
        (DRIFT, {"assume_a": "stable"}, "stable", "A as the drift itself: taken as a drift"),
        (DRIFT, {}, "embedded", "the skew embedding [[αI, A], [−Aᵀ, αI]]: A is not symmetric"),
        (np.diag([1.0, -2.0]), {}, "embedded", "A is symmetric but not definite"),
        (DRIFT, {"device": UNDERDAMPED}, "normal", "the normal operator AᵀA, loaded with Aᵀb: A is not symmetric"),
    ],
)
def test_how_the_device_holds_it_and_why(A, options, held, words):
    told = tla.explain(A, **options)
    assert told.held == held
    lines = [line for line in str(told).splitlines() if "on the device  " in line]
    assert lines == ([] if words is None else lines)
    assert words is None or words in str(told)
    _, info = tla.solve(A, np.ones(len(A)), rng=0, return_info=True, **options)
    assert told.solve.name == info.engine
    assert told.why in info.reason
    if told.spectrum is not None:
        assert told.condition == pytest.approx(info.condition)


@pytest.mark.parametrize(
    ("A", "engine"),
    [
        (positive(20), "dense eigendecomposition"),
        (positive(200), "factorised (Cholesky)"),
        (positive(30) + np.triu(np.ones((30, 30))), "singular value decomposition"),
        (np.random.default_rng(0).standard_normal((100, 100)), "LU"),
    ],
)
def test_windows_and_paths_are_priced_without_running(A, engine):
    """A program says what `choose` would choose, and what that declares."""
    prepared = Router(read_matrix(A), 0, None, np.random.default_rng(0)).hold()
    program, schedule = prepared.inverse.program, tla.Schedule(1e6, 1e7)
    window, path = program.price_window(schedule, 3), program.price_path(1.0, 50)
    assert engine in window.name
    assert window.cost.total(6) - window.cost.total(3) == pytest.approx(3 * window.cost.per_column)
    assert window.cost.total(3) > 0
    assert path.cost.total(50) > 0
    assert program.ledger.runs == 0
    load = np.ones((program.operator.shape[0], 3))
    program.average(load, schedule, rng=np.random.default_rng(0))
    assert program.describe() == {"engine": window.name, "reason": window.reason}
    if "LU" in engine:
        # A short step needs functions of every singular value: priced, and not yet computed.
        assert path.name == "singular value decomposition"


def test_entries_of_extreme_size_do_not_change_what_would_run():
    A = INPUTS["small"]
    told, tiny = tla.explain(A), tla.explain(1e-300 * A)
    assert tiny.solve == told.solve
    assert tiny.spectrum == pytest.approx(told.spectrum, rel=0.1)


@pytest.mark.parametrize(
    ("A", "error", "words"),
    [
        (np.diag([1.0, -1.0, 0.0]), np.linalg.LinAlgError, "singular"),
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
