"""Symmetry is judged entry by entry, at any scale, for arrays, sparse arrays, tensors and maps."""

import numpy as np
import pytest
import scipy.sparse
from helpers import spd
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import LinearOperator, aslinearoperator

from thermolinalg._arrays import eps, is_torch, to_numpy
from thermolinalg.operators import Dense, Diagonal, MatrixFree, Sparse
from thermolinalg.operators.read import read_matrix


def tensor(a):
    return pytest.importorskip("torch").as_tensor(a)


FORMS = {"array": np.asarray, "sparse": scipy.sparse.csr_array, "tensor": tensor}
forms = pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
DTYPES = [np.float64, np.float32, np.complex128, np.complex64]


def graded(d, decades, seed=0):
    s = 10.0 ** np.linspace(decades / 2, 0, d)
    a = s[:, None] * spd(d, seed=seed) * s
    return np.triu(a) + np.triu(a, 1).T


def scale_of(a, i, j):
    """The scale that an asymmetry is compared with, in units of what rounding explains."""
    unit = 100 * a.shape[0] * eps(a)
    return unit * float(np.sqrt(abs(a[i, i])) * np.sqrt(abs(a[j, j])) + max(abs(a[i, j]), abs(a[j, i])))


@forms
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("share", "symmetric"), [(0.5, True), (0.9, True), (1.1, False), (3.0, False)])
@pytest.mark.parametrize("d", [2, 90])
def test_one_entry_about_the_threshold(form, dtype, share, symmetric, d):
    a = spd(d, dtype=dtype)
    i, j = d - 1, d // 2 - 1
    a[i, j] += share * scale_of(a, i, j)
    read = read_matrix(form(a))
    assert read.symmetric == symmetric
    assert bool(read.notice) == symmetric
    if symmetric:
        assert read.asymmetry is None
        m = to_numpy(read.operator.dense())
        np.testing.assert_array_equal(m, m.T)
        assert f"A[{j}, {i}]" in read.notice
        assert "\n" not in read.notice
        mean = a if not read.is_complex else np.block([[a.real, -a.imag], [a.imag, a.real]])
        np.testing.assert_allclose(m, (mean + mean.T) / 2, rtol=8 * eps(m))
    else:
        assert sorted(read.asymmetry[1:3]) == [j, i]
        assert read.asymmetry.size == pytest.approx(abs(a[i, j] - a[j, i].conj()), rel=1e-6)
        assert read.asymmetry.ratio == pytest.approx(share, rel=0.1)


@forms
@pytest.mark.parametrize("scale", [1e300, 1e-300, 1.0, 3e-310, 1e306])
def test_the_verdict_does_not_depend_on_the_scale(form, scale):
    a = scale * spd(6)
    assert read_matrix(form(a)).symmetric
    a[4, 1] *= 1 + 1e-6
    read = read_matrix(form(a))
    assert not read.symmetric
    assert sorted(read.asymmetry[1:3]) == [1, 4]
    assert read.asymmetry.size == pytest.approx(1e-6 * abs(a[1, 4]), rel=1e-4)


@forms
def test_entries_at_the_ends_of_the_range(form):
    huge, tiny = 1.7e308, 5e-324
    for a, symmetric in [
        ([[huge, huge], [huge, huge]], True),
        ([[huge, huge], [-huge, huge]], False),
        ([[huge, huge], [np.nextafter(huge, 0), huge]], True),
        ([[tiny, tiny], [tiny, tiny]], True),
        ([[tiny, tiny], [0.0, tiny]], False),
        ([[0.0, tiny], [0.0, 0.0]], False),
        ([[huge, 0.0, 0.0], [0.0, tiny, tiny], [0.0, 0.0, tiny]], False),
        ([[huge, 1.0], [1.0 + 1e-10, 1e-300]], True),
        ([[huge, 1.0], [1.0 + 1e-8, 1e-300]], False),
        ([[0.0, 0.0], [0.0, 0.0]], True),
    ]:
        read = read_matrix(form(np.array(a)))
        assert read.symmetric == symmetric, a
        if symmetric:
            m = to_numpy(read.operator.dense())
            assert np.all(np.isfinite(m))
            np.testing.assert_array_equal(m, m.T)


