"""Arrays whose rows lie on several ranks: what NumPy has of the whole, or a sentence."""

import numpy as np
import pytest
from ranks import forked, on_ranks

from thermolinalg._arrays import add_multiple, column_norms, namespace, product
from thermolinalg._ranks import DistributedArray, Partition, Serial
from thermolinalg.distributed import gather, scatter, vector

N, K = 11, 3
X, Y = np.random.default_rng(0).standard_normal((2, N, K))
W = np.abs(X[:, 0]) + 0.5

PIECES = {1: [0, N], 2: [0, 4, N], 3: [0, 4, 4, N]}
"""Pieces of any size; a rank without rows among them."""

EXPRESSIONS = {
    "arithmetic": lambda xp, x, y, w: (2 * x - y / 3 + x**2) * w[:, None] + 1,
    "beside what all ranks have": lambda xp, x, y, w: np.arange(3.0) * x + np.float64(2.0),
    "in place": lambda xp, x, y, w: in_place(x),
    "comparisons": lambda xp, x, y, w: xp.where((x > y) & ~(x < 0), x, 0.0),
    "functions": lambda xp, x, y, w: xp.sqrt(abs(x)) + xp.maximum(x, y) + xp.hypot(x, y) + xp.round(10 * x),
    "logarithms": lambda xp, x, y, w: 2.0 ** xp.round(-0.5 * xp.log2(w)),
    "sum over rows": lambda xp, x, y, w: xp.sum(x * y, axis=0),
    "sum over columns": lambda xp, x, y, w: xp.sum(x, axis=1),
    "sum of all": lambda xp, x, y, w: xp.sum(x),
    "kept axis": lambda xp, x, y, w: xp.max(x, axis=0, keepdims=True) + xp.min(x, axis=1, keepdims=True),
    "largest": lambda xp, x, y, w: xp.stack([xp.max(x, axis=0), xp.min(x, axis=0)]),
    "where": lambda xp, x, y, w: np.array([xp.argmax(w), xp.argmin(w)]),
    "mean": lambda xp, x, y, w: xp.mean(x, axis=0) + xp.std(x, axis=0),
    "any and all": lambda xp, x, y, w: np.array([bool(xp.any(x > 2)), bool(xp.all(w > 0)), bool((x < 9).all())]),
    "norms": lambda xp, x, y, w: xp.linalg.vector_norm(x, axis=0) + column_norms(y) + column_norms(x[:, :1]),
    "norms of rows": lambda xp, x, y, w: column_norms(x.T),
    "huge norms": lambda xp, x, y, w: column_norms(1e200 * x) / 1e200,
    "products": lambda xp, x, y, w: product(x.T, y) + (w @ x) + x.T @ w[:, None],
    "product with a small matrix": lambda xp, x, y, w: x @ np.arange(12.0).reshape(3, 4),
    "columns": lambda xp, x, y, w: xp.concat([x[:, :1], y[:, [2, 0]], w[:, None]], axis=1),
    "stacks": lambda xp, x, y, w: xp.stack([x[:, 0], w], axis=1) + xp.stack([w, x[:, 1]]).T,
    "rows": lambda xp, x, y, w: x[5] + x[-1] + x[3, 1],
    "some rows": lambda xp, x, y, w: xp.sum(x[2:9], axis=0) + xp.sum(x[7:], axis=0),
    "new axes": lambda xp, x, y, w: xp.squeeze(x[:, None, :] * w[:, None, None], axis=1)[..., 1],
    "shapes": lambda xp, x, y, w: xp.reshape(x.T[None], (1, K, N))[0] + xp.reshape(w, (1, -1)),
    "stack of bases": lambda xp, x, y, w: bases(xp, x),
    "assignment": lambda xp, x, y, w: assigned(x, y),
    "new arrays": lambda xp, x, y, w: xp.zeros_like(x) + xp.full_like(x, 2.0) + xp.ones((N, 1), device=x.device),
    "types": lambda xp, x, y, w: xp.astype(x, xp.float32),
    "NumPy's own names": lambda xp, x, y, w: np.sqrt(w) * np.linalg.norm(x) + np.where(w > 1, w, 0.0) + np.sum(x),
    "y + a x": lambda xp, x, y, w: add_multiple(2.0, x, y + 0.0),
}


def in_place(x):
    y = x + 0.0
    y += 1
    y *= x
    y /= np.arange(1.0, 4.0)
    return y


def assigned(x, y):
    z = x + 0.0
    z[:, 1] = y[:, 2]
    z[4, 0] = 7.0
    z[:, [0, 2]] = 2 * y[:, :2]
    z[8:, :] = x[8:, :]
    return z


def bases(xp, x):
    """As bases of Krylov spaces are used."""
    basis = xp.empty((K, 4, N), dtype=x.dtype, device=x.device)
    basis[:, 0] = x.T
    basis[:, 1] = 2 * x.T
    known = basis[:, :2]
    overlap = xp.matmul(known, x.T[:, :, None])
    return xp.matmul(xp.matrix_transpose(overlap), known)[:, 0, :]


