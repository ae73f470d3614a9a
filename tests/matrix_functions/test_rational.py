"""Sums of shifted inverses: as exact as the noise of a law asks for, whatever the condition number."""

import numpy as np
import pytest
import scipy.sparse
from cases import grid
from helpers import close

from thermolinalg.laws import EulerMaruyama, Overdamped, Underdamped
from thermolinalg.matrix_functions import _fill
from thermolinalg.matrix_functions._fill import SparsePrice, estimated_entries
from thermolinalg.matrix_functions._partial_fractions import partial_fractions
from thermolinalg.matrix_functions.rational import RationalEngine
from thermolinalg.matrix_functions.select import Engines
from thermolinalg.matrix_functions.sparse_factor import SuperLDL, symmetric_lu
from thermolinalg.operators import Sparse

LAW = Overdamped()
LAWS = {
    "state": lambda condition: (LAW.stationary(), ("state",)),
    "soon": lambda condition: (LAW.step(1e-2 * condition), ("state",)),
    "after a relaxation time": lambda condition: (LAW.step(condition), ("state",)),
    "average and end": lambda condition: (LAW.window(0.1 * condition, condition), ("average", "state")),
    "readings": lambda condition: (LAW.window(0.1 * condition, condition, 10), ("average",)),
    "underdamped": lambda condition: (Underdamped().step(condition**0.5), ("state",)),
    "time steps": lambda condition: (EulerMaruyama(step_size=0.01).step(condition), ("state",)),
    "no noise": lambda condition: (Overdamped(temperature=0.0).step(condition), ("state",)),
}


def sizes_of(law, load=10.0):
    return np.array([1.0 if name.startswith("z") else load for name in law.inputs])


@pytest.mark.parametrize("share", [0.1, 1e-3])
@pytest.mark.parametrize("condition", [1.5, 1e2, 1e5, 1e8])
@pytest.mark.parametrize("name", LAWS)
def test_every_mode_errs_by_a_share_of_its_noise(name, condition, share):
    law, outputs = LAWS[name](condition)
    found = partial_fractions(law, outputs, (1 / condition, 1.0), sizes_of(law), share=share)
    lam = np.random.default_rng(0).uniform(-np.log(condition), 0, 300)
    lam = np.exp(lam)
    rows = [law.functions(lam)[law.outputs.index(output)] for output in outputs]
    exact = np.array([[0 * lam if f is None else f for f in row] for row in rows])
    normal = np.array([name.startswith("z") for name in law.inputs])
    noise = np.sqrt((exact[:, normal] ** 2).sum(axis=1, keepdims=True))
    allowed = share * noise / sizes_of(law)[:, None] if noise.any() else 1e-10 * exact.max(axis=-1, keepdims=True)
    assert (abs(found(lam) - exact) <= 1.01 * allowed).all()
    assert len(found.poles) <= 5 + 2 * np.log10(condition)
    real = found.poles[found.poles.imag == 0].real
    assert ((real < 1 / condition) | (real > 1.0)).all()


def test_more_than_double_precision_allows_is_not_promised():
    assert partial_fractions(LAW.stationary(), ("state",), (1e-14, 1.0), sizes_of(LAW.stationary()), share=1e-6) is None
    assert partial_fractions(LAW.stationary(), ("state",), (0.0, 1.0), sizes_of(LAW.stationary()), share=1e-3) is None


def ill(condition, side=12):
    """A grid without walls, scaled, and its exact eigenvalues and vectors."""
    line = np.diag(np.r_[1.0, np.full(side - 2, 2.0), 1.0]) - np.eye(side, k=1) - np.eye(side, k=-1)
    A = np.kron(line, np.eye(side)) + np.kron(np.eye(side), line) + 8 / condition * np.eye(side**2)
    return scipy.sparse.csr_array(A), *np.linalg.eigh(A)


def applied(lam, q, law, inputs, output):
    row = law.functions(lam)[law.outputs.index(output)]
    return q @ sum(f[:, None] * (q.T @ v) for f, v in zip(row, inputs, strict=True) if f is not None and v is not None)


@pytest.mark.parametrize("condition", [1e3, 1e7])
@pytest.mark.parametrize("name", LAWS)
def test_runs_are_those_of_the_spectrum(name, condition):
    A, lam, q = ill(condition)
    lam = np.maximum(lam, 8 / condition)
    law, outputs = LAWS[name](condition / 8)
    engine, rng = RationalEngine(Sparse(A), (lam[0], lam[-1]), share=1e-3), np.random.default_rng(0)
    inputs = [rng.standard_normal((len(lam), 1 if name == "b" else 3)) for name in law.inputs]
    for output, found in zip(outputs, engine.apply(law, inputs, outputs), strict=True):
        exact = applied(lam, q, law, inputs, output)
        noise = [
            f
            for f, z in zip(law.functions(lam)[law.outputs.index(output)], law.inputs, strict=True)
            if z.startswith("z") and f is not None
        ]
        size = np.sqrt(sum(f**2 for f in noise))[:, None] if name != "no noise" else 1e-5 * abs(exact).max()
        assert found.shape == exact.shape
        assert (abs(q.T @ (found - exact)) <= 5e-3 * size + 1e-7 * abs(exact).max()).all()
    if name != "no noise":
        for output, mean in zip(
            outputs,
            engine.apply(
                law, [None if n.startswith("z") else v for n, v in zip(law.inputs, inputs, strict=True)], outputs
            ),
            strict=True,
        ):
            loads = [None if n.startswith("z") else v for n, v in zip(law.inputs, inputs, strict=True)]
            assert close(mean, applied(lam, q, law, loads, output), 1e-6)


