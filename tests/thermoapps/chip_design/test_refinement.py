"""Placements that stay legal while their wires become shorter, and the best of small rows by counting."""

from dataclasses import replace
from itertools import combinations_with_replacement, permutations

import numpy as np
import pytest
from circuits import ROWS, assert_legal, mixed, random_circuit
from hypothesis import given, settings
from hypothesis import strategies as st

from thermoapps.chip_design import (
    Circuit,
    Placement,
    Rows,
    legal_placement,
    quadratic_placement,
    refine_placement,
    spread_placement,
    wirelength,
)
from thermoapps.chip_design._fixed_order import best_in_order, shift
from thermoapps.chip_design._improvements import move, reorder, swap
from thermoapps.chip_design._segments import Segments
from thermoapps.chip_design._wires import Wires

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(0, 2**32 - 1))
def test_exchanges_keep_a_placement_legal_and_never_lengthen_wires(seed):
    circuit = random_circuit(seed, cells=40, nets=25)
    size = circuit.size.copy()
    size[:40, 0] = np.round(size[:40, 0])
    legal = legal_placement(spread_placement(quadratic_placement(replace(circuit, size=size), rng=0), ROWS), ROWS)
    refined = refine_placement(legal, passes=3, rng=seed)
    assert_legal(refined, ROWS)
    assert wirelength(refined) <= wirelength(legal) * (1 + 1e-12)


def test_exchanges_find_the_order_of_a_row():
    names, n = [f"c{k}" for k in range(8)], 8
    pads = np.stack([np.arange(8.0) * 2, np.full(8, 4.0)], axis=1)
    circuit = Circuit(
        names=[*names, *(f"p{k}" for k in range(8))],
        size=np.concatenate([np.full((8, 2), 2.0), np.zeros((8, 2))]),
        fixed=np.arange(16) >= 8,
        corner=np.concatenate([np.zeros((8, 2)), pads + 1]),
        pin_cell=np.stack([np.arange(8), np.arange(8, 16)], axis=1).ravel(),
        pin_net=np.repeat(np.arange(8), 2),
        pin_offset=np.zeros((16, 2)),
    )
    shuffled = np.concatenate([np.stack([np.random.default_rng(0).permutation(n) * 2.0 + 1, np.ones(n)], 1), pads + 1])
    refined = refine_placement(Placement(circuit, shuffled), rng=0)
    np.testing.assert_array_equal(refined.centre[:8, 0], pads[:, 0] + 1)
    with pytest.raises(ValueError, match="passes must not be negative"):
        refine_placement(refined, passes=-1)


@settings(max_examples=8)
@given(SEEDS, st.sampled_from([0.0, 0.5]))
def test_refined_rows_stay_legal_and_wires_get_no_longer(seed, site):
    placed, rows = mixed(seed, site)
    legal = legal_placement(placed, rows)
    refined = refine_placement(legal, rows, passes=1, rng=seed)
    assert_legal(refined, rows)
    assert wirelength(refined) <= wirelength(legal) * (1 + 1e-12)
    np.testing.assert_array_equal(refine_placement(legal, rows, passes=1, rng=seed).centre, refined.centre)


@given(SEEDS, st.integers(1, 3))
def test_lengths_around_groups_change_as_the_wirelength_does(seed, members):
    rng, circuit = np.random.default_rng(seed), random_circuit(seed)
    centre = rng.uniform(0, 40, circuit.size.shape)
    groups = np.array([rng.choice(24, members, replace=False) for _ in range(5)])
    around = Wires.of(circuit).around(groups, centre)
    places = rng.uniform(0, 40, (5, members, 2))
    changes = around.length(places) - around.length(centre[groups])
    for group, place, change in zip(groups, places, changes, strict=True):
        moved = centre.copy()
        moved[group] = place
        assert wirelength(Placement(circuit, moved)) - wirelength(Placement(circuit, centre)) == pytest.approx(change)


