"""Power grids against circuits solved by hand, SciPy's sparse solver and a benchmark of IBM."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import Boltzmann
from scipy.sparse.linalg import spsolve

from thermoapps.chip_design import (
    Element,
    Netlist,
    PowerGrid,
    Waveform,
    effective_resistance,
    johnson_temperature,
    read_netlist,
    sample_voltages,
    solve_grid,
    square_mesh,
)
from thermolinalg import SingularError


def netlist(*lines):
    """Elements from (name, plus, minus, value)."""
    elements = [Element(*line, number) for number, line in enumerate(lines, start=1)]
    kinds = [[element for element in elements if element.name[0] == kind] for kind in "rvic"]
    return Netlist(*kinds)


def voltages(*lines):
    solution = solve_grid(PowerGrid.from_netlist(netlist(*lines)), rng=0)
    return dict(zip(solution.names, solution.voltages, strict=True))


def modified_nodal_analysis(circuit):
    """All node voltages and source currents from one dense system: no joining, no elimination."""
    names = ["0", *circuit.nodes()]
    at = {name: number for number, name in enumerate(names)}
    n, sources = len(names), circuit.voltage_sources
    system, right = np.zeros((n + len(sources), n + len(sources))), np.zeros(n + len(sources))
    for r in circuit.resistors:
        ends = [at[r.plus], at[r.minus]]
        system[np.ix_(ends, ends)] += np.array([[1, -1], [-1, 1]]) / r.value
    for i in circuit.current_sources:
        right[at[i.plus]] -= i.value
        right[at[i.minus]] += i.value
    for k, v in enumerate(sources, start=n):
        for end, sign in ((at[v.plus], 1), (at[v.minus], -1)):
            system[k, end] += sign
            system[end, k] += sign
        right[k] = v.value
    kept = np.arange(1, n + len(sources))
    return names[1:], np.linalg.solve(system[np.ix_(kept, kept)], right[kept])[: n - 1]


def test_a_divider():
    found = voltages(("v1", "in", "0", 3.0), ("r1", "in", "out", 1e3), ("r2", "out", "0", 2e3))
    assert found == pytest.approx({"in": 3.0, "out": 2.0})


def test_a_current_source_pushes_from_plus_to_minus():
    assert voltages(("i1", "0", "a", 2.0), ("r1", "a", "0", 5.0)) == pytest.approx({"a": 10.0})


def test_shorts_join_nodes_and_floating_sources_keep_their_voltage():
    lines = (
        ("v1", "a", "b", 1.5),
        ("v2", "b", "c", 0.0),
        ("rz", "c", "d", 0.0),
        ("r1", "d", "0", 2.0),
        ("i1", "0", "a", 1.0),
        ("r2", "a", "b", 7.0),
    )
    assert PowerGrid.from_netlist(netlist(*lines)).conductance.shape == (1, 1)
    assert voltages(*lines) == pytest.approx({"a": 3.5, "b": 2.0, "c": 2.0, "d": 2.0})


def test_drop_is_what_loads_take():
    lines = (("v1", "vdd", "0", 1.0), ("r1", "vdd", "a", 0.5), ("r2", "a", "b", 0.5), ("i1", "b", "0", 0.1))
    solution = solve_grid(PowerGrid.from_netlist(netlist(*lines)), rng=0)
    assert dict(zip(solution.names, solution.drop, strict=True)) == pytest.approx({"vdd": 0.0, "a": 0.05, "b": 0.1})


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ((("v1", "a", "0", 1.0), ("v2", "a", "0", 2.0), ("r1", "a", "0", 1.0)), "line 2: v2 puts 2 V"),
        ((("v1", "a", "a", 1.0), ("r1", "a", "0", 1.0)), "line 1: v1 puts 1 V"),
        ((("r1", "a", "0", 1.0), ("r2", "b", "c", 1.0)), "2 nodes have no path to ground.*'b' first"),
        ((("r1", "a", "0", 1.0), ("i1", "b", "0", 1.0)), "1 nodes have no path to ground.*'b' first"),
        ((("r1", "a", "0", 1.0), ("c1", "a", "b", 1.0)), "1 nodes have no path to ground.*'b' first"),
        ((("r1", "a", "0", np.nan),), "line 1: the value of r1 must be finite"),
        ((("r1", "a", "0", -1.0),), "line 1: the value of r1 must not be negative"),
        ((("r1", "a", "0", 1e-310),), "line 1: r1 is below 1e-300 ohm"),
    ],
)
def test_networks_without_an_answer(lines, said):
    with pytest.raises(ValueError, match=said):
        PowerGrid.from_netlist(netlist(*lines))


ISLAND = (("r3", "x", "y", 1.0), ("i2", "x", "y", 1.0), ("v2", "y", "z", 3.0), ("c1", "x", "z", 1.0))
DIVIDER = (("v1", "a", "0", 1.0), ("r1", "a", "b", 1.0), ("r2", "b", "0", 1.0))


def test_islands_are_dropped_on_request():
    with pytest.raises(ValueError, match=r"3 nodes have no path to ground.*floating='drop'"):
        PowerGrid.from_netlist(netlist(*DIVIDER, *ISLAND))
    grid = PowerGrid.from_netlist(netlist(*ISLAND, *DIVIDER), floating="drop")
    solution = solve_grid(grid, rng=0)
    assert dict(zip(solution.names, solution.voltages, strict=True)) == pytest.approx({"a": 1.0, "b": 0.5})
    assert PowerGrid.from_netlist(netlist(*ISLAND), floating="drop").names == []
    for bridge in (("i3", "b", "x", 1.0), ("c3", "z", "b", 1.0)):
        with pytest.raises(ValueError, match=f"line 8: {bridge[0]} ties the rest to an island"):
            PowerGrid.from_netlist(netlist(*ISLAND, *DIVIDER, bridge), floating="drop")
    with pytest.raises(ValueError, match="floating must be"):
        PowerGrid.from_netlist(netlist(*DIVIDER), floating="keep")


def test_a_network_without_unknowns():
    grid = PowerGrid.from_netlist(netlist(("v1", "a", "0", 1.0), ("r1", "a", "0", 2.0)))
    assert solve_grid(grid, rng=0).voltages.tolist() == [1.0]
    assert sample_voltages(grid, 2, temperature=1.0, mean=[1.0], rng=0).tolist() == [[1.0], [1.0]]
    assert effective_resistance(grid, rng=0)[0].tolist() == [0.0]


def test_resistances_too_far_apart_are_refused():
    chain = (("v1", "a", "0", 1.0), ("r1", "a", "b", 1e15), ("r2", "b", "c", 1e-12), ("r4", "c", "0", 1e15))
    with pytest.raises(SingularError, match=r"too far apart .* 0 ohm"):
        solve_grid(PowerGrid.from_netlist(netlist(*chain)), rng=0)


@pytest.mark.parametrize("mean", [[np.nan, 1.0], [1.0], [[1.0, 1.0]]])
def test_bad_means(mean):
    grid = PowerGrid.from_netlist(netlist(*DIVIDER))
    with pytest.raises(ValueError, match="mean must be"):
        sample_voltages(grid, 2, temperature=1.0, mean=mean)


@given(st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_random_networks_as_modified_nodal_analysis_has_them(n, seed):
    rng = np.random.default_rng(seed)
    names = ["0", *(f"n{k}" for k in range(1, n))]
    tree = [(f"r{k}", names[k], names[rng.integers(k)], rng.uniform(0.1, 10)) for k in range(1, n)]
    more = [(f"rx{k}", *rng.choice(names, 2, replace=False), rng.uniform(0.1, 10)) for k in range(n)]
    loads = [(f"i{k}", *rng.choice(names, 2, replace=False), rng.normal()) for k in range(n)]
    order = rng.permutation(n)  # sources on a forest never contradict each other
    count = int(rng.integers(0, max(1, n // 2)))
    sources = [
        (f"v{k}", names[order[k + 1]], names[order[rng.integers(k + 1)]], rng.choice([0.0, 1.0, rng.normal()]))
        for k in range(count)
    ]
    circuit = netlist(*tree, *more, *loads, *sources)
    grid = PowerGrid.from_netlist(circuit)
    assert abs(grid.conductance - grid.conductance.T).max() < 1e-12
    truth = dict(zip(*modified_nodal_analysis(circuit), strict=True))
    solution = solve_grid(grid, rng=seed)
    digital = grid.voltages(np.atleast_1d(spsolve(grid.conductance.tocsc(), grid.from_sources + grid.from_loads)))
    np.testing.assert_allclose(solution.voltages, digital, atol=1e-7)
    np.testing.assert_allclose(solution.voltages, [truth[name] for name in solution.names], atol=1e-7)


LADDER = [("v1", "n0", "0", 1.0), *((f"r{k}", f"n{k}", f"n{k + 1}", 1.0) for k in range(5))]


def test_effective_resistance_of_a_ladder():
    grid = PowerGrid.from_netlist(netlist(*LADDER))
    resistance, info = effective_resistance(grid, rtol=0.02, rng=0)
    truth = np.array([0.0 if name == "n0" else float(name[1:]) for name in grid.names])
    assert resistance[grid.names.index("n0")] == 0
    assert np.all(abs(resistance - truth) <= 5 * 0.02 * truth)
    assert info.device_time > 0


def test_samples_have_the_noise_of_the_resistors():
    grid = PowerGrid.from_netlist(netlist(*LADDER))
    temperature = johnson_temperature(1e9)
    assert temperature == pytest.approx(4 * Boltzmann * 300 * 1e9)
    mean = solve_grid(grid, rng=0).voltages
    samples = sample_voltages(grid, 4000, temperature=temperature, mean=mean, rng=1)
    place = [float(name[1:]) for name in grid.names]
    covariance = temperature * np.minimum.outer(place, place)  # of a ladder: the resistance that both nodes share
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.12 * covariance.max())
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=5 * np.sqrt(covariance.max() / 4000))
    assert np.ptp(samples[:, grid.names.index("n0")]) == 0


@pytest.mark.parametrize(("bandwidth", "kelvin"), [(0, 300), (-1, 300), (1, 0), (np.nan, 300), (1, np.inf)])
def test_bad_temperatures(bandwidth, kelvin):
    with pytest.raises(ValueError, match="must be positive"):
        johnson_temperature(bandwidth, kelvin)


def test_coordinates_from_names():
    lines = (("r1", "_x_n2_10_30", "n1_5_7", 1.0), ("r2", "n1_5_7", "0", 1.0), ("r3", "out", "0", 1.0))
    places = PowerGrid.from_netlist(netlist(*lines)).coordinates()
    np.testing.assert_array_equal(places, [[2, 10, 30], [1, 5, 7], [np.nan] * 3])


def test_power_grid_benchmark(data_folder):
    file = data_folder / "eda" / "ibmpg1.spice.gz"
    if not file.is_file():
        pytest.skip("no power-grid benchmark in the data folder")
    grid = PowerGrid.from_netlist(read_netlist(file))
    assert grid.conductance.shape == (16327, 16327)
    assert grid.conductance.nnz == 75827
    solution = solve_grid(grid, rng=0)
    direct = grid.voltages(spsolve(grid.conductance.tocsc(), grid.from_sources + grid.from_loads))
    assert abs(solution.voltages - direct).max() < 1e-6
    layer = grid.coordinates()[:, 0]
    assert solution.voltages[layer == 1].min() == pytest.approx(0.9882, abs=1e-4)
    assert solution.voltages[layer == 0].max() == pytest.approx(0.6946, abs=1e-4)
    assert solution.info.device_time > 0


def test_a_mesh_has_its_wires_and_loads():
    mesh = square_mesh(4, load=Waveform("pulse", (0.0, 1.0, 0.0, 1.0, 1.0, 1.0)), capacitance=1e-12, rng=0)
    assert [len(part) for part in (mesh.resistors, mesh.current_sources, mesh.capacitors)] == [28, 17, 16]
    grid = PowerGrid.from_netlist(square_mesh(4, rng=0))
    assert np.nanmax(grid.coordinates()) == 3
    drop = solve_grid(grid, rng=0).drop[0]  # each corner carries about a quarter of the current
    assert drop == pytest.approx(0.1 * -grid.from_loads.sum() / 4, rel=0.5)
    for options, said in (({"side": 1}, "side must be"), ({"side": 3, "capacitance": -1.0}, "capacitance must be")):
        with pytest.raises(ValueError, match=said):
            square_mesh(**options)
