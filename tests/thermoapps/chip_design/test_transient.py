"""Grids in time beside SciPy's dense exponential, fine implicit steps and arithmetic of 50 digits."""

import mpmath
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from hypothesis import strategies as st

from thermoapps.chip_design import Element, Netlist, Waveform, solve_transient

STEP = Waveform("pwl", (0.0, 0.0, 1e-15, 1.0))


def element(name, plus, minus, value, course=None):
    return Element(name, plus, minus, value, 1, course)


def nodal_analysis(netlist):
    """Conductances, capacitances and loads(t) of all node voltages and source currents; nothing is eliminated."""
    names = ["0", *netlist.nodes()]
    at, n, sources = {name: k for k, name in enumerate(names)}, len(names), netlist.voltage_sources
    G, C = np.zeros((2, n + len(sources), n + len(sources)))
    for matrix, elements in (
        (G, [(r, 1 / r.value) for r in netlist.resistors]),
        (C, [(c, c.value) for c in netlist.capacitors]),
    ):
        for each, value in elements:
            ends = [at[each.plus], at[each.minus]]
            matrix[np.ix_(ends, ends)] += value * np.array([[1, -1], [-1, 1]])
    for k, v in enumerate(sources, start=n):
        for end, sign in ((at[v.plus], 1), (at[v.minus], -1)):
            G[k, end] += sign
            G[end, k] += sign

    def loads(t):
        right, now = np.zeros(len(C)), netlist.at(t)
        for i in now.current_sources:
            right[at[i.plus]] -= i.value
            right[at[i.minus]] += i.value
        right[n:] = [v.value for v in now.voltage_sources]
        return right[1:]

    return names[1:], G[1:, 1:], C[1:, 1:], loads


def stepped(netlist, times, steps):
    """Implicit Euler, extrapolated from a step and half of it."""
    names, G, C, loads = nodal_analysis(netlist)

    def run(count):
        h = times[-1] / count
        x, factor = np.linalg.solve(G, loads(0.0)), scipy.linalg.lu_factor(C / h + G)
        states = [x]
        for k in range(count):
            x = scipy.linalg.lu_solve(factor, C @ x / h + loads((k + 1) * h))
            states.append(x)
        kept = np.round(np.array(times) / h).astype(int)
        return np.array(states)[kept, : len(names)]

    return names, 2 * run(2 * steps) - run(steps)


def test_pulses_ramps_coupling_capacitors_and_nodes_without_any():
    netlist = Netlist(
        [element(f"r{k}", a, b, r) for k, (a, b, r) in enumerate([("a", "b", 1.0), ("b", "c", 2.0), ("c", "0", 3.0)])]
        + [element(f"rr{k}", a, b, r) for k, (a, b, r) in enumerate([("c", "d", 0.5), ("d", "e", 0.7), ("e", "b", 2)])]
        + [element("r9", "h", "e", 1.5)],
        [
            element("v1", "a", "0", 9.0, Waveform("pulse", (0.0, 1.0, 0.1, 0.2, 0.2, 0.3, 1.0))),
            element("v2", "d", "g", 9.0, Waveform("pwl", (0.0, 0.5, 2.0, 0.8))),
        ],
        [element("i1", "c", "0", 9.0, Waveform("pwl", (0.0, 0.0, 0.5, 0.3, 1.2, 0.1))), element("i2", "e", "0", 0.05)],
        [
            element("c1", "b", "0", 0.3),
            element("c2", "c", "e", 0.2),
            element("c3", "a", "c", 0.1),
            element("c4", "d", "h", 0.4),  # neither end is held by charge against ground
        ],
    )
    times = [0.0, 0.05, 0.25, 0.5, 1.0, 1.3, 2.2]
    names, truth = stepped(netlist, times, 2200)
    solution = solve_transient(netlist, times, rng=0)
    assert solution.names == names
    np.testing.assert_allclose(solution.voltages, truth, atol=5e-6)


