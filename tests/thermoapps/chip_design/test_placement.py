"""Placement against SciPy's sparse solver, and rows that hold every cell once."""

from dataclasses import replace

import numpy as np
import pytest
from circuits import ROWS, assert_legal, mixed, random_circuit
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.linalg import spsolve

from thermoapps.chip_design import (
    Placement,
    QuadraticWirelength,
    Rows,
    global_placement,
    legal_placement,
    overlap,
    place_circuit,
    placing,
    quadratic_placement,
    read_bookshelf,
    rows_between_pads,
    spread_placement,
    wirelength,
)
from thermoapps.chip_design._bounds import BoundToBound
from thermoapps.chip_design._density import Bins


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


@given(st.integers(0, 2**32 - 1))
def test_cells_end_in_rows_without_overlap(seed):
    circuit = random_circuit(seed, cells=60)
    placed = quadratic_placement(circuit, rng=seed)
    assert_legal(legal_placement(placed, ROWS), ROWS)
    assert_legal(legal_placement(spread_placement(placed, ROWS), ROWS), ROWS)


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.5]))
def test_mixed_heights_macros_blocks_and_sites(seed, site):
    placed, rows = mixed(seed, site)
    assert_legal(legal_placement(placed, rows), rows)


def test_a_legal_placement_stays_where_it_is():
    circuit = random_circuit(7, cells=30)
    circuit = replace(circuit, size=np.where(circuit.fixed[:, None], 0.0, circuit.size))
    legal = legal_placement(spread_placement(quadratic_placement(circuit, rng=0), ROWS), ROWS)
    np.testing.assert_allclose(legal_placement(legal, ROWS).centre, legal.centre, atol=1e-9)


def test_rows_with_gaps():
    y, left, right = np.repeat(np.arange(10.0) * 2, 2), np.tile([0.0, 30.0], 10), np.tile([20.0, 50.0], 10)
    rows = Rows(y, left, right, 2.0)
    circuit = random_circuit(8, cells=60)
    assert_legal(legal_placement(quadratic_placement(circuit, rng=0), rows), rows)


def test_spreading_takes_overlap_away():
    circuit = random_circuit(5, cells=60)
    placed = quadratic_placement(circuit, rng=0)
    spread = spread_placement(placed, ROWS)
    assert overlap(placed, bins=4) > 0.3 > 0.15 > overlap(spread, bins=4)


def padless(seed):
    circuit = random_circuit(seed, cells=80, nets=40)
    return replace(circuit, fixed=np.zeros(84, dtype=bool), size=np.tile([3.0, 2.0], (84, 1)))


@pytest.mark.parametrize("circuit", [random_circuit(6, cells=80, nets=40), padless(6)], ids=["pads", "no pads"])
def test_rounds_are_better_than_chance(circuit):
    chance = legal_placement(global_placement(circuit, ROWS, rounds=0, rng=0), ROWS)
    placed = legal_placement(global_placement(circuit, ROWS, rng=0), ROWS)
    assert_legal(placed, ROWS)
    assert wirelength(placed) < 0.6 * wirelength(chance)


def test_rounds_go_on_as_without_a_look_and_end_on_request():
    seen = []

    def look(placement):
        seen.append(placement)
        if len(seen) == 4:
            raise StopIteration

    stopped = global_placement(padless(1), ROWS, callback=look, rng=0)
    np.testing.assert_array_equal(stopped.centre, seen[-1].centre)
    np.testing.assert_array_equal(global_placement(padless(1), ROWS, rounds=4, rng=0).centre, stopped.centre)

    def interrupted(placement):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        global_placement(padless(1), ROWS, callback=interrupted, rng=0)


def test_the_gradient_of_the_springs_is_that_of_the_half_perimeter():
    circuit = random_circuit(9)
    centre = np.random.default_rng(2).uniform(0, 40, circuit.size.shape)
    springs, h = BoundToBound(circuit), 1e-6
    for axis in range(2):
        _, gradient = springs.at(centre, axis, 1e-9)
        for number, cell in enumerate(springs.free):
            step = np.zeros_like(centre)
            step[cell, axis] = h
            ends = [wirelength(Placement(circuit, centre + sign * step)) for sign in (1, -1)]
            assert gradient[number] == pytest.approx((ends[0] - ends[1]) / (2 * h), abs=1e-6)