def evaluated(comm):
    """All expressions on the ranks of a communicator, brought together; the same on every rank."""
    partition = Partition(comm, PIECES[comm.size])
    x, y, w = (DistributedArray(whole[partition.here].copy(), partition) for whole in (X, Y, W))
    xp = namespace(x)
    return {name: gather(expression(xp, x, y, w)) for name, expression in EXPRESSIONS.items()}


@pytest.fixture(scope="module", params=[1, pytest.param(2, marks=forked), pytest.param(3, marks=forked)])
def found(request):
    return [evaluated(Serial())] if request.param == 1 else on_ranks(request.param, evaluated)


@pytest.mark.parametrize("name", EXPRESSIONS)
def test_what_numpy_has_of_the_whole(found, name):
    expected = EXPRESSIONS[name](namespace(X), X, Y, W)
    for rank in found:
        np.testing.assert_allclose(rank[name], expected, rtol=3e-15, atol=1e-14)
        assert rank[name].dtype == expected.dtype
        assert np.array_equal(rank[name], found[0][name])


@forked
def test_an_inner_product_is_one_reduction():
    def counted(comm):
        x = vector(np.ones(4 + comm.rank), comm)
        before = comm.reductions
        return float(x @ x), comm.reductions - before

    assert on_ranks(2, counted) == [(9.0, 1)] * 2


@forked
def test_nan_on_one_rank_is_seen_on_all():
    def largest(comm):
        partition = Partition.of(comm, 2)
        x = DistributedArray(np.array([1.0, np.nan if comm.rank == 1 else 2.0]), partition)
        return float(x.max()), float(x.min()), bool((x > 0).all())

    for found in on_ranks(3, largest):
        assert np.isnan(found[0])
        assert np.isnan(found[1])
        assert not found[2]


REFUSALS = {
    "all rows in one place": (lambda x, y: np.asarray(x), TypeError, "gather"),
    "an array of NumPy beside rows": (lambda x, y: x + np.ones((N, K)), ValueError, "scatter"),
    "two axes": (lambda x, y: x[:, :1] + x[:, :1].T, ValueError, "shared out alike"),
    "rows by a list": (lambda x, y: x[[1, 2]], TypeError, "slice with step 1"),
    "every second row": (lambda x, y: x[::2], TypeError, "slice with step 1"),
    "a row that is not there": (lambda x, y: x[N], IndexError, "out of bounds"),
    "rows below rows": (lambda x, y: namespace(x).concat([x, y]), TypeError, "columns side by side"),
    "another shape": (lambda x, y: namespace(x).reshape(x, (K, N)), TypeError, "cannot take the shape"),
    "an outer product": (lambda x, y: x @ y.T, ValueError, "two ways"),
    "a product with all rows": (lambda x, y: np.ones((2, N)) @ x, ValueError, "all rows on every rank"),
    "truth": (lambda x, y: bool(x), ValueError, "any"),
    "another function": (lambda x, y: np.linalg.svd(x), TypeError, "svd"),
    "an array of a stranger's size": (
        lambda x, y: namespace(x).zeros((N + 1, 2), device=x.device),
        TypeError,
        f"share {N} rows",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_cannot_be_is_refused_in_a_sentence(name):
    call, kind, match = REFUSALS[name]
    x, y = (vector(whole, Serial()) for whole in (X, Y))
    with pytest.raises(kind, match=match):
        call(x, y)


@pytest.mark.parametrize(
    ("rows", "kind", "match"),
    [
        ([1.0, np.nan], ValueError, "NaN"),
        ([1j], TypeError, "real"),
        (["a"], TypeError, "numeric"),
        (np.ones((2, 2, 2)), ValueError, "dimension"),
    ],
)
def test_rows_that_are_no_vector_are_refused(rows, kind, match):
    with pytest.raises(kind, match=match):
        vector(rows, Serial())


@forked
@pytest.mark.parametrize(
    ("rows", "kind", "match"),
    [
        (lambda rank: np.ones((2, 1 + rank)), ValueError, "columns"),
        (lambda rank: np.ones(2, [np.float32, np.float64][rank]), TypeError, "dtypes"),
        (lambda rank: [1.0, [np.nan, 1.0][rank]], ValueError, "NaN"),
    ],
)
def test_what_one_rank_refuses_is_refused_on_all(rows, kind, match):
    def refused(comm):
        with pytest.raises(kind, match=match):
            vector(rows(comm.rank), comm)
        return True

    assert on_ranks(2, refused) == [True, True]


def test_scattered_and_gathered():
    x = scatter(X, vector(W, Serial()))
    assert np.array_equal(gather(x), X)
    assert gather(3.0) == 3.0
    with pytest.raises(ValueError, match="11 are shared out"):
        scatter(X[1:], x)


def test_partitions_that_differ_do_not_fit():
    one, other = (DistributedArray(np.ones(2), Partition(comm, [0, 2])) for comm in (Serial(), Other()))
    with pytest.raises(ValueError, match="shared out alike"):
        one + other


class Other(Serial):
    """A rank of another run."""

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = Serial.__hash__
