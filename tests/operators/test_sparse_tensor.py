"""Sparse tensors: the numbers of the same matrix in NumPy, by every engine, in every layout, and on no other path."""

import numpy as np
import pytest
import scipy.sparse
from cases import grid
from helpers import close, normal, sparse, sparse_tensor, spd

import thermolinalg as tla
from thermolinalg.laws import Overdamped, Skew
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.quasi_definite import QuasiDefiniteEngine
from thermolinalg.matrix_functions.singular_factorised import PivotedLUEngine
from thermolinalg.matrix_functions.singular_krylov import KrylovSolvesEngine
from thermolinalg.operators import Sparse
from thermolinalg.operators.read import read_matrix, shifted_operator
from thermolinalg.operators.sparse_tensor import SparseTensor

torch = pytest.importorskip("torch")

A = grid(14, 0.1)
D = A.shape[0]
LOPSIDED = scipy.sparse.csr_array(A + scipy.sparse.diags_array([np.full(D - 1, 0.3)], offsets=[1]))


def pair(matrix, symmetric=True, dtype=torch.float64):
    """The same matrix in SciPy and in torch."""
    return Sparse(matrix, symmetric=symmetric), SparseTensor(matrix, torch.empty(0, dtype=dtype), symmetric=symmetric)


def tensors(blocks):
    return [None if block is None else torch.as_tensor(block) for block in blocks]


def assert_same(found, expected, rtol=1e-12):
    assert len(found) == len(expected)
    for block, reference in zip(found, expected, strict=True):
        assert isinstance(block, torch.Tensor)
        assert close(block, reference, rtol)


