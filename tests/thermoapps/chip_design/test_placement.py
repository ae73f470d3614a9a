"""Placement against SciPy's sparse solver, and rows that hold every cell once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import spsolve

from thermoapps.chip_design import (
    Circuit,
    Placement,
    QuadraticWirelength,
    Rows,
    global_placement,
    legal_placement,
    overlap,
    quadratic_placement,
    read_bookshelf,
    rows_between_pads,
    spread_placement,
    wirelength,
)

ROWS = Rows(np.arange(10.0) * 2, np.zeros(10), np.full(10, 40.0), 2.0)


def random_circuit(seed, cells=20, pads=4, nets=15):
    """A chain that ties all cells to the pads, and further nets of two to seven pins."""
    rng = np.random.default_rng(seed)
    n = cells + pads
    fixed = np.arange(n) >= cells
    size = np.where(fixed[:, None], 1.0, np.stack([rng.uniform(1, 5, n), np.full(n, 2.0)], axis=1))
    corner = np.where(fixed[:, None], rng.uniform(0, 40, (n, 2)) * [1, 0.5], 0.0)
    chain = [[k, k + 1] for k in range(cells)]
    members = chain + [list(rng.choice(n, rng.integers(2, 8), replace=False)) for _ in range(nets)]
    pin_cell = np.concatenate(members)
    pin_net = np.repeat(np.arange(len(members)), [len(net) for net in members])
    offset = rng.uniform(-0.5, 0.5, (len(pin_cell), 2))
    return Circuit([f"c{k}" for k in range(n)], size, fixed, corner, pin_cell, pin_net, offset)


def spring_energy(circuit, centre):
    """The quadratic wirelength by its definition."""
    pins = centre[circuit.pin_cell] + circuit.pin_offset
    nets = [pins[circuit.pin_net == net] for net in np.unique(circuit.pin_net)]
    return sum(((p[:, None] - p[None]) ** 2).sum() / 4 / (len(p) - 1) for p in nets if len(p) > 1)


@given(st.integers(0, 2**32 - 1), st.sampled_from(["clique", "star"]))
def test_the_optimum_is_that_of_a_direct_solver_and_no_step_improves_it(seed, net_model):
    circuit = random_circuit(seed)
    placement = quadratic_placement(circuit, net_model=net_model, rng=seed)
    energy = QuadraticWirelength.of(circuit)
    direct = spsolve(energy.matrix.tocsc(), energy.load)
    np.testing.assert_allclose(placement.centre[energy.free], direct, atol=1e-6)
    np.testing.assert_array_equal(placement.centre[circuit.fixed], circuit.centre()[circuit.fixed])
    least = spring_energy(circuit, placement.centre)
    step = np.random.default_rng(seed).normal(0, 0.1, placement.centre.shape) * ~circuit.fixed[:, None]
    assert spring_energy(circuit, placement.centre + step) > least


def test_wirelength_by_hand():
    circuit = random_circuit(0)
    centre = np.random.default_rng(1).uniform(0, 40, circuit.size.shape)
    pins = centre[circuit.pin_cell] + circuit.pin_offset
    by_hand = sum(np.ptp(pins[circuit.pin_net == net], axis=0).sum() for net in np.unique(circuit.pin_net))
    assert wirelength(Placement(circuit, centre)) == pytest.approx(by_hand)


def test_strong_anchors_hold():
    circuit = random_circuit(2)
    anchors = np.random.default_rng(3).uniform(0, 40, circuit.size.shape)
    placement = quadratic_placement(circuit, anchors=anchors, anchor_weight=1e8, rng=0)
    np.testing.assert_allclose(placement.centre[~circuit.fixed], anchors[~circuit.fixed], atol=1e-4)


def test_input_is_not_overwritten():
    circuit = random_circuit(4)
    before = circuit.corner.copy()
    legal_placement(spread_placement(quadratic_placement(circuit, rng=0), ROWS), ROWS)
    np.testing.assert_array_equal(circuit.corner, before)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"net_model": "tree"}, "net_model must be"),
        ({"anchor_weight": -1.0}, "anchor_weight must be"),
        ({"anchor_weight": np.nan}, "anchor_weight must be"),
        ({"anchor_weight": 1.0}, "go together"),
        ({"anchors": np.zeros((24, 2))}, "go together"),
        ({"anchors": np.zeros((3, 2)), "anchor_weight": 1.0}, "anchors must be"),
        ({"anchors": np.full((24, 2), np.nan), "anchor_weight": 1.0}, "anchors must be"),
    ],
)
def test_bad_options(options, said):
    with pytest.raises(ValueError, match=said):
        quadratic_placement(random_circuit(0), **options)


def test_circuits_without_an_answer():
    circuit = random_circuit(0)
    with pytest.raises(ValueError, match="no cells that may move"):
        quadratic_placement(replace(circuit, fixed=np.ones(24, dtype=bool)))
    with pytest.raises(ValueError, match="24 cells hang on no fixed cell, 'c0' first"):
        quadratic_placement(replace(circuit, fixed=np.zeros(24, dtype=bool)))


def assert_legal(placement, rows):
    circuit = placement.circuit
    corner = placement.centre - circuit.size / 2
    free = np.flatnonzero(~circuit.fixed)
    assert np.isin(np.round(corner[free, 1], 9), np.round(rows.y, 9)).all()
    for y, left, right in zip(rows.y, rows.left, rows.right, strict=True):
        row = free[np.isclose(corner[free, 1], y)]
        row = row[np.argsort(corner[row, 0])]
        ends = corner[row, 0] + circuit.size[row, 0]
        assert np.all(corner[row[1:], 0] >= ends[:-1] - 1e-9)
        assert np.all(corner[row, 0] >= left - 1e-9)
        assert np.all(ends <= right + 1e-9)
    np.testing.assert_array_equal(placement.centre[circuit.fixed], circuit.centre()[circuit.fixed])


@given(st.integers(0, 2**32 - 1))
def test_cells_end_in_rows_without_overlap(seed):
    circuit = random_circuit(seed, cells=60)
    placed = quadratic_placement(circuit, rng=seed)
    assert_legal(legal_placement(placed, ROWS), ROWS)
    assert_legal(legal_placement(spread_placement(placed, ROWS), ROWS), ROWS)


def test_spreading_takes_overlap_away():
    circuit = random_circuit(5, cells=60)
    placed = quadratic_placement(circuit, rng=0)
    spread = spread_placement(placed, ROWS)
    assert overlap(placed, bins=4) > 0.3 > 0.15 > overlap(spread, bins=4)


def test_rounds_are_better_than_chance_without_pads():
    circuit = random_circuit(6, cells=80, nets=40)
    circuit = replace(circuit, fixed=np.zeros(84, dtype=bool), size=np.tile([3.0, 2.0], (84, 1)))
    chance = global_placement(circuit, ROWS, weights=(), rng=0)
    assert wirelength(global_placement(circuit, ROWS, rng=0)) < 0.7 * wirelength(chance)


def test_rows_that_do_not_fit():
    circuit = random_circuit(0)
    placed = Placement(circuit, circuit.centre())
    with pytest.raises(ValueError, match="as high as the rows"):
        legal_placement(placed, replace(ROWS, height=3.0))
    with pytest.raises(ValueError, match="the rows are full before"):
        legal_placement(placed, replace(ROWS, right=np.full(10, 4.0)))


def test_rows_between_pads():
    circuit = random_circuit(0)
    rows = rows_between_pads(circuit)
    pads = circuit.centre()[circuit.fixed]
    assert rows.height == 2
    assert rows.left[0] == pads[:, 0].min()
    assert pads[:, 1].min() <= rows.y[0] < rows.y[-1] + 2 <= pads[:, 1].max() + 1e-9
    with pytest.raises(ValueError, match="no fixed cells"):
        rows_between_pads(replace(circuit, fixed=np.zeros(24, dtype=bool), size=np.ones((24, 2))))
    with pytest.raises(ValueError, match="all of one height"):
        rows_between_pads(replace(circuit, size=np.random.default_rng(0).uniform(1, 2, (24, 2))))
    with pytest.raises(ValueError, match="less than one row"):
        rows_between_pads(replace(circuit, size=np.full((24, 2), 99.0)))


def test_macro_benchmark(data_folder):
    folder = data_folder / "eda" / "apte"
    if not folder.is_dir():
        pytest.skip("no macro benchmark in the data folder")
    with pytest.warns(UserWarning, match="declares 82 pins and has 287"):
        circuit = read_bookshelf(folder, strict=False)
    energy = QuadraticWirelength.of(circuit)
    placement = quadratic_placement(circuit, rng=0)
    np.testing.assert_allclose(placement.centre[energy.free], spsolve(energy.matrix.tocsc(), energy.load), atol=1e-6)
    assert wirelength(placement) == pytest.approx(5333.022, abs=0.01)


def test_standard_cell_benchmark(data_folder):
    folder = data_folder / "eda" / "ibm01"
    if not folder.is_dir():
        pytest.skip("no standard-cell benchmark in the data folder")
    circuit = read_bookshelf(folder)
    with pytest.raises(ValueError, match="12036 cells hang on no fixed cell"):  # its pads are in no net
        quadratic_placement(circuit)
    rows = rows_between_pads(circuit)
    legal = legal_placement(global_placement(circuit, rows, weights=[1e-2] * 2, rng=0), rows)
    assert_legal(legal, rows)
    assert wirelength(legal) < 0.5 * 7.1e7  # of random places
