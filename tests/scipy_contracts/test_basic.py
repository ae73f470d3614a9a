"""SciPy's own tests of `solve` and `inv`, re-aimed at ours; values are compared to 1e-5.

`DEPARTURES` lists what is not kept, and why; each entry has to fail, as it says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps

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


def is_indefinite(dtype, assume_a, transposed, **_):
    real = not np.issubdtype(dtype, np.complexfloating)
    return assume_a in (("symmetric", "sym", "hermitian", "her") if real else ("hermitian", "her")) and (
        real or not transposed
    )


def is_complex_and_transposed(dtype, transposed, **_):
    return transposed and np.issubdtype(dtype, np.complexfloating)


@dataclass(frozen=True)
class Departure:
    """Tests of SciPy's that must fail, for one reason.

    Parameters
    ----------
    reason : str
    raises : type or tuple of types
    tests : dict
        Which parameters of which tests.
    """

    reason: str
    raises: type[BaseException] | tuple[type[BaseException], ...]
    tests: dict[str, Callable[..., bool]]


DEPARTURES = [
    Departure(
        "a device relaxes only where A is positive definite: symmetric indefinite A is refused with the evidence and "
        "the remedy assume_a='sym' or 'gen', never solved another way unasked",
        np.linalg.LinAlgError,
        {
            "test_20Feb04_bug": always,
            "test_posdef_not_posdef": always,
            "test_tridiagonal": always,
            "test_structure_detection": is_indefinite,
        },
    ),
    Departure(
        "inputs are never overwritten, whatever overwrite_a and overwrite_b say",
        AssertionError,
        {
            "test_overwrite_args": asks_to_overwrite,
            "test_overwrite_a": lambda overwrite_kw: overwrite_kw.get("overwrite_a", False),
        },
    ),
    Departure(
        "the same refusal in words of our own: SciPy's test wants its own name in the text",
        AssertionError,
        {"test_structure_detection": is_complex_and_transposed},
    ),
    Departure(
        "an ill-conditioned A is not warned of for being so: badly scaled ones are rescaled and solved, and a residual "
        "that misses its tolerance is warned of in words of our own",
        (pytest.fail.Exception, tla.ThermodynamicWarning),
        {"test_ill_condition_warning": always, "test_ill_cond": always, "test_diagonal": always},
    ),
    Departure(
        "assume_a='pos' with an A that is not Hermitian is refused; SciPy's test expects what it calls nonsense",
        np.linalg.LinAlgError,
        {"test_pos_fails_sym_complex": always},
    ),
    Departure(
        "a number is not a matrix, and b has as many rows as A",
        ValueError,
        {"test_scalar_a_and_1D_b": always, "test_singular_scalar": always},
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
                with pytest.raises(departure.raises):
                    test(self, **parameters)
                pytest.xfail(departure.reason)
        test(self, **parameters)

    return wrapper


@pytest.fixture(autouse=True)
def ours_in_the_place_of_scipys(monkeypatch):
    monkeypatch.setattr(contract, "solve", partial(tla.solve, rng=0))
    monkeypatch.setattr(contract, "inv", partial(tla.inv, rng=0))
    monkeypatch.setattr(contract, "assert_allclose", allclose)


@keeping(contract.TestSolve)
class TestSolve(contract.TestSolve):
    pass


@keeping(contract.TestInv)
class TestInv(contract.TestInv):
    pass