def test_what_agrees_is_kept_to_the_last_bit():
    a = spd(7)
    a[2, 5] *= 1 + 1e-15
    a[0, 1] = a[1, 0] = 5e-324
    read = read_matrix(a).operator.matrix
    same = a == a.T
    np.testing.assert_array_equal(read[same], a[same])


@forms
def test_a_small_block_beside_huge_entries(form):
    a = np.diag(np.r_[10.0 ** np.arange(9, 17), 1, 1])
    a[9, 8] = 0.9
    assert not read_matrix(form(a)).symmetric
    assert read_matrix(form(a + a.T)).symmetric
    a[9, 8] = 1e-13
    assert read_matrix(form(a)).symmetric


@forms
def test_rounding_of_a_gram_matrix_is_forgiven_however_graded(form):
    rng = np.random.default_rng(0)
    for decades in (0, 12, 200):
        x = rng.standard_normal((60, 40)) * 10.0 ** np.linspace(-decades / 2, decades / 2, 40)
        a = np.einsum("ki,kj->ij", x, x)
        a = np.tril(a) + np.triu((x[::-1].T @ x[::-1]), 1)  # two orders of summation
        assert read_matrix(form(a)).symmetric


@forms
def test_a_hub(form):
    a = np.eye(30)
    a[0, 1:] = a[1:, 0] = 1e8
    a[0, 0] = 1e17
    assert read_matrix(form(a)).symmetric
    a[7, 3] = 1e-11
    read = read_matrix(form(a))
    assert not read.symmetric
    assert sorted(read.asymmetry[1:3]) == [3, 7]


@pytest.mark.parametrize("dtype", DTYPES)
@forms
def test_small_and_empty(form, dtype):
    assert read_matrix(form(np.zeros((0, 0), dtype))).symmetric
    assert read_matrix(form(np.full((1, 1), -3, dtype))).symmetric
    assert read_matrix(form(np.zeros((1, 1), dtype))).symmetric
    if np.dtype(dtype).kind == "c":
        assert not read_matrix(form(np.full((1, 1), 1 + 1j, dtype))).symmetric
        assert read_matrix(form(np.full((1, 1), 1 + 1e-17j, dtype))).symmetric


def test_rectangles_are_not_symmetric():
    read = read_matrix(np.ones((3, 2)), square=False)
    assert not read.symmetric
    assert read.asymmetry is None
    with pytest.raises(np.linalg.LinAlgError, match=r"not symmetric: it has shape \(3, 2\)"):
        read.require_symmetric("log det")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(0, 2**32), st.integers(-300, 280), st.booleans(), st.integers(0, 20))
def test_any_array_is_judged_alike_in_all_forms(d, seed, exponent, wrong, decades):
    a = 10.0**exponent * graded(d, decades, seed)
    rng = np.random.default_rng(seed)
    a *= 1 + 2e-16 * rng.integers(-1, 2, a.shape)
    i, j = rng.integers(0, d, 2)
    if wrong:
        a[i, j] += 3 * scale_of(a, i, j)
    reads = [read_matrix(form(a)) for form in (np.asarray, scipy.sparse.csr_array)]
    assert [read.symmetric for read in reads] == [i == j or not wrong] * 2
    if wrong and i != j:
        assert reads[0].asymmetry.ratio == pytest.approx(reads[1].asymmetry.ratio)
        assert reads[0].asymmetry.ratio == pytest.approx(3, rel=0.01)
    elif reads[0].symmetric:
        np.testing.assert_array_equal(reads[0].operator.dense(), reads[1].operator.dense())


def test_inputs_are_not_written_on():
    a = spd(5)
    a[0, 1] *= 1 + 1e-15
    kept, sparse = a.copy(), scipy.sparse.csr_array(a)
    read_matrix(a)
    read_matrix(sparse)
    np.testing.assert_array_equal(a, kept)
    np.testing.assert_array_equal(sparse.toarray(), kept)


