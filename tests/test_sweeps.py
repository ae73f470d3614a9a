"""Sweeps: the same numbers whoever does them, and nothing lost of what was done."""

from functools import partial

import numpy as np
import own_calls
import pytest
from cases import grid
from helpers import normal, spd

import thermolinalg as tla

A = spd(8, 30.0)
INPUTS = [(A, b) for b in np.random.default_rng(0).standard_normal((12, 8))]


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Last digits are those of BLAS on one thread, as workers have it that share two cores."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    with threadpoolctl.threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module")
def plain():
    return tla.sweep(tla.solve, INPUTS, rng=0)


def test_results_are_those_of_the_calls_with_spawned_streams(plain):
    streams = np.random.default_rng(0).spawn(len(INPUTS))
    assert np.array_equal(plain, [tla.solve(A, b, rng=stream) for (_, b), stream in zip(INPUTS, streams, strict=True)])


@pytest.mark.parametrize("n_jobs", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_workers_change_nothing(plain, n_jobs):
    assert np.array_equal(tla.sweep(tla.solve, INPUTS, rng=0, n_jobs=n_jobs), plain)


def test_threads_change_nothing(plain):
    joblib = pytest.importorskip("joblib")
    with joblib.parallel_config(backend="threading", n_jobs=2):
        assert np.array_equal(tla.sweep(tla.solve, INPUTS, rng=0), plain)


@pytest.mark.parametrize(("n_jobs", "allowed", "share"), [(2, 8, 4), (3, 8, 2), (64, 8, 1), (2, 1, 1), (1, 8, 8)])
def test_threads_share_the_cores(n_jobs, allowed, share, monkeypatch):
    joblib, threadpoolctl = pytest.importorskip("joblib"), pytest.importorskip("threadpoolctl")
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    with threadpoolctl.threadpool_limits(allowed, "blas"):
        before = own_calls.threads(rng=None)
        with joblib.parallel_config(backend="threading", n_jobs=n_jobs):
            found = tla.sweep(own_calls.threads, [()] * 3)
        assert own_calls.threads(rng=None) == before
    assert found == [min(share, before)] * 3


@pytest.mark.slow
def test_processes_share_the_cores():
    joblib = pytest.importorskip("joblib")
    found = tla.sweep(own_calls.threads, [()] * 4, n_jobs=2)
    assert max(found) <= max(1, joblib.cpu_count() // 2)


@pytest.mark.slow
def test_a_killed_worker_costs_a_second_try(plain, tmp_path):
    found = tla.sweep(own_calls.deadly, INPUTS, rng=0, n_jobs=2, mark=str(tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert np.array_equal(found, plain)


@pytest.mark.peers
def test_a_killed_worker_of_a_cluster_costs_a_second_try(plain, tmp_path):
    distributed, joblib = pytest.importorskip("distributed"), pytest.importorskip("joblib")
    place = {"host": "127.0.0.1", "dashboard_address": None, "local_directory": str(tmp_path / "dask")}
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, silence_logs=50, **place) as cluster,
        distributed.Client(cluster),
        joblib.parallel_config(backend="dask"),
    ):
        assert np.array_equal(tla.sweep(tla.solve, INPUTS, rng=0), plain)
        found = tla.sweep(own_calls.deadly, INPUTS, rng=0, mark=str(tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert np.array_equal(found, plain)


@pytest.mark.parametrize("n_jobs", [None, pytest.param(2, marks=pytest.mark.slow)])
def test_a_checkpoint_is_taken_up_bit_by_bit(plain, tmp_path, n_jobs):
    def stop(index, result):
        if len(list((tmp_path / "run").glob("0*.pickle"))) >= 5:
            raise StopIteration

    def count(index, result):
        again.append(index)

    first = tla.sweep(tla.solve, INPUTS, rng=0, n_jobs=n_jobs, checkpoint=tmp_path / "run", callback=stop)
    done = [i for i, value in enumerate(first) if value is not None]
    again = []
    whole = tla.sweep(tla.solve, INPUTS, n_jobs=n_jobs, checkpoint=tmp_path / "run", callback=count)
    assert np.array_equal(whole, plain)
    assert len(done) == 5
    assert sorted(done + again) == list(range(len(INPUTS)))


def test_a_long_run_of_samples_resumes_bit_by_bit(tmp_path):
    def interrupted(index, result):
        if index == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tla.sweep(tla.sample, [(A, 50)] * 4, checkpoint=tmp_path / "run", callback=interrupted)
    resumed = tla.sweep(tla.sample, [(A, 50)] * 4, checkpoint=tmp_path / "run")
    again = tla.sweep(tla.sample, [(A, 50)] * 4, checkpoint=tmp_path / "run")
    assert np.array_equal(resumed, again)
    assert len({float(x[0, 0]) for x in resumed}) == 4


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("method", ["solve", "sample"])
def test_a_prepared_device_resumes_bit_by_bit(tmp_path, method, n_jobs):
    # Large enough for the choice of engine to depend on what was asked before.
    large = grid(66, 0.1)
    calls = [(b,) for b in normal((5, large.shape[0]))] if method == "solve" else [(3,)] * 5

    def run(**options):
        return tla.sweep(getattr(tla.program(large, rng=1), method), calls, rng=0, **options)

    def interrupted(index, result):
        if index == 2:
            raise KeyboardInterrupt

    expected = run()
    with pytest.raises(KeyboardInterrupt):
        run(checkpoint=tmp_path / "run", callback=interrupted, n_jobs=n_jobs)
    assert 0 < len(list((tmp_path / "run").glob("0*.pickle"))) < 5 or n_jobs
    assert np.array_equal(run(checkpoint=tmp_path / "run"), expected)


def test_a_sweep_leaves_a_prepared_device_as_it_was():
    device = tla.program(A, rng=0)
    parts = tla.sweep(partial(device.sample, temperature=2.0), [(3,)] * 2, rng=0)
    assert device.ledger.runs == 0
    given = tla.sweep(lambda d, rng: d.sample(3, temperature=2.0, rng=rng), [(device,)] * 2, rng=0)
    assert np.array_equal(parts, given)


def test_a_checkpoint_of_another_matrix_is_refused(tmp_path):
    tla.sweep(tla.program(A, rng=0).sample, [(3,)] * 2, rng=0, checkpoint=tmp_path / "run")
    for other in (tla.program(2 * A, rng=0).sample, partial(tla.program(A, rng=0).sample, temperature=2.0)):
        with pytest.raises(ValueError, match="of another call"):
            tla.sweep(other, [(3,)] * 2, rng=0, checkpoint=tmp_path / "run")


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"rng": 1}, "from another rng"),
        ({"rtol": 1e-3}, "of other inputs"),
        ({"call": tla.langevin}, "of another call"),
    ],
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path, changed, text):
    tla.sweep(tla.solve, INPUTS[:2], rng=0, checkpoint=tmp_path / "run")
    call = changed.pop("call", tla.solve)
    with pytest.raises(ValueError, match=text):
        tla.sweep(call, INPUTS[:2], **({"rng": 0} | changed), checkpoint=tmp_path / "run")


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="not empty and holds no sweep"):
        tla.sweep(tla.solve, INPUTS, rng=0, checkpoint=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_errors_tell_which_call_raised_them(n_jobs):
    with pytest.raises(tla.SingularError) as raised:
        tla.sweep(tla.solve, [INPUTS[0], (np.ones((2, 2)), np.ones(2))], rng=0, n_jobs=n_jobs)
    assert raised.value.__notes__ == ["raised by the call for inputs[1]"]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_warnings_of_workers_reach_the_caller(n_jobs):
    with pytest.warns(tla.ThermodynamicWarning) as caught:
        tla.sweep(own_calls.warned, [([1.0, 2.0],)], rng=0, n_jobs=n_jobs)
    assert len(caught) == 1


def test_prepared_devices_serve_many_loads():
    device = tla.program(A, rng=0)
    found = tla.sweep(device.solve, [(b,) for _, b in INPUTS], rng=0, n_jobs=2)
    assert np.allclose(found, [np.linalg.solve(A, b) for _, b in INPUTS], rtol=1e-8)


def test_no_inputs_have_no_results():
    assert tla.sweep(tla.solve, [], rng=0) == []


@pytest.mark.parametrize("n_jobs", [0, -2, 1.5, "all"])
def test_numbers_of_workers_are_checked(n_jobs):
    with pytest.raises((ValueError, TypeError), match="n_jobs"):
        tla.sweep(tla.solve, INPUTS, n_jobs=n_jobs)


def test_joblib_is_asked_for_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "joblib", None)
    with pytest.raises(ImportError, match=r"thermolinalg\[parallel\]"):
        tla.sweep(tla.solve, INPUTS, rng=0, n_jobs=2)


def test_a_cluster_that_is_gone_is_named(monkeypatch):
    joblib = pytest.importorskip("joblib")

    def gone(n_jobs):
        raise AttributeError("'NoneType' object has no attribute 'ncores'")  # joblib's, once Dask's scheduler is closed

    monkeypatch.setattr(joblib, "effective_n_jobs", gone)
    with pytest.raises(ConnectionError, match="connect to a scheduler that runs"):
        tla.sweep(tla.solve, INPUTS, rng=0, n_jobs=2)


@pytest.mark.peers
def test_a_cluster_that_never_was_is_named():
    joblib = pytest.importorskip("joblib")
    pytest.importorskip("distributed")
    with pytest.raises(ValueError, match=r"(?i)create a Dask client"), joblib.parallel_config(backend="dask"):
        tla.sweep(tla.solve, INPUTS, rng=0)
