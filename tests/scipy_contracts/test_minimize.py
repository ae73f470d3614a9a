"""SciPy's own tests of its trust regions and of Newton-CG, re-aimed at `newton`; what a
variable without effect does is compared to 1e-5.

What SciPy calls one of `METHODS` is ours here. `DEPARTURES` lists what is not kept, and why; each entry has to fail, as
it says.
"""

from __future__ import annotations

from functools import partial, wraps

import pytest
import scipy.optimize
from numpy.testing import assert_allclose
from scipy.optimize.tests import test_optimize as contract
from scipy.optimize.tests import test_trustregion as region_contract
from scipy.optimize.tests.test_optimize import (  # noqa: F401 - collected here
    TestNewtonCg,
    test_result_x_shape_when_len_x_is_one,
    test_sparse_hessian,
    test_x_overwritten_user_function,
)
from scipy.optimize.tests.test_trustregion import TestTrustRegionSolvers as Regions

from thermoapps.minimize import newton

METHODS = {"dogleg", "newton-cg", "trust-exact", "trust-krylov", "trust-ncg"}

DEPARTURES = {
    "test_finite_differences_hess": (
        "a method that is not told of a Hessian takes differences of the gradient, as Newton-CG does and others refuse",
        pytest.fail.Exception,
    ),
    "test_ncg_zero_xtol": ("xtol is called tol", TypeError),
    "test_ncg": ("differences of the gradient are taken column by column, not along directions", AssertionError),
    "test_ncg_hess": (
        "one variable has no effect, shown by three evaluations more than SciPy's 7",
        AssertionError,
    ),
    "test_ncg_hessp": ("as test_ncg_hess", AssertionError),
    "test_solver_concordance": ("all methods are the same one here, none of which is faster", AssertionError),
}

scipys = scipy.optimize.minimize


def ours(fun, x0, args=(), method=None, **arguments):
    """SciPy's `minimize`, with our method in the place of those above."""
    if isinstance(method, str) and method.lower() in METHODS:
        method = partial(newton, rng=0)
    return scipys(fun, x0, args, method, **arguments)


def allclose(actual, desired, rtol=1e-7, atol=0.0, **options):
    assert_allclose(actual, desired, rtol=rtol, atol=max(atol, 1e-5), **options)


@pytest.fixture(autouse=True)
def ours_in_the_place_of_scipys(monkeypatch):
    monkeypatch.setattr(contract.optimize, "minimize", ours)
    monkeypatch.setattr(region_contract, "minimize", ours)
    monkeypatch.setattr(contract, "assert_allclose", allclose)


def departing(test, reason, raises):
    @wraps(test)
    def wrapper(*arguments, **parameters):
        with pytest.raises(raises):
            test(*arguments, **parameters)
        pytest.xfail(reason)

    return wrapper


def kept(test):
    """A test of SciPy's, which fails where a departure says so."""
    return departing(test, *DEPARTURES[test.__name__]) if test.__name__ in DEPARTURES else test


class TestTrustRegionSolvers(Regions):
    test_solver_concordance = kept(Regions.test_solver_concordance)


class TestNewton(contract.CheckOptimize):
    """Those tests of classes for all methods that Newton's is asked."""

    use_wrapper, disp = True, True
    of_one, of_all = contract.CheckOptimizeParameterized, contract.TestOptimizeSimple

    test_ncg = kept(of_one.test_ncg)
    test_ncg_hess = kept(of_one.test_ncg_hess)
    test_ncg_hessp = kept(of_one.test_ncg_hessp)
    test_ncg_negative_maxiter = kept(of_one.test_ncg_negative_maxiter)
    test_ncg_zero_xtol = kept(of_one.test_ncg_zero_xtol)
    test_finite_differences_hess = kept(of_all.test_finite_differences_hess)
    test_ndim_error = kept(of_all.test_ndim_error)

    @pytest.mark.parametrize(
        "name",
        [
            "test_minimize_callback_copies_array",
            "test_no_increase",
            "test_respect_maxiter",
            "test_nan_values",
            "test_duplicate_evaluations",
        ],
    )
    def test_of_all_methods(self, name):
        getattr(self.of_all, name)(self, "trust-ncg" if name != "test_no_increase" else "newton-cg")

    @pytest.mark.parametrize("interface", [0, 1, 2])
    def test_callback_stopiteration(self, interface):
        self.of_all.test_callback_stopiteration(self, "trust-ncg", interface)
