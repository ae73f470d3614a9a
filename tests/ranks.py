"""Ranks without MPI: processes that are forked and talk through queues, for tests in every environment."""

from __future__ import annotations

import itertools
import multiprocessing
import traceback
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pytest

REDUCTIONS = {"sum": np.add, "max": np.maximum, "min": np.minimum}
PATIENCE = 60
"""Seconds after which a rank that hears nothing is lost."""

forked = pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs processes that fork")


class Rank:
    """A `Communicator` among forked processes; it counts what a product and an inner product take."""

    def __init__(self, rank: int, size: int, letters: dict[tuple[int, int], Any], halos: dict[tuple[int, int], Any]):
        self.rank, self.size, self.letters, self.halos = rank, size, letters, halos
        self.reductions = self.messages = 0

    def allgather(self, value: Any) -> list[Any]:
        return self.alltoall([value] * self.size)

    def alltoall(self, values: Sequence[Any]) -> list[Any]:
        for other, value in enumerate(values):
            self.letters[self.rank, other].put(value)
        return [self.letters[other, self.rank].get(timeout=PATIENCE) for other in range(self.size)]

    def allreduce(self, values: np.ndarray, reduction: str) -> np.ndarray:
        self.reductions += 1
        return np.asarray(reduce(REDUCTIONS[reduction], self.allgather(np.array(values))))

    def bcast(self, value: Any, root: int) -> Any:
        return self.allgather(value)[root]

    def exchange(self, sends: Mapping[int, np.ndarray], receives: Mapping[int, np.ndarray]) -> Callable[[], None]:
        for other, buffer in sends.items():
            self.halos[self.rank, other].put(buffer.copy())
        self.messages += len(sends)

        def finish() -> None:
            for other, buffer in receives.items():
                buffer[...] = self.halos[other, self.rank].get(timeout=PATIENCE)

        return finish


def on_ranks(size: int, function: Callable[[Rank], Any]) -> list[Any]:
    """What ``function(comm)`` returns on each of so many ranks; an error of any of them is raised here."""
    context = multiprocessing.get_context("fork")
    pairs = list(itertools.product(range(size), repeat=2))
    letters, halos = ({pair: context.Queue() for pair in pairs} for _ in range(2))
    answers = context.Queue()

    def body(rank: int) -> None:
        try:
            answer = (rank, function(Rank(rank, size, letters, halos)), None)
        except Exception as failure:
            failure.add_note(traceback.format_exc())
            answer = (rank, None, failure)
        answers.put(answer)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which those of a runner are
        processes = [context.Process(target=body, args=(rank,)) for rank in range(size)]
        for process in processes:
            process.start()
    try:
        found = sorted((answers.get(timeout=2 * PATIENCE) for _ in processes), key=lambda answer: answer[0])
    finally:
        for process in processes:
            process.terminate()
            process.join()
    failures = [failure for _, _, failure in found if failure is not None]
    if failures:
        raise failures[0]
    return [value for _, value, _ in found]