def test_factors_are_made_once_and_priced_so():
    A, lam, _ = ill(1e6)
    engine, law, z = RationalEngine(Sparse(A), (lam[0], lam[-1])), LAW.step(1e5), np.ones((144, 2))
    before = engine.cost(law, ("state",), 2)
    engine.apply(law, [None, z, z], ("state",))
    kept = dict(engine._factors)
    again = engine.cost(law, ("state",), 2)
    assert before.products == again.products == len(kept)
    assert before.setup > again.setup == 0.0
    assert before.per_column == again.per_column > 0
    engine.apply(law, [z, 1e-3 * z, z], ("state",))
    assert engine._factors == kept
    for time in (1e4, 2e4, 3e4):
        engine.apply(LAW.step(time), [None, z, z], ("state",))
    assert not set(kept) & set(engine._factors)


def test_single_precision_and_nothing_at_all():
    A, lam, q = ill(1e3)
    engine = RationalEngine(Sparse(A.astype(np.float32)), (lam[0], lam[-1]))
    z = np.ones((144, 1), dtype=np.float32)
    (state,) = engine.apply(LAW.step(10.0), [z, None, None], ("state",))
    assert state.dtype == np.float32
    assert close(state, applied(lam, q, LAW.step(10.0), [z, None, None], "state"), 1e-5)
    (nothing,) = engine.apply(LAW.step(10.0), [None, None, None], ("state",))
    assert not nothing.any()


def test_what_it_cannot_do_is_refused():
    A, lam, _ = ill(1e6)
    engine, z = RationalEngine(Sparse(A), (1e-15, lam[-1])), np.ones((144, 1))
    assert not engine.supports(LAW.stationary())
    with pytest.raises(np.linalg.LinAlgError, match=r"no sum of shifted inverses .* too ill-conditioned"):
        engine.apply(LAW.stationary(), [None, z, z], ("state",))


# -- where it is chosen -----------------------------------------------------------------------------------------------


def soft_grid(side, condition):
    return Sparse(ill(condition, side)[0])


def test_ill_conditioned_sparse_matrices_have_it_for_runs_of_any_length():
    engines, law = Engines(soft_grid(30, 1e7)), LAW.step(1e6)
    price, choice = engines.price(law, ("state",)), engines.choose(law, ("state",))
    assert choice.engine.name == price.name == "rational"
    assert price.cost == choice.cost
    assert "shifted factors" in choice.reason
    assert choice.engine is engines.choose(LAW.step(1e5), ("state",)).engine


def test_runs_in_equilibrium_need_no_shifts():
    assert "LDLᵀ" in Engines(soft_grid(30, 1e7)).choose(LAW.window(1e9, 1e10), ("average",)).engine.name


def test_products_that_were_paid_for_count():
    engines, law, z = Engines(soft_grid(30, 1e6)), LAW.step(100.0), np.ones((900, 1))
    names = []
    for _ in range(200):
        engine = engines.choose(law, ("state",)).engine
        names.append(engine.name)
        engine.apply(law, [None, z, z], ("state",))
    assert names[0] == "chebyshev"
    assert names[-1] == "rational"


# -- what a factor costs ----------------------------------------------------------------------------------------------


def hubs(d=1500):
    rng = np.random.default_rng(0)
    new = np.repeat(np.arange(1, d), 3)
    old = np.minimum((rng.random(len(new)) ** 2 * new).astype(int), new - 1)
    links = scipy.sparse.coo_array((np.ones(len(new)), (new, old)), (d, d)).tocsr()
    links = links + links.T
    return scipy.sparse.csr_array(scipy.sparse.diags_array(links.sum(axis=1) + 0.1) - links)


def cube(side=14):
    one = grid(side, 0.1)
    line = scipy.sparse.diags_array([-np.ones(side - 1), 2 * np.ones(side), -np.ones(side - 1)], offsets=[-1, 0, 1])
    eye = scipy.sparse.eye_array(side)
    return scipy.sparse.csr_array(
        scipy.sparse.kron(one, eye) + scipy.sparse.kron(scipy.sparse.eye_array(side**2), line)
    )


GRAPHS = {
    "plane": lambda: grid(50, 0.1),
    "cube": cube,
    "path": lambda: scipy.sparse.csr_array(
        scipy.sparse.diags_array([-np.ones(999), np.full(1000, 2.1), -np.ones(999)], offsets=[-1, 0, 1])
    ),
    "hubs": hubs,
    "two grids and loose ends": lambda: scipy.sparse.csr_array(
        scipy.sparse.block_diag([scipy.sparse.eye_array(50), grid(30, 0.1), grid(30, 0.1)])
    ),
    "no couplings": lambda: scipy.sparse.csr_array(scipy.sparse.eye_array(40)),
}


@pytest.mark.parametrize("name", GRAPHS)
def test_the_fill_is_estimated_within_a_factor(name):
    A = GRAPHS[name]()
    assert 0.3 < estimated_entries(A) / SuperLDL(Sparse(A)).entries < 4


def test_nothing_is_estimated_for_few_products():
    price = SparsePrice(grid(50, 0.1))
    assert price.exceeds(1e3)
    assert "entries" not in vars(price)
    assert not price.exceeds(1e12)
    assert price.cost.setup > 10 * price.cost.per_column


def test_an_estimate_factors_small_parts_only(monkeypatch):
    sizes = []
    monkeypatch.setattr(_fill, "MOST", 500)
    monkeypatch.setattr(_fill, "symmetric_lu", lambda A: (sizes.append(A.shape[0]), symmetric_lu(A))[1])
    A = grid(100, 0.1)
    assert 0.3 < estimated_entries(A) / SuperLDL(Sparse(A)).entries < 4
    assert sizes == [125, 500]
