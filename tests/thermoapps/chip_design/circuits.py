"""Circuits to be placed, and what makes a placement legal."""

from dataclasses import replace

import numpy as np

from thermoapps.chip_design import Circuit, Placement, Rows

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


def mixed(seed, site):
    """Macros, cells of two rows and a fixed block among cells of one row, anywhere, and rows for them."""
    rng = np.random.default_rng(seed)
    circuit = random_circuit(seed, cells=40)
    size = circuit.size.copy()
    size[:5] = rng.uniform(2.5, 8, (5, 2))  # macros
    size[5:10, 1] = 4.0  # cells of two rows
    size[-1] = 6.0, 3.0  # a fixed block
    circuit = replace(circuit, size=size)
    rows = Rows(np.arange(20.0) * 2, np.full(20, 1.0), np.full(20, 41.0), 2.0, site)
    placed = Placement(circuit, np.where(circuit.fixed[:, None], circuit.centre(), rng.uniform(-5, 45, size.shape)))
    return placed, rows


def assert_legal(placement, rows):
    """Every cell on a row, within it over its whole height, on a site, and clear of all others."""
    circuit, tiny = placement.circuit, 1e-6
    low, high = placement.centre - circuit.size / 2, placement.centre + circuit.size / 2
    np.testing.assert_array_equal(placement.centre[circuit.fixed], circuit.centre()[circuit.fixed])
    for cell in np.flatnonzero(~circuit.fixed):
        touched = (rows.y < high[cell, 1] - tiny) & (rows.y + rows.height > low[cell, 1] + tiny)
        around = touched & (rows.left <= low[cell, 0] + tiny) & (rows.right >= high[cell, 0] - tiny)
        assert np.isclose(rows.y, low[cell, 1], atol=tiny).any()
        assert around.sum() * rows.height >= circuit.size[cell, 1] - tiny
        if rows.site:
            steps = (low[cell, 0] - rows.left[around]) / rows.site
            assert np.allclose(steps, np.round(steps), atol=tiny)
    solid = np.flatnonzero(circuit.size.prod(axis=1) > 0)
    order = solid[np.argsort(low[solid, 0])]
    for at, cell in enumerate(order):
        later = order[at + 1 :][low[order[at + 1 :], 0] < high[cell, 0] - tiny]
        clear = (low[later, 1] >= high[cell, 1] - tiny) | (high[later, 1] <= low[cell, 1] + tiny)
        assert np.all(clear | circuit.fixed[later] & circuit.fixed[cell])
