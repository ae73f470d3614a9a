"""What is taken of a matrix under SciPy's names of structures, whatever form it comes in."""

import numpy as np
import pytest
import scipy.sparse
from helpers import close
from scipy.sparse.linalg import aslinearoperator

import thermolinalg as tla
from thermolinalg import operators

PARTS = {
    "diagonal": lambda A: np.diag(np.diag(A)),
    "tridiagonal": lambda A: np.triu(np.tril(A, 1), -1),
    "upper triangular": np.triu,
    "lower triangular": np.tril,
    "banded": lambda A: A,
}

FORMS = {
    "sparse array": scipy.sparse.csr_array,
    "linear operator": aslinearoperator,
    "operator": lambda A: operators.Dense(A / 2, symmetric=False) + operators.Dense(A / 2, symmetric=False),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", PARTS)
def test_a_structure_is_read_off_a_map_as_off_an_array(name, form):
    A, b = np.random.default_rng(0).standard_normal((6, 6)) + 6 * np.eye(6), np.ones(6)
    assert close(tla.solve(FORMS[form](A), b, assume_a=name, rng=0), np.linalg.solve(PARTS[name](A), b), 1e-9)


def test_the_entries_of_a_large_map_are_not_read():
    with pytest.raises(ValueError, match=r"assume_a='upper' reads single entries.*pass assume_a=None, or an array"):
        tla.solve(aslinearoperator(scipy.sparse.eye_array(2000)), np.ones(2000), assume_a="upper triangular")
