"""What is read right: every format against SciPy's writer, and the ways in which text differs between machines."""

import bz2
import gzip
import io
from itertools import product

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from thermolinalg.files import load_matrix, load_vectors, text_lines

MATRIX = "%%MatrixMarket matrix coordinate real general\n% note\n2 2 2\n1 1 3\n2 1 -4e1\n"


def dense(A):
    return A.toarray() if scipy.sparse.issparse(A) else A


@pytest.mark.parametrize("packing", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("layout", [np.asarray, scipy.sparse.csr_array])
@pytest.mark.parametrize(
    ("dtype", "symmetry"),
    [*product([float, complex], ["general", "symmetric", "skew-symmetric"]), (complex, "hermitian")],
)
def test_matrix_market_as_scipy_writes_it(tmp_path, dtype, symmetry, layout, packing):
    X = np.random.default_rng(0).standard_normal((5, 5, 2)).view(complex)[:, :, 0]
    X = X if dtype is complex else X.real
    A = {"general": X, "symmetric": X + X.T, "skew-symmetric": X - X.T, "hermitian": X + X.conj().T}[symmetry]
    stream = io.BytesIO()
    scipy.io.mmwrite(stream, layout(A), symmetry=symmetry, precision=17)
    pack = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress}[packing]
    (tmp_path / f"A.mtx{packing}").write_bytes(pack(stream.getvalue()))
    found = load_matrix(tmp_path / f"A.mtx{packing}")
    assert scipy.sparse.issparse(found) == (layout is scipy.sparse.csr_array)
    assert np.array_equal(dense(found), A)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MATRIX, [[3, 0], [-40, 0]]),
        (MATRIX.replace("\n", "\r\n"), [[3, 0], [-40, 0]]),
        (MATRIX.replace("\n", "\r"), [[3, 0], [-40, 0]]),
        ("\ufeff" + MATRIX.upper(), [[3, 0], [-40, 0]]),
        (MATRIX.replace("2 1 -4e1", "\n1 1\t1\n"), [[4, 0], [0, 0]]),
        ("%%MatrixMarket matrix coordinate pattern symmetric\n2 2 1\n1 2\n", [[0, 1], [1, 0]]),
        ("%%MatrixMarket matrix coordinate integer general\n1 2 0\n", [[0, 0]]),
        ("%%MatrixMarket matrix array integer skew-symmetric\n2 2\n7", [[0, -7], [7, 0]]),
    ],
)
def test_matrix_market(tmp_path, text, expected):
    (tmp_path / "A.mtx").write_bytes(text.encode())
    assert np.array_equal(dense(load_matrix(tmp_path / "A.mtx")), expected)


@pytest.mark.parametrize("format", ["csr", "csc", "coo", "bsr", "dia"])
def test_sparse_archives(tmp_path, format):
    A = scipy.sparse.random_array((6, 4), density=0.4, format=format, rng=np.random.default_rng(1))
    scipy.sparse.save_npz(tmp_path / "A.npz", A)
    found = load_matrix(tmp_path / "A.npz")
    assert found.format == "csr"
    assert np.array_equal(found.toarray(), A.toarray())


@pytest.mark.parametrize("array", [np.eye(3, dtype=">f4"), np.asfortranarray([[1.0, 2], [3, 4]]), np.ones(3, bool)])
def test_arrays(tmp_path, array):
    np.save(tmp_path / "A.npy", array)
    np.savez_compressed(tmp_path / "A.npz", array)
    assert np.array_equal(load_matrix(tmp_path / "A.npy"), array)
    assert np.array_equal(load_matrix(tmp_path / "A.npz"), array)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 2\n3 4\n", [[1, 2], [3, 4]]),
        ("# note\n1, 2 # note\n\n3,4\n% note", [[1, 2], [3, 4]]),
        ("\ufeff1\t2\r\n3 4\r\n", [[1, 2], [3, 4]]),
        ("(1+2j) 3\n1e2 -4j\n", [[1 + 2j, 3], [100, -4j]]),
        ("5\n", [[5]]),
        ("inf nan\n", [[np.inf, np.nan]]),
    ],
)
@pytest.mark.parametrize("ending", ["txt", "csv"])
def test_tables(tmp_path, text, expected, ending):
    (tmp_path / f"A.{ending}").write_bytes(text.encode())
    assert np.array_equal(load_matrix(tmp_path / f"A.{ending}"), expected, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "expected"), [("1\n2\n", [1, 2]), ("1 2\n", [1, 2]), ("1,2\n3,4\n", [[1, 2], [3, 4]])]
)
def test_right_hand_sides(tmp_path, text, expected):
    (tmp_path / "b.csv").write_text(text)
    assert np.array_equal(load_vectors(tmp_path / "b.csv"), expected)


def test_a_sparse_right_hand_side_is_a_vector(tmp_path):
    (tmp_path / "b.mtx").write_text("%%MatrixMarket matrix coordinate real general\n3 1 1\n2 1 5\n")
    assert np.array_equal(load_vectors(tmp_path / "b.mtx"), [0, 5, 0])


def test_lines(tmp_path):
    (tmp_path / "t").write_bytes("\ufeffä b\r\n\nend".encode())
    assert list(text_lines(tmp_path / "t")) == [(1, "ä b"), (2, ""), (3, "end")]
