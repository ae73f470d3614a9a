"""Random vectors: the same numbers whoever draws them, and normal ones."""

import numpy as np
import pytest
from ranks import forked, on_ranks

from thermolinalg._arrays import random_signs, standard_normal
from thermolinalg._ranks.streams import STRIDE
from thermolinalg.distributed import Serial, gather, rows_of, vector

N = 2 * STRIDE + 5000


def drawn(comm, seed=0, dtype=np.float64):
    like = vector(np.empty((len(range(*rows_of(N, comm).indices(N))), 0), dtype), comm)
    rng = np.random.default_rng(seed)
    return [gather(standard_normal(rng, (N, k), like)) for k in (1, 3)] + [gather(random_signs(rng, (N, 2), like))]


@pytest.fixture(scope="module")
def alone():
    return drawn(Serial())


@forked
@pytest.mark.parametrize("size", [2, 3])
def test_numbers_do_not_depend_on_the_number_of_ranks(alone, size):
    for found in on_ranks(size, drawn):
        assert all(np.array_equal(one, other) for one, other in zip(found, alone, strict=True))


def test_numbers_are_normal_and_not_repeated(alone):
    first, block, signs = alone
    for x in (first[:, 0], *block.T):
        # Mean, variance and fourth moment, five standard errors each.
        assert abs(x.mean()) < 5 / N**0.5
        assert abs(x.var() - 1) < 5 * (2 / N) ** 0.5
        assert abs((x**4).mean() - 3) < 5 * (96 / N) ** 0.5
    assert abs(np.corrcoef(np.column_stack([first, block]).T) - np.eye(4)).max() < 5 / N**0.5
    assert len(np.unique(np.concatenate([first.ravel(), block.ravel()]))) == 4 * N
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert abs(signs.mean()) < 5 / (2 * N) ** 0.5


def test_another_draw_and_another_seed_are_other_numbers(alone):
    rng, like = np.random.default_rng(0), vector(np.empty((N, 0)), Serial())
    one, two = (standard_normal(rng, (N, 1), like).local for _ in range(2))
    assert np.array_equal(one, alone[0])
    assert abs(np.corrcoef(one.T, two.T)[0, 1]) < 5 / N**0.5
    assert not np.array_equal(drawn(Serial(), seed=1)[0], one)


def test_single_precision_is_drawn_in_it():
    assert {x.dtype for x in drawn(Serial(), dtype=np.float32)} == {np.dtype(np.float32)}


@forked
def test_fresh_entropy_is_the_same_on_all_ranks():
    first, second = on_ranks(2, lambda comm: drawn(comm, seed=None)[0])
    assert np.array_equal(first, second)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not lie on ranks"):
        standard_normal(np.random.default_rng(0), (3, 1), vector(np.empty((4, 0)), Serial()))