@given(SEEDS, st.booleans())
def test_cells_in_order_take_the_best_places_of_all(seed, whole):
    rng = np.random.default_rng(seed)
    cells, room = rng.integers(1, 5), int(rng.integers(0, 7))
    pulled, rises = rng.integers(0, cells, 6), rng.random(6) < 0.5
    corner = rng.choice([-np.inf, np.inf, *np.arange(-2, 9)], 6) + (rng.choice([0.0, 0.25, 0.5], 6) if whole else 0.0)

    def cost(z):
        away = np.asarray(z)[pulled] - np.clip(corner, -99, 99)
        return np.maximum(0, np.where(rises, away, -away)).sum()

    today = np.sort(rng.integers(0, room + 1, cells)).astype(float)
    found = best_in_order(today, pulled, corner, rises, float(room), whole=whole)
    assert np.all(np.diff(found) >= 0)
    assert found[0] >= 0
    assert found[-1] <= room
    assert not whole or np.array_equal(found, np.round(found))
    best = min(map(cost, combinations_with_replacement(range(room + 1), int(cells))))
    assert cost(found) == pytest.approx(best)


def row_of_cells(seed, widths, spaces):
    """A row with its cells, pads around it, and nets of any of them; pins lie within their cells."""
    rng, n = np.random.default_rng(seed), len(widths)
    size = np.concatenate([np.stack([widths, np.full(n, 2.0)], axis=1), np.zeros((4, 2))])
    centre = np.concatenate([np.zeros((n, 2)), rng.uniform(0, 14, (4, 2))])
    centre[:n, 0] = np.cumsum(np.add(widths, spaces)) - np.array(widths) / 2
    centre[:n, 1] = 1.0
    members = [rng.choice(n + 4, rng.integers(2, 4), replace=False) for _ in range(7)]
    pin_cell = np.concatenate(members)
    offset = rng.uniform(-0.5, 0.5, (len(pin_cell), 2)) * size[pin_cell]
    nets = np.repeat(np.arange(7), [len(net) for net in members])
    names = [f"c{k}" for k in range(n + 4)]
    circuit = Circuit(names, size, np.arange(n + 4) >= n, centre - size / 2, pin_cell, nets, offset)
    return circuit, centre, Rows(np.array([0.0]), np.array([0.0]), np.array([14.0]), 2.0, 1.0)


@given(SEEDS)
def test_a_row_in_its_order_is_the_best_of_all_sites(seed):
    widths = np.array([3.0, 1.0, 2.0])
    circuit, centre, rows = row_of_cells(seed, widths, [1, 2, 0])

    def length(left):
        moved = centre.copy()
        moved[:3, 0] = left + widths / 2
        return wirelength(Placement(circuit, moved))

    before = np.cumsum(widths) - widths
    best = min(length(np.array(z) + before) for z in combinations_with_replacement(range(9), 3))
    shift(Wires.of(circuit), Segments(circuit, rows, centre), centre)
    assert wirelength(Placement(circuit, centre)) == pytest.approx(best)
    assert_legal(Placement(circuit, centre), rows)


@given(SEEDS)
def test_three_cells_take_the_best_of_all_orders(seed):
    widths, spaces = np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 0.0])
    circuit, centre, rows = row_of_cells(seed, widths, spaces)

    def length(order):
        moved, order = centre.copy(), list(order)
        moved[order, 0] = np.cumsum(widths[order] + spaces) - widths[order] / 2
        return wirelength(Placement(circuit, moved))

    best = min(map(length, permutations(range(3))))
    reorder(Wires.of(circuit), Segments(circuit, rows, centre), centre)
    assert wirelength(Placement(circuit, centre)) == pytest.approx(best)
    assert_legal(Placement(circuit, centre), rows)


def tied_to_pads(corner, widths, pads):
    """Cells of two rows, each tied to a pad of its own, of no size."""
    n = len(widths)
    size = np.concatenate([np.stack([widths, np.full(n, 2.0)], axis=1), np.zeros((n, 2))])
    circuit = Circuit(
        names=[f"c{k}" for k in range(2 * n)],
        size=size,
        fixed=np.arange(2 * n) >= n,
        corner=np.concatenate([corner, pads]),
        pin_cell=np.arange(2 * n).reshape(2, n).T.ravel(),
        pin_net=np.repeat(np.arange(n), 2),
        pin_offset=np.zeros((2 * n, 2)),
    )
    return circuit, circuit.centre(), Rows(np.array([0.0, 2.0]), np.zeros(2), np.full(2, 20.0), 2.0)


