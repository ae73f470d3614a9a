"""Other packages' quadratic programs: problems and solutions of qpsolvers, which finds the device among its solvers."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from thermoapps.quadratic_program.problem import Problem
from thermoapps.quadratic_program.solution import Solution

__all__ = ["NAME", "register", "to_qpsolvers"]

NAME = "thermolinalg"
"""The name of the solver in other packages."""


def to_qpsolvers(problem: Any, solve: Callable[[Problem], Solution]) -> Any:
    """A `qpsolvers.Problem`, solved, as a `qpsolvers.Solution`.

    Parameters
    ----------
    problem : qpsolvers.Problem
    solve : callable
        What solves a problem of ours.

    Returns
    -------
    qpsolvers.Solution

    Raises
    ------
    TypeError
        What is no problem of either package.
    """
    if all(kind.__module__.partition(".")[0] != "qpsolvers" for kind in type(problem).__mro__):
        raise TypeError(f"problem must be a Problem of this package or of qpsolvers, got {type(problem).__name__}")
    import qpsolvers

    names = ("P", "q", "G", "h", "A", "b", "lb", "ub")
    ours = solve(Problem(*(getattr(problem, name) for name in names)))
    theirs = qpsolvers.Solution(problem)
    theirs.found, theirs.extras = ours.found, {NAME: ours}
    if ours.found:
        theirs.x, theirs.obj = ours.x, ours.obj
        theirs.z, theirs.y, theirs.z_box = ours.z, ours.y, ours.z_box
    return theirs


def register(solve: Callable[..., Any]) -> None:
    """Stand among the solvers of qpsolvers, where it is installed.

    Parameters
    ----------
    solve : callable
        (qpsolvers.Problem, initvals, verbose, options) ↦ qpsolvers.Solution.
    """
    if find_spec("qpsolvers") is None:
        return
    from qpsolvers import solvers

    if NAME not in solvers.available_solvers:
        solvers.available_solvers.append(NAME)
        solvers.sparse_solvers.append(NAME)
    solvers.solve_function[NAME] = lambda problem, initvals=None, verbose=False, **options: solve(
        problem, initvals=initvals, verbose=verbose, **options
    )