# -- maps known by their products -------------------------------------------------------------------------------------


def products(a, *, adjoint=True, dtype=None, noise=0.0):
    """A map that multiplies with a matrix, to a relative accuracy."""
    rng = np.random.default_rng(1)

    def times(m):
        def matvec(v):
            y = m @ v
            if not noise:
                return y
            return y + noise * np.linalg.norm(y) / len(y) ** 0.5 * rng.standard_normal(y.shape)

        return matvec

    backward = {"rmatvec": times(a.conj().T)} if adjoint else {}
    return LinearOperator(a.shape, matvec=times(a), dtype=dtype or a.dtype, **backward)


@pytest.mark.parametrize("d", [3, 10, 64, 65, 200])
@pytest.mark.parametrize("scale", [1.0, 1e280, 1e-280, 1e-300])
def test_a_map_shows_a_small_block_beside_huge_entries(d, scale):
    for seed in range(10):
        rng = np.random.default_rng(seed)
        sizes = np.r_[10.0 ** rng.uniform(-7, 0, d - 2), 1e-16, 1e-16]
        a = np.diag(scale * sizes)
        assert read_matrix(products(a)).symmetric
        i, j = rng.permutation(d)[:2] if seed % 2 else (d - 1, d - 2)
        a[i, j] = 0.9 * np.sqrt(a[i, i]) * np.sqrt(a[j, j])
        order = rng.permutation(d)
        a = a[order][:, order]
        assert not read_matrix(products(a)).symmetric
        assert not read_matrix(products(a, adjoint=False)).symmetric


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("d", [1, 7, 64, 65, 300])
def test_maps_of_all_kinds(dtype, d):
    a, held = spd(d, dtype=dtype), Dense if d <= 64 else MatrixFree
    read = read_matrix(products(a))
    assert read.symmetric
    assert isinstance(read.operator, held)
    assert read.notice == ""
    if d > 1:
        skewed = a + np.triu(np.full((d, d), 0.05, dtype), 1)
        read = read_matrix(products(skewed))
        assert not read.symmetric
        assert isinstance(read.operator, held)
        assert read.asymmetry.ratio > 1
        with pytest.raises(np.linalg.LinAlgError, match="not symmetric"):
            read.require_symmetric("log det")


@pytest.mark.parametrize("decades", [0, 8, 100])
def test_a_gram_matrix_by_its_products_is_symmetric(decades):
    rng = np.random.default_rng(3)
    for shape in [(400, 90), (90, 400), (3, 200)]:
        x = rng.standard_normal(shape) * 10.0 ** np.linspace(0, decades / 2, shape[1])
        op = LinearOperator((shape[1],) * 2, matvec=lambda v, x=x: x.T @ (x @ v), dtype=float)
        assert read_matrix(op).symmetric


def test_a_map_of_zeros_is_symmetric():
    assert read_matrix(aslinearoperator(np.zeros((80, 80)))).symmetric
    assert read_matrix(aslinearoperator(np.zeros((0, 0)))).symmetric


@pytest.mark.parametrize("d", [5, 100])
def test_products_that_are_not_finite_are_refused(d):
    with pytest.raises(ValueError, match="products with a give NaN or infinity"):
        read_matrix(aslinearoperator(np.full((d, d), np.nan)), name="a")