def repeated(step, circuit, rows, centre):
    """A step in the row that the nets want, or in one beside it, until chance has had both."""
    rng = np.random.default_rng(0)
    for _ in range(20):
        step(Wires.of(circuit), Segments(circuit, rows, centre), centre, rng)


def test_a_cell_moves_into_free_space_above():
    pads = np.array([[10.0, 3.0], [2.0, 1.0]])
    circuit, centre, rows = tied_to_pads(np.array([[0.0, 0.0], [4.0, 0.0]]), [4.0, 2.0], pads)
    repeated(move, circuit, rows, centre)
    np.testing.assert_allclose(centre[0], pads[0])
    assert_legal(Placement(circuit, centre), rows)


def test_cells_of_unequal_widths_change_places_where_both_fit():
    corner = np.array([[0.0, 0.0], [4.0, 0.0], [14.0, 2.0], [11.0, 2.0], [18.0, 2.0]])
    pads = np.array([[16.0, 3.0], [5.0, 1.0], [2.0, 1.0], [12.0, 3.0], [19.0, 3.0]])
    circuit, centre, rows = tied_to_pads(corner, [4.0, 2.0, 3.0, 3.0, 2.0], pads)
    repeated(swap, circuit, rows, centre)
    np.testing.assert_allclose(centre[[0, 2]], pads[[0, 2]])
    assert_legal(Placement(circuit, centre), rows)


TWO_PAIRS = [[4.0, 0.0], [10.0, 0.0], [0.0, 2.0], [15.0, 2.0]], [2.0, 2.0, 5.0, 5.0]
WANT_ONE_SPACE = [[2.5, 3.0], [17.5, 3.0], [7.5, 1.0], [8.5, 1.0]]
NEIGHBOURS = [[0.0, 0.0], [6.0, 0.0]], [2.0, 2.0]


@pytest.mark.parametrize(
    ("corner", "widths", "pads", "moves"),
    [(*TWO_PAIRS, WANT_ONE_SPACE, True), (*NEIGHBOURS, [[4.5, 1.0]] * 2, False)],
    ids=["two pairs", "neighbours"],
)
def test_swaps_do_not_take_one_space_twice(corner, widths, pads, moves):
    circuit, start, rows = tied_to_pads(np.array(corner), widths, np.array(pads))
    moved = False
    for seed in range(20):
        centre = start.copy()
        swap(Wires.of(circuit), Segments(circuit, rows, centre), centre, np.random.default_rng(seed))
        assert_legal(Placement(circuit, centre), rows)
        moved |= not np.array_equal(centre, start)
    assert moved == moves


@pytest.mark.parametrize(
    "corner", [[1.0, 0.0], [-1.0, 0.0], [17.0, 0.0], [0.0, 1.0], [0.0, 40.0], [12.25, 0.0]],
    ids=["overlap", "left", "right", "between rows", "above", "between sites"],
)  # fmt: skip
def test_cells_that_do_not_stand_in_rows_are_named(corner):
    corner = np.array([corner, [4.0, 0.0]])
    circuit, centre, rows = tied_to_pads(corner, [4.0, 4.0], np.zeros((2, 2)))
    with pytest.raises(ValueError, match=r"'c[01]' does not stand in these rows, on a site and clear of others"):
        refine_placement(Placement(circuit, centre), replace(rows, site=0.5))


def test_passes_go_on_as_without_a_look_and_end_on_request():
    legal = legal_placement(spread_placement(quadratic_placement(random_circuit(1, cells=40), rng=0), ROWS), ROWS)
    seen = []

    def look(placement):
        seen.append(placement)
        if len(seen) == 2:
            raise StopIteration

    stopped = refine_placement(legal, ROWS, callback=look, rng=0)
    np.testing.assert_array_equal(stopped.centre, seen[-1].centre)
    np.testing.assert_array_equal(refine_placement(legal, ROWS, passes=2, rng=0).centre, stopped.centre)

    def interrupted(placement):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        refine_placement(legal, ROWS, callback=interrupted, rng=0)
