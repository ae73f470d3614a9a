"""Labels on graphs: the limits of scikit-learn's iterations, its checks, and graphs that it has no words for."""

import numpy as np
import pytest
import scipy.sparse as sp

pytest.importorskip("sklearn")

from sklearn.datasets import make_moons
from sklearn.metrics.pairwise import laplacian_kernel
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.utils.estimator_checks import parametrize_with_checks

from thermoapps.semi_supervised import ThermodynamicLabelPropagation, ThermodynamicLabelSpreading

PAIRS = [(ThermodynamicLabelSpreading, LabelSpreading), (ThermodynamicLabelPropagation, LabelPropagation)]
PATH = sp.diags_array([np.ones(5), np.ones(5)], offsets=[-1, 1], shape=(6, 6)).tocsr()


MARKED = {"check_classifiers_classes": "a class of −1 means no label here, as it does to scikit-learn's own"}


@parametrize_with_checks(
    [ThermodynamicLabelSpreading(), ThermodynamicLabelPropagation()], expected_failed_checks=lambda _: MARKED
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


def moons():
    X, y = make_moons(80, noise=0.05, random_state=0)
    known = np.random.default_rng(0).random(80) < 0.2
    return X, np.where(known, y, -1), y


@pytest.mark.parametrize("kernel", ["rbf", "knn", laplacian_kernel], ids=["rbf", "knn", "function"])
@pytest.mark.parametrize(("mine", "theirs"), PAIRS)
def test_the_limit_of_scikit_learns_iteration(mine, theirs, kernel):
    X, labels, _ = moons()
    ours = mine(kernel, rng=0).fit(X, labels)
    same = theirs(kernel, max_iter=100_000, tol=1e-12).fit(X, labels)
    np.testing.assert_allclose(ours.label_distributions_, same.label_distributions_, atol=1e-7)
    np.testing.assert_array_equal(ours.transduction_, same.transduction_)
    np.testing.assert_array_equal(ours.classes_, same.classes_)
    places = X + 0.01
    np.testing.assert_allclose(ours.predict_proba(places), same.predict_proba(places), atol=1e-7)
    np.testing.assert_array_equal(ours.predict(places), same.predict(places))
    assert ours.n_iter_ > 0
    assert ours.device_time_ > 0


@pytest.mark.parametrize("mine", [mine for mine, _ in PAIRS])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csr_matrix], ids=["dense", "array", "matrix"])
def test_a_graph_may_be_given(mine, form):
    graph = form(PATH.toarray())
    found = mine("precomputed", rng=0).fit(graph, [0, -1, -1, -1, -1, 1])
    np.testing.assert_array_equal(found.transduction_, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found.predict(graph), [0, 0, 0, 1, 1, 1])


def test_propagation_on_a_path_is_linear():
    found = ThermodynamicLabelPropagation("precomputed", rng=0).fit(PATH, [0, -1, -1, -1, -1, 1])
    np.testing.assert_allclose(found.label_distributions_[:, 1], np.linspace(0, 1, 6), atol=1e-9)


def test_spreading_solves_its_equation():
    W, y = PATH.toarray(), np.array([0, -1, -1, -1, -1, 1])
    root = np.sqrt(W.sum(axis=0))
    limit = np.linalg.solve(np.eye(6) - 0.9 * W / root / root[:, None], (y[:, None] == [0, 1]).astype(float))
    found = ThermodynamicLabelSpreading("precomputed", alpha=0.9, rng=0).fit(PATH, y)
    np.testing.assert_allclose(found.label_distributions_, limit / limit.sum(axis=1, keepdims=True), atol=1e-9)


@pytest.mark.parametrize("mine", [mine for mine, _ in PAIRS])
def test_samples_without_a_way_to_a_label_have_none(mine):
    graph = sp.block_diag([PATH, PATH, sp.csr_array((1, 1))]).tocsr()
    labels = [0, -1, -1, -1, -1, 1] + [-1] * 7
    found = mine("precomputed", rng=0).fit(graph, labels).label_distributions_
    np.testing.assert_array_equal(found[6:], 0)
    np.testing.assert_allclose(found[:6].sum(axis=1), 1)


def test_clusters_tied_below_rounding_have_the_labels_that_they_are_tied_to():
    weights = np.zeros((6, 6))
    weights[0, 1] = weights[2, 3] = weights[4, 5] = 1.0
    weights[1, 2], weights[2, 5], weights[3, 4] = 1e-30, 3e-30, 1e-60
    found = ThermodynamicLabelPropagation("precomputed", rng=0).fit(weights + weights.T, [0, -1, -1, -1, 1, -1])
    expected = [[1, 0], [1, 0], [0.25, 0.75], [0.25, 0.75], [0, 1], [0, 1]]
    np.testing.assert_allclose(found.label_distributions_, expected, atol=1e-9)


@pytest.mark.parametrize("mine", [mine for mine, _ in PAIRS])
def test_all_labels_known(mine):
    found = mine("precomputed", rng=0).fit(PATH, [0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(found.transduction_, [0, 0, 0, 1, 1, 1])


def test_a_directed_graph():
    weights = np.array([[0.0, 0, 0, 0], [1, 0, 2, 0], [0, 1, 0, 3], [0, 0, 0, 0]])
    found = ThermodynamicLabelPropagation("precomputed", rng=0).fit(weights, [0, -1, -1, 1])
    # F1 = (F0 + 2 F2)/3 and F2 = (F1 + 3 F3)/4
    np.testing.assert_allclose(found.label_distributions_[:, 1], [0, 0.6, 0.9, 1], atol=1e-9)


@pytest.mark.parametrize(
    ("options", "X", "y", "match"),
    [
        ({}, [[0.0], [1.0]], [-1, -1], "no labels"),
        ({"alpha": 1.0}, [[0.0], [1.0]], [0, -1], "below 1"),
        ({"alpha": 0.0}, [[0.0], [1.0]], [0, -1], "alpha"),
        ({"kernel": "cosine"}, [[0.0], [1.0]], [0, -1], "precomputed"),
        ({"kernel": "precomputed"}, [[0.0, -1.0], [-1.0, 0.0]], [0, -1], "≥ 0"),
        ({"kernel": "precomputed"}, [[0.0], [1.0]], [0, -1], "shape"),
        ({"kernel": lambda X, Z: np.full((len(X), len(Z)), np.nan)}, [[0.0], [1.0]], [0, -1], "finite"),
        ({"max_iter": 0}, [[0.0], [1.0]], [0, -1], "max_iter"),
        ({"tol": -1.0}, [[0.0], [1.0]], [0, -1], "tol"),
        ({"rng": 0, "random_state": 0}, [[0.0], [1.0]], [0, -1], "both rng"),
    ],
)
def test_bad_input_is_refused(options, X, y, match):
    with pytest.raises(ValueError, match=match):
        ThermodynamicLabelSpreading(**options).fit(X, y)