@pytest.mark.parametrize("layout", ["csr", "csc", "coo"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_every_layout_is_read_as_it_is(layout, dtype):
    H = spd(6, dtype=complex) if dtype is np.complex128 else grid(3, 0.1).astype(dtype)
    expected = read_matrix(scipy.sparse.csr_array(H))
    read = read_matrix(sparse_tensor(H, layout))
    assert isinstance(read.operator, SparseTensor)
    assert (read.symmetric, read.is_complex) == (True, dtype is np.complex128)
    assert read.operator.like.dtype == (torch.float32 if dtype is np.float32 else torch.float64)
    assert (read.operator.matrix != expected.operator.matrix).nnz == 0


def test_blocks_are_taken_apart():
    assert close(
        tla.solve(sparse_tensor(spd(8), "csr").to_sparse_bsr((2, 2)), torch.ones(8)),
        np.linalg.solve(spd(8), np.ones(8)),
        1e-6,
    )


def test_products_and_rules():
    v, total = normal((D, 3)), normal((D, 3), 1)
    for matrix, symmetric in ((A, True), (LOPSIDED, False), (scipy.sparse.csr_array(LOPSIDED[:, :50]), False)):
        theirs, ours = pair(matrix, symmetric)
        u = v[: matrix.shape[1]]
        expected = [
            theirs.apply(u),
            theirs.apply_transposed(v),
            theirs.add_product(u, total.copy()),
            theirs.absolute(abs(u)),
            theirs.extended_residual(v, u, 1e-17 * u),
            theirs.column_squares(),
            theirs.dense(),
            theirs.gram(),
            theirs.rescaled(2.0 ** np.arange(D) if D < 9 else None, abs(u[:, 0]), -0.5).apply(u),
            theirs.negated().apply(u),
            theirs.T.apply(v),
        ]
        u, w = torch.as_tensor(u), torch.as_tensor(v)
        found = [
            ours.apply(u),
            ours.apply_transposed(w),
            ours.add_product(u, torch.as_tensor(total.copy())),
            ours.absolute(abs(u)),
            ours.extended_residual(w, u, 1e-17 * u),
            ours.column_squares(),
            ours.dense(),
            ours.gram(),
            ours.rescaled(None, abs(u[:, 0]), -0.5).apply(u),
            ours.negated().apply(u),
            ours.T.apply(w),
        ]
        assert_same(found, expected)
    theirs, ours = pair(A)
    assert isinstance(shifted_operator(ours, 1.0), SparseTensor)
    assert_same([ours.diagonal(), ours.jacobi_scaling()], [theirs.diagonal(), theirs.jacobi_scaling()])
    single = pair(A.astype(np.float32), dtype=torch.float32)[1].extended_residual(*(w[:, :1].float(),) * 3)
    assert single.dtype == torch.float32


@pytest.mark.parametrize("build", [ChebyshevEngine, LanczosEngine, Factorised])
def test_engines_of_symmetric_matrices(build):
    law = Overdamped(0.7).window(400.0, 4000.0)
    inputs = [None if name == "x0" else normal((D, 2), seed) for seed, name in enumerate(law.inputs)]
    expected, found = (
        build(operator).apply(law, blocks, law.outputs)
        for operator, blocks in zip(pair(A), (inputs, tensors(inputs)), strict=True)
    )
    assert_same(found, expected, 1e-8)


@pytest.mark.parametrize(
    ("build", "matrix"),
    [
        (PivotedLUEngine, LOPSIDED),
        (KrylovSolvesEngine, LOPSIDED),
        (QuasiDefiniteEngine, LOPSIDED[:, :90]),
        (QuasiDefiniteEngine, LOPSIDED[:90]),
        (QuasiDefiniteEngine, 0.0 * LOPSIDED[:90]),
    ],
)
def test_engines_of_any_matrix(build, matrix):
    theirs, ours = (build(operator) for operator in pair(scipy.sparse.csr_array(matrix), symmetric=False))
    law = Skew(0.02).window(1e4, 1e5)
    inputs = [None if name == "x0" else normal((sum(matrix.shape), 2), seed) for seed, name in enumerate(law.inputs)]
    assert_same(ours.apply(law, tensors(inputs), law.outputs), theirs.apply(law, inputs, law.outputs), 1e-5)
    v = ours.null_vector()
    assert isinstance(v, torch.Tensor)
    assert np.linalg.norm(matrix @ v.numpy()) <= 1.05 * theirs.interval()[0]


def test_large_ones_are_solved_by_products_and_factors():
    matrix = grid(66, 0.1)
    b = normal(matrix.shape[0])
    x, info = tla.solve(sparse_tensor(matrix), torch.as_tensor(b), rng=0, return_info=True)
    assert info.engine == "chebyshev"
    assert np.linalg.norm(b - matrix @ x.numpy()) < 1e-10 * np.linalg.norm(b)


def test_gradients_are_refused_with_what_has_them():
    a = sparse_tensor(grid(2, 0.1), "coo").requires_grad_()
    with pytest.raises(TypeError, match=r"a requires gradients.*pass a.detach\(\), or a.to_dense\(\)"):
        tla.solve(a, torch.ones(4))
    x = tla.solve(a.to_dense(), torch.ones(4, dtype=torch.float64))
    x.sum().backward()
    assert a.grad is not None
    tla.solve(a.detach(), torch.ones(4))


def test_gradients_of_all_else_come_out():
    matrix, rectangle = grid(4, 0.5).toarray(), grid(4, 0.5)[:, :9]
    a = sparse_tensor(matrix)
    b, mu = torch.ones(16, dtype=torch.float64, requires_grad=True), torch.tensor(1.0, requires_grad=True)
    ones = np.ones(16)
    (found,) = torch.autograd.grad(tla.solve(a, b, rng=0).sum(), b)
    assert close(found, np.linalg.solve(matrix.T, ones), 1e-8)
    (found,) = torch.autograd.grad(tla.lstsq(sparse_tensor(rectangle), b, rng=0).x.sum(), b)
    assert close(found, np.linalg.pinv(rectangle.toarray()).T @ ones[:9], 1e-8)
    (found,) = torch.autograd.grad(tla.program(a, rng=0).shifted(mu).solve(b.detach()).sum(), mu)
    moved = np.linalg.solve(matrix + np.eye(16), ones)
    assert close(found, -moved @ moved, 1e-6)


def test_b_and_m():
    a, b, M = sparse_tensor(A), torch.as_tensor(normal(D)), sparse_tensor(scipy.sparse.diags_array(1 / A.diagonal()))
    x, info = tla.solve(a, b, M=M, rng=0, return_info=True)
    assert "M makes" in info.reason
    assert close(A @ x.numpy(), b)
    assert close(tla.langevin(A, b.numpy(), M=M, x0="Mb", rtol=1e-9, rng=0)[0], x, 1e-7)
    with pytest.raises(TypeError, match=r"b is a sparse tensor.*b.to_dense\(\)"):
        tla.solve(a, sparse_tensor(A[:, :1]))
    with pytest.raises(TypeError, match="b is a torch tensor and A is not"):
        tla.solve(A, b)


def test_factors_and_rows():
    R = sparse((5, 60), 0.2, np.random.default_rng(0))
    theirs, ours = (tla.operators.LowRankPlusIdentity(each, 0.1) for each in (R, sparse_tensor(R)))
    b, L = normal(60), scipy.sparse.csr_array(np.eye(2, 60))
    x = tla.solve(ours, torch.as_tensor(b), rng=0)
    assert isinstance(x, torch.Tensor)
    assert close(x, tla.solve(theirs, b, rng=0), 1e-9)
    found = tla.program(ours, rng=0).variance_of(sparse_tensor(L))
    assert close(found, tla.program(theirs, rng=0).variance_of(L), 1e-8)


def test_explain_counts_its_entries():
    assert tla.explain(sparse_tensor(A)).nonzeros == A.nnz