def test_differences_of_a_symmetric_jacobian():
    small, large = spd(40), scipy.sparse.diags_array([1.0, 3.0, 1.0], offsets=[-1, 0, 1], shape=(1100, 1100)).tocsr()
    formed = read_matrix(products(small, adjoint=False, noise=1e-8))
    assert not formed.symmetric
    assert isinstance(formed.operator, Dense)
    assert isinstance(read_matrix(products(spd(80), noise=1e-8)).operator, MatrixFree)
    for matrix, noise in [(large, 1e-9), (large.astype(np.float32), 1.2e-3)]:
        believed = read_matrix(products(matrix, adjoint=False, noise=noise))
        assert believed.symmetric
        assert "taken as symmetric" in believed.notice
    with pytest.raises(ValueError, match=r"not symmetric and its adjoint is unknown; give it rmatvec.*assume_a='sym'"):
        read_matrix(products(large, adjoint=False, noise=1e-4))
    assert read_matrix(products(large, adjoint=False, noise=1e-4), assume_a="sym").symmetric
    assert not read_matrix(products(large, noise=1e-4)).symmetric


# -- what the caller says, and what a refusal says --------------------------------------------------------------------


@pytest.mark.parametrize("assume_a", ["pos", "sym", "her"])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("form", [*FORMS.values(), Dense, lambda a: Sparse(scipy.sparse.csr_array(a))])
def test_one_triangle_is_read_where_symmetry_is_asserted(form, assume_a, lower):
    a = spd(6) + np.triu(np.ones((6, 6)), 1)
    read = read_matrix(form(a), assume_a=assume_a, lower=lower)
    part = np.tril(a) if lower else np.triu(a)
    assert read.symmetric
    assert read.notice == ""
    np.testing.assert_array_equal(to_numpy(read.operator.dense()), part + part.T - np.diag(np.diag(a)))


@pytest.mark.parametrize("assume_a", ["pos", "sym", "her"])
@pytest.mark.parametrize("d", [6, 100])
def test_a_map_is_believed_where_symmetry_is_asserted(assume_a, d):
    shear = np.eye(d) + np.triu(np.ones((d, d)), 1)
    assert read_matrix(LinearOperator((d, d), matvec=lambda v: shear @ v, dtype=float), assume_a=assume_a).symmetric
    declared = MatrixFree(products(spd(d) + np.triu(np.ones((d, d)))), symmetric=False)
    assert not read_matrix(declared).symmetric
    assert read_matrix(declared, assume_a=assume_a).operator.symmetric
    assert not declared.symmetric


@pytest.mark.parametrize("adjoint", [False, True])
def test_a_complex_symmetric_map_is_not_hermitian_and_has_an_adjoint(adjoint):
    a = spd(80) + 1j * spd(80, seed=1)
    read = read_matrix(products(a, adjoint=adjoint), assume_a="sym")
    assert not read.symmetric
    v = np.random.default_rng(0).standard_normal(160)
    expected = np.block([[a.real, -a.imag], [a.imag, a.real]])
    np.testing.assert_allclose(read.operator @ v, expected @ v)
    np.testing.assert_allclose(read.adjoint().operator @ v, expected.T @ v)
    np.testing.assert_allclose(read.transposed().operator @ v, expected @ v)


def test_an_operator_with_entries_is_not_taken_at_its_word():
    a = spd(6)
    a[0, 5] += 1
    for operator in (Dense(a), Sparse(scipy.sparse.csr_array(a))):
        read = read_matrix(operator)
        assert not read.symmetric
        assert not read.operator.symmetric
    assert not read_matrix(Dense(spd(6), symmetric=False)).symmetric
    assert read_matrix(Diagonal([1.0, 2.0])).symmetric
    assert not read_matrix(Diagonal([1.0, 2.0]), assume_a="gen").symmetric
    for symmetric in (False, True):
        with pytest.raises(ValueError, match="A contains NaN"):
            read_matrix(Dense(np.full((2, 2), np.nan), symmetric=symmetric))


