"""Many calls with streams of their own: over processes, threads or a cluster, stopped and taken up again."""

from __future__ import annotations

import copy
import hashlib
import os
import pickle
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import MethodType
from typing import Any, NamedTuple, cast

import numpy as np

from thermolinalg._info import ThermodynamicWarning, warn
from thermolinalg._progress import watched
from thermolinalg._validation import as_count, as_rng
from thermolinalg.files.replacing import replacing
from thermolinalg.primitives.program import PreparedDevice

__all__ = ["sweep"]

ATTEMPTS = 4
"""How often the calls that are left are handed out before workers that die are given up."""

DEATHS = ("TerminatedWorkerError", "BrokenProcessPool", "KilledWorker")
"""Errors of joblib, concurrent.futures and Dask that are no call's own."""


def sweep(
    call: Callable[..., Any],
    inputs: Iterable[Sequence[Any]],
    *,
    rng: Any = None,
    n_jobs: int | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
    callback: Callable[[int, Any], None] | None = None,
    progress: bool = False,
    **options: Any,
) -> list[Any]:
    """``[call(*arguments, rng=…, **options) for arguments in inputs]``: right-hand sides, replicas, parameters.

    Every call has a random stream of its own, spawned from `rng` by its place in the list. The results therefore do not
    depend on how many workers there are, on who did what, or on whether the work was interrupted.

    Parameters
    ----------
    call : callable
        `solve`, `sample`, a method of a prepared device, or a function of one's own that takes ``rng``. Other processes
        must be able to import it. Every call gets a copy of a prepared device as it is now.
    inputs : iterable of sequences
        The positional arguments of each call.
    rng : None, int, SeedSequence or Generator, optional
        Where the streams come from; None takes fresh entropy, or what `checkpoint` began with.
    n_jobs : int, optional
        Workers of joblib: −1 for all cores. None does the calls here, one after the other, unless a block of
        ``joblib.parallel_config`` says otherwise: its backends are processes, threads, and a Dask cluster.
    checkpoint : path, optional
        Folder that receives every result as it comes. The same sweep started again takes from it what is there.
        Its files are pickles: only take up a folder that nobody else could write to.
    callback : callable, optional
        ``callback(i, result)`` as results come, in any order; StopIteration ends the sweep.
    progress : bool, optional
        Whether to show a progress bar at once; it appears unasked after a quarter of a minute.
    **options
        Keywords of every call.

    Returns
    -------
    list
        One result for each input, in order; None for those that were not done when `callback` ended the sweep.

    Raises
    ------
    ImportError
        `n_jobs` is given and joblib is not installed: ``pip install 'thermolinalg[parallel]'``.
    ValueError
        The folder `checkpoint` holds another sweep.
    ConnectionError
        The scheduler of the cluster that joblib is told to use is gone.
    Exception
        Whatever a call raised, with a note that tells which one.

    See Also
    --------
    program : One A for many calls in one process.
    joblib.Parallel : What shares out the calls.

    Notes
    -----
    A worker that dies, by a signal or for want of memory, costs a second try of what it had at hand: the rest is kept.
    Dask tries again by itself. `n_jobs` counts workers, which share the cores: the linear algebra of each runs as many
    threads as there are cores for it. joblib sees to that where workers are processes, threadpoolctl where they are
    threads of this one.

    Examples
    --------
    Four right-hand sides, each as a call of its own:

    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> A = np.diag([1.0, 2.0, 4.0]) + 0.1
    >>> loads = np.eye(3)
    >>> x = tla.sweep(tla.solve, [(A, b) for b in loads], rng=0)
    >>> np.allclose(np.transpose(x), np.linalg.inv(A))
    True

    A long run in parts, which an interrupt does not lose:

    >>> parts = tla.sweep(tla.sample, [(A, 1000)] * 4, rng=0, n_jobs=2, checkpoint="run")  # doctest: +SKIP
    """
    tasks = [tuple(arguments) for arguments in inputs]
    if n_jobs is not None and n_jobs != -1:
        n_jobs = as_count(n_jobs, "n_jobs")
    seeds, results, folder = _spawned(rng, len(tasks)), cast(dict[int, Any], {}), None
    if checkpoint is not None:
        folder = _Folder(Path(checkpoint), _fingerprint(call, tasks, options))
        seeds, results = folder.agreed(seeds, fresh=rng is None), folder.results(len(tasks))
    missing = [_Task(i, call, tasks[i], seeds[i], options) for i in range(len(tasks)) if i not in results]
    with suppress(StopIteration):
        for index, value, warned in watched(_done(missing, n_jobs), "sweep", progress, len(missing)):
            for message in warned:
                warn(message)
            results[index] = value
            if folder is not None:
                folder.keep(index, value)
            if callback is not None:
                callback(index, value)
    return [results.get(i) for i in range(len(tasks))]


class _Task(NamedTuple):
    """One call."""

    place: int
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    seed: np.random.SeedSequence
    options: dict[str, Any]


class _Outcome(NamedTuple):
    """Its result, and the warnings that another process would keep to itself."""

    place: int
    value: Any
    warned: list[str]


def _run(task: _Task, home: int) -> _Outcome:
    """The call, in whatever process."""
    with ExitStack() as stack:
        caught = []
        if os.getpid() != home:
            caught = stack.enter_context(warnings.catch_warnings(record=True))
            warnings.simplefilter("always", ThermodynamicWarning)
        try:
            call, arguments = _fresh(task.call), [_fresh(x) for x in task.arguments]
            value = call(*arguments, rng=np.random.default_rng(task.seed), **task.options)
        except Exception as error:
            error.add_note(f"raised by the call for inputs[{task.place}]")
            raise
    return _Outcome(task.place, value, [str(w.message) for w in caught])


