"""The pose graph and the bundle adjustment of the experiment, small: minima, Jacobians and variances."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import least_squares

import thermolinalg as tla
from thermoapps.least_squares import thermodynamic_least_squares

EXPERIMENTS = Path(__file__).resolve().parents[3] / "experiments"


@pytest.fixture(scope="module")
def experiment():
    pytest.importorskip("matplotlib")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        return importlib.import_module("sparse_least_squares")


def test_a_pose_graph_and_how_sure_it_is(experiment):
    town = experiment.PoseGraph(60, np.random.default_rng(3))
    assert np.all(abs(town.fun(town.truth[1:].ravel())) < 6)
    by_differences = least_squares(town.fun, town.x0, "3-point", max_nfev=1).jac
    assert np.allclose(town.jac(town.x0).toarray(), by_differences, atol=1e-5)
    result = thermodynamic_least_squares(town.fun, town.x0, town.jac, rng=0)
    expected, _ = experiment.gauss_newton(town.fun, town.x0, town.jac)
    assert result.success
    assert np.allclose(result.x, expected, atol=1e-6)
    inverse = np.linalg.inv((result.jac.T @ result.jac).toarray())
    held = tla.program(result.jac.T @ result.jac, assume_a="pos", rng=0)
    assert np.allclose(held.variance_of(np.eye(result.x.size)[:5]), np.diag(inverse)[:5], rtol=1e-6)


def test_a_bundle_adjustment_by_sparse_differences(experiment):
    bundle = experiment.Bundle(5, 20, np.random.default_rng(1))
    dense = least_squares(bundle.fun, bundle.x0)
    assert not np.any(dense.jac[~bundle.sparsity.toarray().astype(bool)])
    result = thermodynamic_least_squares(bundle.fun, bundle.x0, jac_sparsity=bundle.sparsity, rng=0)
    assert result.success
    assert np.isclose(result.cost, dense.cost, rtol=1e-6)