def test_a_full_bin_pushes_out():
    bins = Bins(ROWS, 8, np.zeros((0, 2)), np.zeros((0, 2)))
    assert bins.usable() == pytest.approx(800.0)
    corner, middle = np.array([[1.0, 1.0]] * 30), np.array([[20.0, 10.0]] * 30)
    push, overfull = bins.field(corner, np.full((30, 2), 2.0))
    assert np.all(push > 0)
    assert overfull > 0.5
    assert np.allclose(bins.field(middle, np.full((30, 2), 2.0))[0], 0.0, atol=1e-9)
    grid = np.stack(np.meshgrid(np.arange(20) * 2 + 1.0, np.arange(10) * 2 + 1.0), axis=-1).reshape(-1, 2)
    assert bins.field(grid, np.full((200, 2), 2.0))[1] < 0.15
    blocked = Bins(ROWS, 8, np.array([[10.0, 10.0]]), np.array([[20.0, 20.0]]))
    assert blocked.usable() == pytest.approx(400.0)
    assert blocked.field(np.array([[20.0, 10.0]]), np.array([[1.0, 1.0]]))[0][0, 0] > 1.0


def test_rows_that_do_not_fit():
    circuit = random_circuit(0)
    placed = Placement(circuit, circuit.centre())
    with pytest.raises(ValueError, match="lower than the rows, 3"):
        legal_placement(placed, replace(ROWS, height=3.0))
    short = replace(ROWS, right=np.full(10, 6.0))
    with pytest.raises(ValueError, match="the rows are full before"):
        legal_placement(placed, short)
    with pytest.raises(ValueError, match="give more or longer rows"):
        global_placement(circuit, short)
    with pytest.raises(ValueError, match="must be finite"):
        legal_placement(Placement(circuit, circuit.centre() * np.nan), ROWS)
    large = replace(circuit, size=np.where(np.arange(24)[:, None] == 0, [5.0, 50.0], circuit.size))
    with pytest.raises(ValueError, match="no place is left for 'c0'"):
        legal_placement(Placement(large, circuit.centre()), ROWS)
    with pytest.raises(ValueError, match="rounds must not be negative"):
        global_placement(circuit, ROWS, rounds=-1)
    with pytest.raises(ValueError, match="no cells that may move"):
        global_placement(replace(circuit, fixed=np.ones(24, dtype=bool)), ROWS)


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
    for height in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="height must be positive"):
            rows_between_pads(circuit, height)
    assert rows_between_pads(circuit, 0.5).height == 0.5
    with pytest.raises(ValueError, match="less than one row"):
        rows_between_pads(replace(circuit, size=np.full((24, 2), 99.0)))


def test_a_circuit_is_placed_no_worse_than_it_came(monkeypatch):
    circuit = random_circuit(3, cells=20)
    came = place_circuit(circuit, ROWS, rng=1)
    assert_legal(came, ROWS)
    assert wirelength(came) < wirelength(legal_placement(Placement(circuit, circuit.centre()), ROWS))
    known = replace(circuit, corner=came.centre - circuit.size / 2)
    monkeypatch.setattr(placing, "global_placement", lambda *_, **__: global_placement(circuit, ROWS, rounds=0, rng=0))
    kept = place_circuit(known, ROWS, passes=1, rng=2)
    assert_legal(kept, ROWS)
    assert wirelength(kept) <= wirelength(came) * (1 + 1e-12)


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
    given = Placement(circuit, circuit.centre())
    rows = Rows(np.arange(106.0), np.full(106, -2.0), np.full(106, 106.0), 1.0)
    placed = place_circuit(circuit, rows, rng=0)
    assert_legal(placed, rows)
    assert wirelength(placed) < 0.8 * wirelength(given)  # whose macros overlap


@pytest.mark.slow
def test_standard_cell_benchmark(data_folder):
    folder = data_folder / "eda" / "ibm01"
    if not folder.is_dir():
        pytest.skip("no standard-cell benchmark in the data folder")
    circuit = read_bookshelf(folder)
    with pytest.raises(ValueError, match="12036 cells hang on no fixed cell"):  # its pads are in no net
        quadratic_placement(circuit)
    rows = rows_between_pads(circuit)
    legal = legal_placement(global_placement(circuit, rows, rounds=40, rng=0), rows)
    assert_legal(legal, rows)
    assert wirelength(legal) < 0.2 * 7.1e7  # of random places