def _fresh(x: Any) -> Any:
    """A prepared device, or a method of one, as it was before any call; anything else itself.

    Which engine a device takes depends on what it was asked before, and the last digits of its answers on the engine.
    """
    if isinstance(x, PreparedDevice):
        return copy.deepcopy(x)
    if isinstance(x, MethodType):
        return MethodType(x.__func__, _fresh(x.__self__))
    if isinstance(x, partial):
        return partial(_fresh(x.func), *map(_fresh, x.args), **x.keywords)
    return x


def _done(tasks: list[_Task], n_jobs: int | None) -> Iterator[_Outcome]:
    """Outcomes as they come; what a worker had at hand that died is tried again."""
    if not tasks:
        return
    if n_jobs is None and "joblib" not in sys.modules:
        yield from (_run(task, os.getpid()) for task in tasks)
        return
    try:
        from joblib import Parallel, delayed
    except ImportError:
        raise ImportError("n_jobs needs joblib: pip install 'thermolinalg[parallel]'") from None
    left = {task.place: task for task in tasks}
    for attempt in range(1, ATTEMPTS + 1):
        with _fair_shares(n_jobs):
            pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
            outcomes = pool(delayed(_run)(task, os.getpid()) for task in list(left.values()))
            try:
                for outcome in outcomes:
                    del left[outcome.place]
                    yield outcome
            except Exception as error:
                if type(error).__name__ not in DEATHS or attempt == ATTEMPTS:
                    raise
            finally:
                with warnings.catch_warnings():  # of results that nobody waits for after an early end
                    warnings.simplefilter("ignore", UserWarning)
                    outcomes.close()
        if not left:
            return


@contextmanager
def _fair_shares(n_jobs: int | None) -> Iterator[None]:
    """Workers that are threads have a share of the cores each, whose linear algebra knows nothing of the others."""
    from joblib import cpu_count, effective_n_jobs
    from joblib.parallel import get_active_backend

    backend, _ = get_active_backend()
    try:
        workers = effective_n_jobs(n_jobs)
    except Exception as error:  # of whatever kind backends have
        raise ConnectionError(
            f"the workers of joblib's {type(backend).__name__} do not answer: {error}; connect to a scheduler that "
            "runs, or leave the block of joblib.parallel_config"
        ) from error
    if workers == 1 or not getattr(backend, "uses_threads", False):
        yield
        return
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:  # it comes with the extra
        yield
        return
    controller, share = ThreadpoolController(), max(1, cpu_count() // workers)
    with ExitStack() as limited:
        for pool in controller.info():
            library = controller.select(filepath=pool["filepath"])
            limited.enter_context(library.limit(limits=min(share, pool["num_threads"])))
        yield


class _Folder:
    """Results on disk, and what they are results of."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        self.path, self.fingerprint = path, fingerprint
        self.header = path / "sweep.pickle"

    def agreed(self, seeds: list[np.random.SeedSequence], *, fresh: bool) -> list[np.random.SeedSequence]:
        """The streams that the folder began with: these ones where it is new, or any where they are `fresh` entropy."""
        if not self.header.exists():
            self.path.mkdir(parents=True, exist_ok=True)
            if any(self.path.iterdir()):
                raise ValueError(f"{self.path} is not empty and holds no sweep; give a new folder")
            self._write(self.header, (self.fingerprint, seeds))
            return seeds
        fingerprint, begun = _loaded(self.header)
        if fingerprint != self.fingerprint:
            raise ValueError(f"{self.path} holds a sweep of another call or of other inputs; give a new folder")
        if not fresh and [s.state for s in seeds] != [s.state for s in begun]:
            raise ValueError(f"{self.path} holds the same sweep from another rng; pass rng=None to go on with that")
        return cast(list[np.random.SeedSequence], begun)

    def results(self, count: int) -> dict[int, Any]:
        """Those that are there."""
        return {i: _loaded(self._file(i)) for i in range(count) if self._file(i).exists()}

    def keep(self, index: int, value: Any) -> None:
        self._write(self._file(index), value)

    def _file(self, index: int) -> Path:
        return self.path / f"{index:08d}.pickle"

    def _write(self, path: Path, value: Any) -> None:
        with replacing(path) as stream:
            pickle.dump(value, stream, protocol=5)


def _loaded(path: Path) -> Any:
    with path.open("rb") as stream:
        return pickle.load(stream)


def _spawned(rng: Any, count: int) -> list[np.random.SeedSequence]:
    """Seeds of independent streams."""
    return [cast(np.random.SeedSequence, stream.bit_generator.seed_seq) for stream in as_rng(rng).spawn(count)]


def _fingerprint(call: Callable[..., Any], tasks: list[tuple[Any, ...]], options: dict[str, Any]) -> str:
    """What distinguishes a sweep from others."""
    digest = _Digest()
    pickle.Pickler(digest, protocol=5).dump((_named(call), tasks, options))
    return digest.hash.hexdigest()


def _named(call: Callable[..., Any]) -> Any:
    """The name of a call, and what it already holds: the object of a method, the arguments of a partial."""
    if isinstance(call, partial):
        return _named(call.func), call.args, call.keywords
    name = getattr(call, "__qualname__", repr(call))
    return (name, call.__self__) if isinstance(call, MethodType) else name


class _Digest:
    """A file that only remembers a hash of what is written to it."""

    def __init__(self) -> None:
        self.hash = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.hash.update(data)
        return memoryview(data).nbytes
