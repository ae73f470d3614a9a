"""Problems of Maros and Mészáros against their reference optima."""

import csv

import numpy as np
import pytest
import scipy.io
import scipy.sparse as sp

from thermoapps.quadratic_program import Problem, solve_problem

SOLVED = [
    pytest.param("AUG3DQP", marks=pytest.mark.slow),
    "CVXQP1_S",
    "CVXQP3_S",
    "DPKLO1",
    "DUAL1",
    "DUAL4",
    "DUALC1",
    "GENHS28",
    "HS118",
    "HS21",
    "HS35",
    "HS51",
    "HS53",
    "HS76",
    "KSIP",
    "LOTSCHD",
    "MOSARQP2",
    "PRIMAL1",
    "PRIMALC1",
    "QADLITTL",
    "QAFIRO",
    "QPCBLEND",
    "QSHARE1B",
    "TAME",
]


def read(folder, name):
    """A problem and its reference optimum without the constant."""
    data = scipy.io.loadmat(folder / f"{name}.mat", spmatrix=False)
    P, C, q = sp.csr_array(data["Q"]), sp.csr_array(data["A"]), data["c"].ravel()
    below, above, lb, ub = (data[key].ravel().astype(float) for key in ("rl", "ru", "lb", "ub"))
    lb, ub = np.where(lb <= -1e20, -np.inf, lb), np.where(ub >= 1e20, np.inf, ub)
    equal = below == above
    up, down, same = (np.flatnonzero(rows) for rows in (~equal & (above < 1e20), ~equal & (below > -1e20), equal))
    G, h = sp.vstack([C[up], -C[down]]), np.concatenate([above[up], -below[down]])
    with (folder / "reference.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["name"] == name)
    return Problem(P, q, G, h, C[same], below[same], lb, ub), float(row["reference_optimum"]), float(row["constant_c0"])


@pytest.mark.parametrize("name", SOLVED)
def test_optimum_is_the_reference(data_folder, name):
    problem, reference, constant = read(data_folder / "qp", name)
    solution = solve_problem(problem, rng=0)
    assert solution.status == "solved"
    scale = abs(reference) if abs(reference) > 1e-12 else 1.0  # two optima are zero
    assert abs(solution.obj + constant - reference) <= 1e-6 * scale


def test_what_few_steps_do_not_reach_is_not_returned(data_folder):
    problem, _, _ = read(data_folder / "qp", "QSHARE1B")
    assert solve_problem(problem, maxiter=10, rng=0).status == "not certified"
