"""Problems, cells, methods and cuts against exhaustion and their formulas."""

import math
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import aslinearoperator

from thermoapps.annealing import (
    AbsorbingRails,
    Bifurcation,
    Comparators,
    FiducciaMattheyses,
    GreedyDescent,
    Ising,
    ParallelTempering,
    bipartition,
    booked,
)
from thermoapps.annealing.tempering import _exchanged
from thermolinalg.simulation.nonlinear import Equation, simulate


def problem(n, seed, density=0.5):
    rng = np.random.default_rng(seed)
    J = np.triu(rng.standard_normal((n, n)) * (rng.random((n, n)) < density), 1)
    return Ising(J + J.T, rng.standard_normal(n) / 2)


def all_states(n):
    return 2.0 * ((np.arange(2**n)[None, :] >> np.arange(n)[:, None]) & 1) - 1


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array, sp.coo_matrix], ids=["dense", "csr", "coo"])
def test_energies_with_a_diagonal(kind):
    rng = np.random.default_rng(0)
    J = rng.standard_normal((6, 6))
    J, h, s = J + J.T, rng.standard_normal(6), all_states(6)
    expected = np.einsum("ik,ij,jk->k", s, J, s) / 2 + h @ s + 3
    found = Ising(kind(J), h, 3.0)
    np.testing.assert_allclose(found.energies(s), expected)
    assert found.couplings == 30


@given(st.integers(0, 10**6), st.sampled_from([1.0, 1e-200, 1e200]))
def test_scales_are_norms_of_rows(seed, unit):
    one = problem(5, seed)
    expected = np.sqrt(np.sum(one.J.toarray() ** 2, axis=1) + one.h**2)
    np.testing.assert_allclose(Ising(unit * one.J, unit * one.h).scales / unit, expected)


def test_scales_of_products_are_about_those_of_rows():
    one = problem(200, 1)
    other = Ising(aslinearoperator(one.J), one.h)
    np.testing.assert_allclose(other.scales, one.scales, rtol=0.5)
    assert (one.stored, other.stored, other.couplings) == (True, False, None)


@pytest.mark.parametrize("method", [Bifurcation(steps=400), ParallelTempering(steps=300)], ids=repr)
@pytest.mark.parametrize("kind", [lambda J: J, aslinearoperator], ids=["stored", "products"])
@pytest.mark.parametrize("seed", range(3))
def test_the_minimum_of_all_states_is_found(method, kind, seed):
    one = problem(12, seed)
    rng = np.random.default_rng(seed)
    spins = method.run(Ising(kind(one.J), one.h), rng.choice([-1.0, 1.0], (12, 30)), rng)
    assert one.energies(spins).min() == pytest.approx(one.energies(all_states(12)).min())


def test_currents_are_their_formula():
    one, x = problem(5, 2), np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    cells = Comparators.of(one, 0.5).held(0.25)
    expected = 0.5 * (one.J @ np.sign(x) + one.h[:, None]) / one.scales[:, None] + 0.25 * x
    np.testing.assert_allclose(cells.gradient(x), expected, rtol=1e-5, atol=1e-6)
    assert cells.gradient(x).dtype == np.float32


class Spring:
    """U = x²/2."""

    def gradient(self, x):
        return x


def test_free_cells_come_to_their_temperature():
    equation, rails = Equation(Spring(), temperature=0.5), AbsorbingRails(friction=0.5, every=2)
    x = simulate(equation, np.zeros((1, 20_000)), time=30.0, step=0.1, integrator=rails, rng=0).last
    assert np.var(x) == pytest.approx(0.5, rel=4.5 * math.sqrt(2 / 20_000) + 0.05)


def test_rails_take_the_momentum():
    class Push:
        def gradient(self, x):
            return -np.ones_like(x)

    equation, rails = Equation(Push(), temperature=0.0, lower=-1.0, upper=1.0), AbsorbingRails(friction=0.0)
    end = simulate(equation, np.zeros((1, 1)), time=5.0, step=0.1, integrator=rails, rng=0).checkpoint
    assert end.x == 1
    assert end.state.memory[0] == 0


def test_two_halves_of_an_annealing_are_one_bit_for_bit():
    cells = Comparators.of(problem(8, 3), 0.5)
    equation, rails = Equation(cells.held(0.5), 0.1, lower=-1.0, upper=1.0), AbsorbingRails()
    start = np.full((8, 3), 0.1, dtype=np.float32)
    whole = simulate(equation, start, time=15.0, readings=3, step=0.5, integrator=rails, rng=0)
    half = simulate(equation, start, time=5.0, step=0.5, integrator=rails, rng=0)
    rest = simulate(equation, pickle.loads(pickle.dumps(half.checkpoint)), time=10.0, readings=2, integrator=rails)
    np.testing.assert_array_equal(rest.x, whole.x[1:])


