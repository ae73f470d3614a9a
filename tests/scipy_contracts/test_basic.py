"""SciPy's own tests of `solve` and `inv`, re-aimed at ours; values are compared to 1e-5.

`DEPARTURES` lists what is not kept, and why; each entry has to fail, as it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.linalg.tests import test_basic as contract

import thermolinalg as tla


def always(**parameters):
    return True


def never(**parameters):
    return False


def asks_to_overwrite(overwrite_kw, overwrite_b_kw, a_dtype, a_order, b_dtype, b_order, b_ndim, **_):
    """Whether SciPy would overwrite a or b, which it does to Fortran-ordered floats when told to."""
    overwrites_a = overwrite_kw.get("overwrite_a", False) and a_dtype is float and a_order == "F"
    overwrites_b = overwrite_b_kw.get("overwrite_b", False) and b_dtype is float and (b_order == "F" or b_ndim == 1)
    return overwrites_a or overwrites_b


def is_complex_and_transposed(dtype, transposed, **_):
    return transposed and np.issubdtype(dtype, np.complexfloating)


@dataclass(frozen=True)
class Call:
    """A call of solve or inv that SciPy's test made, and its answer."""

    name: str
    arguments: tuple[np.ndarray, ...]
    options: dict[str, Any]
    answer: np.ndarray


def right_if_transposed(call):
    a, b = call.arguments
    assert call.options["transposed"]
    np.testing.assert_allclose(call.answer, np.linalg.solve(a.T, b), rtol=1e-9)


def right_in_norm(call):
    """Every column is right to its tolerance, which is what SciPy's warning says that it may not be."""
    a, *rest = call.arguments
    n = a.shape[-1]
    if call.options.get("assume_a") == "tridiagonal":
        a = np.triu(np.tril(a, 1), -1)
    b = (rest[0] if rest else np.eye(n)).reshape(n, -1)
    for matrix, answer in zip(a.reshape(-1, n, n), call.answer.reshape(-1, *b.shape), strict=True):
        with mp.workdps(120):
            exact = np.array((mp.matrix(matrix.tolist()) ** -1 * mp.matrix(b.tolist())).tolist(), dtype=float)
        assert np.all(np.linalg.norm(answer - exact, axis=0) <= 2e-10 * np.linalg.norm(exact, axis=0))


@dataclass(frozen=True)
class Departure:
    """Tests of SciPy's that must fail, for one reason.

    Parameters
    ----------
    reason : str
    raises : type or tuple of types
    tests : dict
        Which parameters of which tests.
    check : callable, optional
        ``check(call)``: what holds instead of the last call's answer, where there is one.
    """

    reason: str
    raises: type[BaseException] | tuple[type[BaseException], ...]
    tests: dict[str, Callable[..., bool]]
    check: Callable[[Call], None] | None = None


DEPARTURES = [
    Departure(
        "inputs are never overwritten, whatever overwrite_a and overwrite_b say",
        AssertionError,
        {
            "test_overwrite_args": asks_to_overwrite,
            "test_overwrite_a": lambda overwrite_kw: overwrite_kw.get("overwrite_a", False),
        },
    ),
    Departure(
        "a complex A is solved transposed as well, where SciPy has a NotImplementedError",
        pytest.fail.Exception,
        {"test_structure_detection": is_complex_and_transposed},
        check=right_if_transposed,
    ),
    Departure(
        "A is balanced by powers of two before its condition is judged: what is only badly scaled is solved to its "
        "tolerance, without SciPy's warning",
        pytest.fail.Exception,
        {
            "test_ill_condition_warning": always,
            "test_ill_cond": always,
            "test_diagonal": always,
            "test_tridiagonal": always,
        },
        check=right_in_norm,
    ),
    Departure(
        "assume_a='pos' with an A that is not Hermitian is refused; SciPy's test expects what it calls nonsense",
        np.linalg.LinAlgError,
        {"test_pos_fails_sym_complex": always},
    ),
    Departure(
        "an unknown assume_a is a ValueError, in inv as in solve; SciPy's inv lets a KeyError out",
        ValueError,
        {"test_wrong_assume_a": always},
    ),
]


def allclose(actual, desired, rtol=1e-7, atol=0.0, **options):
    single = np.asarray(desired).dtype.char in "fF"
    least = 1e-5 * np.linalg.norm(desired) if single else 1e-9
    assert_allclose(actual, desired, rtol=max(rtol, 1e-5), atol=max(atol, least), **options)


def keeping(contract_class):
    """Class decorator: SciPy's tests as methods of their own, failing where a departure says so and only there."""

    def decorate(cls):
        for name in dict.fromkeys(name for departure in DEPARTURES for name in departure.tests):
            if hasattr(contract_class, name):
                setattr(cls, name, departing(getattr(contract_class, name)))
        return cls

    return decorate


def departing(test):
    @wraps(test)
    def wrapper(self, **parameters):
        for departure in DEPARTURES:
            if departure.tests.get(test.__name__, never)(**parameters):
                CALLS.clear()
                with pytest.raises(departure.raises):
                    test(self, **parameters)
                if departure.check is not None:
                    departure.check(CALLS[-1])
                pytest.xfail(departure.reason)
        test(self, **parameters)

    return wrapper


CALLS: list[Call] = []


def kept(function):
    """The same function with a fixed seed, its calls kept for the checks of departures."""

    def keeping_calls(*arguments, **options):
        before = tuple(np.array(argument) for argument in arguments)
        answer = function(*arguments, rng=0, **options)
        CALLS.append(Call(function.__name__, before, options, answer))
        return answer

    return keeping_calls


@pytest.fixture(autouse=True)
def ours_in_the_place_of_scipys(monkeypatch):
    monkeypatch.setattr(contract, "solve", kept(tla.solve))
    monkeypatch.setattr(contract, "inv", kept(tla.inv))
    monkeypatch.setattr(contract, "assert_allclose", allclose)


@keeping(contract.TestSolve)
class TestSolve(contract.TestSolve):
    pass


@keeping(contract.TestInv)
class TestInv(contract.TestInv):
    pass
