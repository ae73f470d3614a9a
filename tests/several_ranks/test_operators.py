"""Operators on several ranks: the products of the whole, and no message that is not needed."""

import numpy as np
import pytest
import scipy.sparse as sp
from ranks import forked, on_ranks

from thermolinalg.distributed import MatrixFreeRows, RowPartitioned, Serial, Stencil, gather, rows_of, scatter
from thermolinalg.operators import Diagonal

from .problems import grid, scattered_graph, shared, uneven

SIDE = 12
GRID, GRAPH = grid(SIDE), scattered_graph(100)
RANKS = [pytest.param(1), pytest.param(2, marks=forked), pytest.param(3, marks=forked)]


def on(size, function):
    """The function on so many ranks; one of them needs no other process."""
    return [function(Serial())] if size == 1 else on_ranks(size, function)


def close(found, expected, dtype=np.float64):
    np.testing.assert_allclose(found, expected, rtol=10 * np.finfo(dtype).eps, atol=50 * np.finfo(dtype).eps)


@pytest.mark.parametrize("size", RANKS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("A", [GRID, GRAPH], ids=["grid", "graph"])
def test_rows_multiply_as_the_whole(A, dtype, size):
    A = A.astype(dtype)
    V = np.random.default_rng(0).standard_normal((A.shape[0], 3)).astype(dtype)

    def products(comm):
        op = shared(A, comm)
        v = scatter(V, op)
        total = op.add_product(v, v + 0.0)
        return op.dtype, [gather(x) for x in (op @ v, op @ v[:, 0], total, op.absolute(abs(v)), op.diagonal())]

    scale = max(1.0, float(abs(A).max()))
    expected = [A @ V, A @ V[:, 0], V + A @ V, abs(A) @ abs(V), A.diagonal()]
    for kind, found in on(size, products):
        assert kind == dtype
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype
            close(one / scale, other / scale, dtype)


@pytest.mark.parametrize("size", RANKS)
def test_rules_are_those_of_the_whole(size):
    def rules(comm):
        op = shared(GRAPH, comm)
        v = scatter(np.ones(100), op)
        wide = op.extended_residual(v[:, None], 1e-3 * v[:, None], 0 * v[:, None])
        return op.norm_bound(), op.trace(), op.nnz, gather(op.scaled(2.0, op.jacobi_scaling()) @ v), gather(wide)

    S = 2.0 ** np.round(-0.5 * np.log2(GRAPH.diagonal()))
    for bound, trace, nnz, scaled, residual in on(size, rules):
        assert bound == pytest.approx(abs(GRAPH).sum(axis=1).max(), rel=1e-14)
        assert trace == pytest.approx(GRAPH.trace(), rel=1e-14)
        assert nnz == GRAPH.nnz
        close(scaled, 2 * S * (GRAPH @ S))
        exact = 1 - GRAPH.astype(np.longdouble) @ np.full(100, 1e-3, np.longdouble)
        np.testing.assert_allclose(residual[:, 0], exact.astype(float), rtol=1e-15)


@pytest.mark.parametrize("size", RANKS)
@pytest.mark.parametrize("shape", [(SIDE, SIDE), (5, 4, 3), (7,), (2, 9), (1, 6)])
def test_a_stencil_is_the_matrix_of_its_grid(shape, size):
    n = int(np.prod(shape))
    whole = Stencil.laplacian(shape, 0.3, Serial())
    dense = gather(whole @ scatter(np.eye(n), whole))
    lines = [sp.diags_array([-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(m, m)) if m > 1 else [[2.0]] for m in shape]
    exact = sp.eye_array(n) * 0.3
    for axis, line in enumerate(lines):
        before, after = int(np.prod(shape[:axis])), int(np.prod(shape[axis + 1 :]))
        exact = exact + sp.kron(sp.kron(sp.eye_array(before), line), sp.eye_array(after))
    assert np.array_equal(dense, exact.toarray())
    V = np.random.default_rng(0).standard_normal((n, 2))

    def product(comm):
        op = Stencil.laplacian(shape, 0.3, comm)
        return gather(op @ scatter(V, op)), gather(op.absolute(scatter(abs(V), op))), op.norm_bound()

    for found, absolute, bound in on(size, product):
        close(found, exact @ V)
        close(absolute, abs(exact) @ abs(V))
        assert bound == pytest.approx(2 * 2 * len(shape) + 0.3)


@pytest.mark.parametrize("size", RANKS)
def test_a_stencil_reaches_over_ranks_of_few_planes(size):
    weights = {(0,): 4.0, (-4,): -1.0, (4,): -1.0, (2,): 0.5, (-2,): 0.5}
    exact = sp.diags_array([-1.0, 0.5, 4.0, 0.5, -1.0], offsets=[-4, -2, 0, 2, 4], shape=(7, 7))
    V = np.random.default_rng(0).standard_normal((7, 1))

    def product(comm):
        op = Stencil((7,), weights, comm)
        return gather(op @ scatter(V, op))

    for found in on(size, product):
        close(found, exact @ V)


@pytest.mark.parametrize("size", RANKS)
def test_a_map_gets_the_rows_it_asks_for(size):
    n = 30

    def product(comm):
        rows = rows_of(n, comm)
        needed = [i for i in (rows.start - 1, rows.stop) if 0 <= i < n]

        def chain(own, ghosts):
            above = ghosts[:1] if rows.start else 0 * own[:1]
            below = ghosts[-1:] if rows.stop < n else 0 * own[:1]
            padded = np.concatenate([above, own, below])
            return 2.5 * own - padded[:-2] - padded[2:]

        op = MatrixFreeRows(chain, rows.stop - rows.start, needed, comm)
        x = scatter(np.arange(30.0)[:, None], op)
        return gather(op @ x), gather(op.add_product(x, x + 0.0))

    exact = sp.diags_array([-1.0, 2.5, -1.0], offsets=[-1, 0, 1], shape=(n, n))
    for found, total in on(size, product):
        close(found[:, 0], exact @ np.arange(30.0))
        close(total[:, 0], exact @ np.arange(30.0) + np.arange(30.0))


@forked
def test_a_product_sends_what_others_need_and_nothing_else():
    def traffic(comm):
        op = RowPartitioned(GRID[rows_of(SIDE * SIDE, comm)], comm)
        x = op.vector(np.ones(op.like.local.shape[0]))
        before = comm.messages, comm.reductions
        op @ x
        sent = {rank: len(np.arange(1000)[rows]) for rank, rows in op.halo.sends.items()}
        return comm.messages - before[0], comm.reductions - before[1], sent

    assert on_ranks(3, traffic) == [
        (1, 0, {1: SIDE}),
        (2, 0, {0: SIDE, 2: SIDE}),
        (1, 0, {1: SIDE}),
    ]


def altered(i, j, value):
    A = GRID.tolil()
    A[i, j] = value
    return A.tocsr()


@pytest.mark.parametrize("size", RANKS)
@pytest.mark.parametrize(
    ("A", "kind", "match"),
    [
        (altered(3, 120, 1.0), ValueError, r"A\[(3, 120|120, 3)\] .* differ by 1"),
        (altered(3, 4, -1.001), ValueError, r"A\[(3, 4|4, 3)\] .* differ by 0.001"),
        (altered(50, 62, -1.001), ValueError, r"A\[(50, 62|62, 50)\] .* differ by 0.001"),
        (altered(3, 3, np.nan), ValueError, "NaN"),
        (GRID[:, :100], ValueError, "square"),
        (GRID * 1j, TypeError, "real"),
        (GRID.toarray(), TypeError, "sparse"),
        (sp.csr_array((0, 0)), ValueError, "square"),
    ],
    ids=["far", "near", "over", "nan", "rectangle", "complex", "dense", "empty"],
)
def test_rows_that_are_no_symmetric_matrix_are_refused_on_all_ranks(A, kind, match, size):
    def refused(comm):
        with pytest.raises(kind, match=match):
            RowPartitioned(A[uneven(comm, A.shape[0]).here], comm)
        return True

    assert all(on(size, refused))


@pytest.mark.parametrize("size", RANKS)
def test_rounding_is_no_asymmetry(size):
    A = altered(50, 62, -1.0 - 1e-15)
    assert on(size, lambda comm: shared(A, comm).shape) == [A.shape] * size


def test_wide_indices_and_repeated_entries_are_read():
    A = GRID.copy()
    A.indices, A.indptr = A.indices.astype(np.int64), A.indptr.astype(np.int64)
    op = RowPartitioned(A, Serial())
    assert op.own.matrix.indices.dtype == np.int32
    twice = sp.csr_array(([1.0, 1.0, 3.0], [0, 0, 1], [0, 2, 3]), (2, 2))
    assert np.array_equal(gather(RowPartitioned(twice, Serial()).diagonal()), [2.0, 3.0])


@pytest.mark.parametrize(
    ("make", "kind", "match"),
    [
        (lambda: Stencil((3, 3), {(0,): 1.0}, Serial()), ValueError, "does not fit a grid"),
        (lambda: Stencil((3,), {(1,): 1.0}, Serial()), ValueError, "opposite equal"),
        (lambda: Stencil((3,), {(0,): np.inf}, Serial()), ValueError, "finite"),
        (lambda: Stencil((0,), {(0,): 1.0}, Serial()), ValueError, "at least 1"),
        (lambda: MatrixFreeRows(lambda own, ghosts: own[:1], 3, [], Serial()), ValueError, "shape"),
        (lambda: MatrixFreeRows(lambda own, ghosts: np.cumsum(own, axis=0), 9, [], Serial()), ValueError, "symmetric"),
        (lambda: MatrixFreeRows(lambda own, ghosts: np.nan * own, 9, [], Serial()), ValueError, "finite"),
        (lambda: MatrixFreeRows(lambda own, ghosts: own, 9, [3], Serial()), ValueError, "other ranks"),
        (lambda: MatrixFreeRows(lambda own, ghosts: own, 9, [], Serial(), dtype=complex), TypeError, "real"),
        (lambda: MatrixFreeRows(lambda own, ghosts: own, 9, [], Serial(), dtype=np.float16), TypeError, "float32"),
        (lambda: MatrixFreeRows(lambda own, ghosts: own, 9, [], Serial(), diagonal=np.ones(3)), ValueError, "the 9"),
        (lambda: RowPartitioned(GRID, Serial()) @ np.ones(SIDE * SIDE), TypeError, "A.vector"),
        (lambda: RowPartitioned(GRID, Serial()).vector(np.ones(3)), ValueError, "the 144 of this rank"),
        (lambda: RowPartitioned(GRID, Serial()).dense(), TypeError, "entries of A in one place"),
        (lambda: RowPartitioned(GRID, 3), TypeError, "comm must be"),
    ],
)
def test_operators_that_cannot_be_are_refused(make, kind, match):
    with pytest.raises(kind, match=match):
        make()


def test_sums_and_multiples_are_operators_on_the_same_ranks():
    op = RowPartitioned(GRID, Serial())
    x = op.vector(np.arange(144.0))
    both = 0.5 * op + Stencil.laplacian((SIDE, SIDE), 1.0, Serial()) + Diagonal(op.diagonal())
    close((both @ x).local, 1.5 * (GRID @ x.local) + 0.9 * x.local + GRID.diagonal() * x.local)
    assert (-op @ x).local[5] == -(GRID @ x.local)[5]
    with pytest.raises(ValueError, match="does not fit"):
        op @ x[:100]
