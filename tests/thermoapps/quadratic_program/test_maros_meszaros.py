"""Problems of Maros and Mészáros against their reference optima."""

import pytest

from benchmarks.applications.programs import maros_meszaros
from thermoapps.quadratic_program import solve_problem

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


@pytest.mark.parametrize("name", SOLVED)
def test_optimum_is_the_reference(data_folder, name):
    problem, reference, constant = maros_meszaros(data_folder / "qp", name)
    solution = solve_problem(problem, rng=0)
    assert solution.status == "solved"
    scale = abs(reference) if abs(reference) > 1e-12 else 1.0  # two optima are zero
    assert abs(solution.obj + constant - reference) <= 1e-6 * scale


def test_what_few_steps_do_not_reach_is_not_returned(data_folder):
    problem, _, _ = maros_meszaros(data_folder / "qp", "QSHARE1B")
    assert solve_problem(problem, maxiter=10, rng=0).status == "not certified"
