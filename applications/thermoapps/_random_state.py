"""scikit-learn's `random_state` beside NumPy's `rng`."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["read_random_state"]


def read_random_state(rng: Any, random_state: Any) -> np.random.Generator:
    """The source of randomness that goes by either name.

    Parameters
    ----------
    rng : None, int or numpy.random.Generator
        As in NumPy.
    random_state : None, int, numpy.random.Generator or numpy.random.RandomState
        As in scikit-learn; a `RandomState` is drawn from once.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    ValueError
        Both are given.

    Examples
    --------
    >>> int(read_random_state(None, 3).integers(100)) == int(read_random_state(3, None).integers(100))
    True
    """
    if rng is not None and random_state is not None:
        raise ValueError("pass rng or random_state, not both: they are two names of one source of randomness")
    given = random_state if rng is None else rng
    if isinstance(given, np.random.RandomState):
        given = given.randint(2**32, size=4, dtype=np.uint64)
    return np.random.default_rng(given)