REFUSALS = [
    (
        np.array([[1.0, 0.5], [0.0, 1.0]]),
        {},
        r"\|A\[0, 1\] − A\[1, 0\]\| = 0.5.*pass assume_a='sym' to use one triangle",
    ),
    (np.array([[1.0, 1j], [1j, 1.0]]), {}, r"\|A\[0, 1\] − conj A\[1, 0\]\| = 2,.*pass assume_a='her'"),
    (np.array([[1.0, 0.5], [0.0, 1.0]]), {"name": "a"}, r"a is not symmetric.*\|a\[0, 1\] − a\[1, 0\]\|"),
    (np.eye(2), {"assume_a": "gen"}, "not symmetric by assume_a; pass assume_a='sym'"),
    (
        aslinearoperator(np.eye(70) + np.eye(70, k=1)),
        {},
        "random vectors.*pass assume_a='sym' if it is symmetric all the same",
    ),
    (aslinearoperator(np.eye(3) + np.eye(3, k=1)), {}, r"\|A\[0, 1\] − A\[1, 0\]\| = 1, .*assume_a='sym'"),
]


@pytest.mark.parametrize(("a", "options", "message"), REFUSALS)
def test_a_refusal_has_the_evidence_and_its_advice_works(a, options, message):
    with pytest.raises(np.linalg.LinAlgError, match=f"log det needs a symmetric.*{message}"):
        read_matrix(a, **options).require_symmetric("log det")
    advised = "her" if "her" in message else "sym"
    read_matrix(a, **options | {"assume_a": advised}).require_symmetric("log det")


# -- transposes, adjoints and scalars ---------------------------------------------------------------------------------

READABLE = {
    **FORMS,
    "map": aslinearoperator,
    "map without adjoint": lambda a: products(a, adjoint=False),
}


@pytest.mark.parametrize("form", READABLE.values(), ids=READABLE)
@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize("kind", ["general", "Hermitian"])
def test_transposes_and_adjoints(form, dtype, kind):
    a = spd(5, dtype=dtype)
    if kind == "general":
        a = a + np.triu(np.ones((5, 5)), 1) * (1 + 2j if dtype is np.complex128 else 1)
    read = read_matrix(form(a))
    for got, expected in [(read, a), (read.transposed(), a.T), (read.adjoint(), a.conj().T)]:
        real = np.block([[expected.real, -expected.imag], [expected.imag, expected.real]])
        wanted = real if read.is_complex else expected
        np.testing.assert_allclose(to_numpy(got.operator.dense()), wanted, atol=1e-14)
        assert got.symmetric == got.operator.symmetric == (kind == "Hermitian")
        assert got.shape == (5, 5)
        assert type(got.operator) is type(read.operator) or not isinstance(read.operator, (Dense, Sparse))


def test_transposes_of_structured_and_rectangular_operators():
    a = np.random.default_rng(0).standard_normal((4, 3)) + 1j
    read = read_matrix(a, square=False).transposed()
    assert read.shape == (3, 4)
    np.testing.assert_array_equal(read.operator.dense()[:3, :4] + 1j * read.operator.dense()[3:, :4], a.T)
    real = MatrixFree(aslinearoperator(a.real), symmetric=False)
    total = real + real
    for operator in (real, total, real.rescaled(None, np.array([1.0, 2.0, 3.0]))):
        np.testing.assert_allclose(operator.T.dense(), operator.dense().T)
        np.testing.assert_allclose(operator.T.T.dense(), operator.dense())
        scaled = operator.T.rescaled(np.array([1.0, 2.0, 3.0]), None, -2.0)
        np.testing.assert_allclose(scaled.dense(), -2 * np.array([[1.0], [2.0], [3.0]]) * operator.dense().T)
    assert Diagonal([1.0, 2.0]).T.structure == "diagonal"


@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_scalars(library):
    put = np.asarray if library == "numpy" else tensor
    for number in (2, 2.0, np.float32(2), 2 + 1j, [2.0]):
        read = read_matrix(put(number), scalar=True)
        assert read.shape == (1, 1)
        assert is_torch(read.operator.like) == (library == "torch")
    assert read_matrix(put(2.0), scalar=True).symmetric
    with pytest.raises(ValueError, match=r"A must be square, got shape \(1, 2\)"):
        read_matrix(put([1.0, 2.0]), scalar=True)
    for number in (2.0, [2.0]):
        with pytest.raises(ValueError, match="2 dimension"):
            read_matrix(put(number))