@given(st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_steps_of_the_load_as_the_dense_exponential_has_them(n, seed):
    rng = np.random.default_rng(seed)
    names = ["0", *(f"n{k}" for k in range(1, n + 1))]
    tree = [element(f"r{k}", names[k], names[rng.integers(k)], rng.uniform(0.1, 10)) for k in range(1, n + 1)]
    charged = [element(f"c{k}", names[k], "0", rng.uniform(0.1, 10)) for k in range(1, n + 1)]
    joined = [element(f"x{k}", *rng.choice(names, 2, replace=False), rng.uniform(0, 5)) for k in range(rng.integers(3))]
    ramp = Waveform("pwl", (0.0, 0.0, 1.0, float(rng.normal()), 3.0, float(rng.normal())))
    netlist = Netlist(tree, [], [element("i1", names[-1], "0", 0.0, ramp)], charged + joined)
    order, G, C, loads = nodal_analysis(netlist)
    K, state, truth = np.linalg.solve(C, G), np.zeros(n), []
    for begin, end in ((0.0, 1.0), (1.0, 3.0), (3.0, 7.0)):  # the exponential of the augmented system
        slope = (loads(end) - loads(begin)) / (end - begin)
        block = np.block(
            [
                [-K, np.linalg.solve(C, np.stack([slope, loads(begin)], axis=1))],
                [np.zeros((2, n)), np.array([[0.0, 1.0], [0.0, 0.0]])],
            ]
        )
        state = (scipy.linalg.expm(block * (end - begin)) @ np.concatenate([state, [0.0, 1.0]]))[:n]
        truth.append(state)
    solution = solve_transient(netlist, [1.0, 3.0, 7.0], rng=0)
    assert solution.names == order
    np.testing.assert_allclose(solution.voltages, truth, atol=1e-9 * max(1.0, np.abs(truth).max()))


@pytest.mark.parametrize(
    "farads",
    [(1e-12, 1e-12, 1e-12), (1e-18, 1e-12, 1e-15), (1e-21, 1e-9, 1e-15), (1e-9, 1e-21, 1e-9), (1e-21, 1e-9, 1e-9)],
)
def test_time_constants_that_are_decades_apart(farads):
    times = [1e-13, 1e-10, 1e-9, 1e-7, 1e-5]
    netlist = Netlist(
        [element("r1", "in", "a", 1e3), element("r2", "a", "b", 1e3), element("r3", "b", "c", 1e3)],
        [element("v1", "in", "0", 0.0, STEP)],
        [],
        [element(f"c{node}", node, "0", farad) for node, farad in zip("abc", farads, strict=True)],
    )
    with mpmath.workdps(50):
        G = mpmath.matrix([[2, -1, 0], [-1, 2, -1], [0, -1, 1]]) / 1000
        rates, modes = mpmath.eig(mpmath.diag([1 / mpmath.mpf(farad) for farad in farads]) * G)
        share, h = mpmath.inverse(modes) * mpmath.matrix([1, 1, 1]), mpmath.mpf(1e-15)

        def risen(rate, t):  # to a ramp of length h
            return 1 - (mpmath.exp(-rate * (t - h)) - mpmath.exp(-rate * t)) / (rate * h)

        truth = [
            modes * mpmath.matrix([risen(rate, mpmath.mpf(t)) * part for rate, part in zip(rates, share, strict=True)])
            for t in times
        ]
    solution = solve_transient(netlist, times, rng=0)
    found = solution.voltages[:, [solution.names.index(node) for node in "abc"]]
    np.testing.assert_allclose(found, [[float(mpmath.re(v)) for v in row] for row in truth], atol=1e-7)


def test_grids_whose_nodes_all_follow_their_sources():
    ramp = Waveform("pwl", (0.0, 0.0, 1.0, 2.0))
    netlist = Netlist(
        [element("r1", "a", "0", 1.0)], [element("v1", "a", "0", 0.0, ramp)], [], [element("c1", "a", "0", 1.0)]
    )
    np.testing.assert_allclose(solve_transient(netlist, [0.0, 0.5, 1.0]).voltages, [[0.0], [1.0], [2.0]])


@pytest.mark.slow
def test_a_large_grid_conserves_and_settles():
    side = 60  # more unknowns than are treated by dense algebra
    names = [[f"n{i}_{j}" for j in range(side)] for i in range(side)]
    wires = [element(f"h{i}_{j}", names[i][j], names[i][j + 1], 1.0) for i in range(side) for j in range(side - 1)]
    wires += [element(f"v{i}_{j}", names[i][j], names[i + 1][j], 1.0) for i in range(side - 1) for j in range(side)]
    feeds = [element("feed", "vdd", names[0][0], 0.1)]
    charges = [element(f"c{i}_{j}", names[i][j], "0", 1e-3) for i in range(side) for j in range(side)]
    load = element("i1", names[-1][-1], "0", 0.0, Waveform("pwl", (0.0, 0.0, 1.0, 1.0)))
    netlist = Netlist(wires + feeds, [element("v1", "vdd", "0", 1.0)], [load], charges)
    late, later = solve_transient(netlist, [1.0, 1e4], rng=0).voltages
    resting = solve_transient(
        Netlist(wires + feeds, netlist.voltage_sources, [element("i1", names[-1][-1], "0", 1.0)]), [0.0]
    )
    np.testing.assert_allclose(later, resting.voltages[0], atol=1e-7)
    assert late.min() > later.min() + 1e-6


@pytest.mark.parametrize(
    ("times", "course", "said"),
    [
        ([], STEP, "times must be"),
        ([np.nan], STEP, "times must be"),
        ([[1.0]], STEP, "times must be"),
        ([-1.0], STEP, "times must not be negative"),
        ([1.0, 1.0], STEP, "times must not be negative, and increase"),
        ([1.0], Waveform("sin", (0.0, 1.0)), "line 1: v1: .*straight lines"),
        ([1.0], Waveform("pulse", (0.0, 1.0, 0.0, 0.0, 0.0, 1.0)), "line 1: v1: .*rise, fall and width"),
        ([1.0], Waveform("pulse", (0.0, 1.0, 0.0, 1e-9, 1e-9, 0.0, 2e-9)), "periods of a pulse are too many"),
    ],
)
def test_bad_input(times, course, said):
    netlist = Netlist([element("r1", "in", "0", 1.0)], [element("v1", "in", "0", 0.0, course)])
    with pytest.raises(ValueError, match=said):
        solve_transient(netlist, times)


def test_grids_that_rounding_would_spoil():
    netlist = Netlist(
        [element("r1", "a", "0", 1e-6), element("r2", "b", "0", 1e9)],
        [],
        [element("i1", "a", "0", 0.0, STEP)],
        [element("c1", "a", "0", 1e-15), element("c2", "b", "0", 1.0)],
    )
    with pytest.raises(ValueError, match="leave out the smallest capacitors"):
        solve_transient(netlist, [1.0])