@given(st.integers(0, 10**6))
def test_descent_ends_where_no_flip_pays(seed):
    one = problem(9, seed)
    start = np.random.default_rng(seed).choice([-1.0, 1.0], (9, 4))
    end = GreedyDescent().run(one, start)
    assert np.all(one.energies(end) <= one.energies(start))
    assert np.all(end * (one.J @ end + one.h[:, None]) <= 1e-9)


@given(st.integers(0, 10**6), st.integers(2, 10))
def test_halves_are_equal_and_the_cut_is_counted(seed, n):
    rng = np.random.default_rng(seed)
    W = np.triu(rng.integers(0, 3, (n, n)), 1).astype(float)
    W = W + W.T
    found = bipartition(W, num_reads=20, method=Bifurcation(steps=200), rng=seed)
    states = all_states(n)
    states = states[:, np.abs(states.sum(axis=0)) <= n % 2]
    cuts = (W.sum() - np.sum(states * (W @ states), axis=0)) / 4
    assert found.imbalance == n % 2
    assert found.cut == pytest.approx(np.sum(W[np.ix_(found.side > 0, found.side < 0)]))
    assert found.cut <= cuts.mean() + 1e-9
    assert found.cut >= cuts.min() - 1e-9


def test_two_far_clusters_are_told_apart():
    rng = np.random.default_rng(0)
    side = rng.permutation(np.repeat([-1, 1], 100))
    same = side[:, None] == side[None, :]
    W = np.triu(rng.random((200, 200)) < np.where(same, 0.2, 0.01), 1).astype(float)
    found = bipartition(sp.csr_array(W + W.T), rng=0)
    assert abs(found.side @ side) == 200


def test_the_penalty_holds_the_balance_of_many_nodes():
    # On a ring with few chords, as many cells as stand on either side at random would be cut at half of the edges.
    n = 2000
    ring = sp.diags_array([np.ones(n - 1), np.ones(n - 1), [1.0], [1.0]], offsets=[1, -1, n - 1, 1 - n])
    seen = []

    class Watched(Bifurcation):
        def run(self, ising, start, rng):
            seen.append(super().run(ising, start, rng))
            return seen[-1]

    found = bipartition(ring, num_reads=2, method=Watched(steps=500), rng=0)
    assert np.all(np.abs(seen[0].sum(axis=0)) < 0.2 * n)
    assert found.cut < 0.1 * n


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("allowed", [0, 3])
def test_moves_of_single_nodes_keep_the_balance_and_never_cut_more(seed, allowed):
    rng = np.random.default_rng(seed)
    W = Ising(abs(problem(24, seed, 0.2).J)).J
    side = rng.permutation(np.repeat([-1.0, 1.0], 12))
    before = side.copy()
    found = FiducciaMattheyses().run(W, side, allowed)
    cut = [(W.sum() - s @ (W @ s)) / 4 for s in (side, found)]
    assert cut[1] < cut[0]
    assert abs(found.sum()) <= allowed
    np.testing.assert_array_equal(side, before)
    np.testing.assert_array_equal(FiducciaMattheyses().run(1e12 * W, side, allowed), found)
    for i, j in zip(*np.nonzero(found[:, None] > found[None, :]), strict=True):  # no swap of two is left that pays
        swapped = found.copy()
        swapped[[i, j]] *= -1
        assert (W.sum() - swapped @ (W @ swapped)) / 4 >= cut[1] - 1e-9


def test_a_polished_cut_is_that_of_its_halves():
    W = abs(problem(60, 1, 0.1).J)
    raw, polished = (bipartition(W, method=Bifurcation(steps=5), polish=p, rng=0) for p in (None, FiducciaMattheyses()))
    assert polished.cut < raw.cut
    assert polished.cut == pytest.approx((W.sum() - polished.side @ (W @ polished.side)) / 4)
    assert polished.imbalance == 0


@pytest.mark.parametrize(("cold", "hot", "share"), [(1.0, 0.5, 1.0), (0.5, 1.0, math.exp(-0.5 * (1 / 0.5 - 1)))])
def test_neighbours_change_places_by_the_rule_of_metropolis(cold, hot, share):
    k = 10_000
    U, ladder = np.repeat([cold, hot], k), np.repeat([0.5, 1.0], k)
    places = _exchanged(U, ladder, 2, np.random.default_rng(0))
    assert np.array_equal(np.sort(places), np.arange(2 * k))
    assert np.mean(places[:k] >= k) == pytest.approx(share, abs=4.5 * math.sqrt(share * (1 - share) / k))


