"""Root columns travel in groups: how many at once does not show in the rows."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from thermoapps.natural_gradient import curvature_rows
from thermoapps.natural_gradient.curvature import backward
from thermoapps.natural_gradient.layers import factored
from thermoapps.natural_gradient.layers.base import BANDS, NARROW, add_gram


@pytest.mark.parametrize("numbers", [1, 30, 100, 1 << 20])
def test_groups_of_columns(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 5)).double()
    inputs, targets = torch.randn(3, 4, dtype=torch.float64), torch.tensor([0, 4, 2])
    expected = curvature_rows(model, inputs, targets, "cross_entropy").rows.apply(torch.eye(65, dtype=torch.float64))
    monkeypatch.setattr(backward, "IN_CACHE", numbers)
    rows = curvature_rows(model, inputs, targets, "cross_entropy").rows
    torch.testing.assert_close(rows.apply(torch.eye(65, dtype=torch.float64)), expected)
    torch.testing.assert_close(rows.gram(), expected @ expected.T)


@pytest.mark.parametrize("rows", [1, BANDS - 1, BANDS, 2 * BANDS + 1, 50])
@pytest.mark.parametrize("width", [1, NARROW - 1, NARROW, 2 * NARROW])
def test_add_gram(rows: int, width: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    first, second = torch.randn(2, rows, width, generator=generator, dtype=torch.float64)
    total = first @ first.T
    add_gram(total, second)
    torch.testing.assert_close(total, first @ first.T + second @ second.T)
    torch.testing.assert_close(total, total.T)


@pytest.mark.parametrize("budget", [1, 1 << 24])
@pytest.mark.parametrize("columns", [1, 2])
def test_sums_with_one_vector_are_those_with_several(budget, columns, monkeypatch):
    monkeypatch.setattr(factored, "BUDGET", budget)
    monkeypatch.setattr(factored, "IN_CACHE", budget)
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    cotangents, change, weights = drawn(3, 5, 2, 4), drawn(5, 2, 4, columns), drawn(3, 5, columns)
    expected = torch.stack([torch.tensordot(cotangents[:, n], change[n], 2) for n in range(5)], 1)
    torch.testing.assert_close(factored.weighted_sums(cotangents, change), expected)
    expected = torch.stack([torch.tensordot(cotangents[:, n], weights[:, n], ([0], [0])) for n in range(5)])
    torch.testing.assert_close(factored.sums_of_columns(weights, cotangents), expected)
