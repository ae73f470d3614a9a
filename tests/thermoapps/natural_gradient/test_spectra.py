"""Eigenvalues where the library behind torch gives up: NumPy's come in their place, for finite matrices."""

import numpy as np
import pytest
import torch

from thermoapps.natural_gradient.spectra import eigh
from thermolinalg._arrays import eigh as core_eigh
from thermolinalg._arrays import namespace

MATRICES = {
    "float64": torch.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=torch.float64),
    "float32": torch.tensor([[2.0, 1.0], [1.0, 3.0]]),
    "many": torch.diag_embed(torch.tensor([[3.0, 1.0], [2.0, 5.0]])),
}


@pytest.fixture
def gives_up(monkeypatch):
    def fail(*_, **__):
        raise torch._C._LinAlgError("linalg.eigh: The algorithm failed to converge")

    for linalg in (torch.linalg, namespace(torch.zeros(1)).linalg):
        monkeypatch.setattr(linalg, "eigh", fail)


@pytest.mark.parametrize("found", [eigh, core_eigh])
@pytest.mark.parametrize("name", MATRICES)
def test_another_library_takes_over(gives_up, found, name):
    matrix = MATRICES[name]
    values, vectors = found(matrix)
    assert values.dtype == vectors.dtype == matrix.dtype
    assert torch.allclose(values, torch.linalg.eigvalsh(matrix))
    assert torch.allclose(vectors * values[..., None, :] @ vectors.mT, matrix, atol=1e-6)


@pytest.mark.parametrize("found", [eigh, core_eigh])
def test_what_is_not_finite_is_not_hidden(gives_up, found):
    with pytest.raises(RuntimeError, match="failed to converge"):
        found(torch.tensor([[np.nan, 0.0], [0.0, 1.0]]))