def test_what_is_booked():
    ledger = booked(problem(5, 0), Bifurcation(steps=10, step=0.25), reads=4)
    assert (ledger.device_time, ledger.runs, ledger.programs) == (10.0, 4, 1)
    assert ledger.node_time == 50.0
    assert booked(problem(5, 0), ParallelTempering((0.1, 0.2, 0.4), steps=10, step=0.5), reads=2).device_time == 30.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Ising(np.ones((2, 3))), ValueError, "square"),
        (lambda: Ising([[0.0, 1.0], [0.0, 0.0]]), ValueError, r"\(J \+ J.T\) / 2"),
        (lambda: Ising(np.eye(2), [1.0]), ValueError, r"shape \(2,\)"),
        (lambda: Ising([[np.nan]]), ValueError, "finite"),
        (lambda: Ising(np.eye(2), offset=np.inf), ValueError, "finite"),
        (lambda: Bifurcation(steps=0), ValueError, "steps"),
        (lambda: Bifurcation(step=1.5), ValueError, "not stable"),
        (lambda: Bifurcation(gain=0.0), ValueError, "gain"),
        (lambda: Bifurcation(temperature=-1.0), ValueError, "temperature"),
        (lambda: Bifurcation(friction=-1.0), ValueError, "friction"),
        (lambda: Bifurcation(every=0), ValueError, "every"),
        (lambda: ParallelTempering((0.1,)), ValueError, "at least two"),
        (lambda: ParallelTempering((0.2, 0.1)), ValueError, "rise"),
        (lambda: ParallelTempering((0.1, np.inf)), ValueError, "rise"),
        (lambda: ParallelTempering(step=0.0), ValueError, "step must lie"),
        (lambda: ParallelTempering(step=1e30), ValueError, "step must lie"),
        (lambda: ParallelTempering(every=2.5), ValueError, "every must be a whole number"),
        (lambda: Bifurcation(steps=1.5), ValueError, "steps must be a whole number"),
        (lambda: Bifurcation(every=True), ValueError, "every must be a whole number"),
        (lambda: Ising(np.array([[0, 1j], [-1j, 0]])), TypeError, "real numbers"),
        (lambda: Ising(sp.csr_array(np.array([[0, 1j], [-1j, 0]]))), TypeError, "real numbers"),
        (lambda: Ising(np.eye(2), [1j, 0]), TypeError, "h must be real"),
        (lambda: Ising(np.ma.masked_equal(np.eye(2), 0.0)), TypeError, "masked"),
        (lambda: Ising(1.0), ValueError, "square"),
        (lambda: Ising([[0, 1e-20, 0], [0, 0, 0], [0, 0, 1e9]]), ValueError, "symmetric"),
        (lambda: Ising([[0.0, 1e308], [1e308, 0.0]]), ValueError, "larger unit"),
        (lambda: problem(2, 0).energies([1.0, -1.0]), ValueError, r"shape \(2, k\)"),
        (lambda: problem(2, 0).energies([[1.0], [0.0]]), ValueError, "±1"),
        (lambda: Bifurcation().run(problem(2, 0), np.ones((3, 1)), None), ValueError, r"shape \(2, k\)"),
        (lambda: ParallelTempering().run(problem(2, 0), np.ones(2), None), ValueError, r"shape \(2, k\)"),
        (lambda: GreedyDescent().run(problem(2, 0), np.ones(2)), ValueError, r"shape \(2, k\)"),
        (lambda: booked(problem(2, 0), Bifurcation(), -1), ValueError, "reads"),
        (lambda: bipartition(np.ones((2, 2)), num_reads=1.5), ValueError, "num_reads"),
        (lambda: FiducciaMattheyses(passes=0), ValueError, "passes"),
        (lambda: bipartition(np.ones((2, 2)), polish=FiducciaMattheyses), TypeError, "polish must be"),
        (lambda: bipartition(np.ones((2, 2)), method=3), TypeError, "method run"),
        (lambda: bipartition(aslinearoperator(np.eye(2))), TypeError, "stored"),
        (lambda: GreedyDescent().run(Ising(aslinearoperator(np.eye(2))), np.ones((2, 1))), TypeError, "stored"),
        (lambda: bipartition(-np.ones((2, 2))), ValueError, "negative"),
        (lambda: bipartition(np.ones((2, 2)), tolerance=1.0), ValueError, "tolerance"),
    ],
)
def test_bad_input_is_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_nothing_at_all():
    empty = Ising(np.zeros((0, 0)))
    assert bipartition(np.zeros((0, 0))).cut == 0
    assert empty.energies(np.zeros((0, 3))).tolist() == [0, 0, 0]
    for method in (Bifurcation(), ParallelTempering()):
        assert method.run(empty, np.zeros((0, 3)), None).shape == (0, 3)
        assert method.run(problem(2, 0), np.zeros((2, 0)), None).shape == (2, 0)


@pytest.mark.parametrize("unit", [1e-310, 1e-200, 1e200, 1e300])
def test_units_at_the_ends_of_the_range(unit):
    one = problem(6, 3)
    start = np.ones((6, 5))
    scaled = Ising(unit * one.J, unit * one.h)
    for method in (Bifurcation(steps=100), ParallelTempering(steps=100)):
        spins = method.run(one, start, np.random.default_rng(0))
        np.testing.assert_array_equal(method.run(scaled, start, np.random.default_rng(0)), spins)
    W = abs(one.J)
    assert bipartition(unit * W, rng=0).cut / unit == pytest.approx(bipartition(W, rng=0).cut)
