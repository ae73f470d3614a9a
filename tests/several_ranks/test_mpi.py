"""MPI itself: the same script on one rank and on two, and what is said where there is none."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thermolinalg.distributed import mpi, rows_of

SCRIPT, ROOT = Path(__file__).with_name("script.py"), Path(__file__).resolve().parents[2]


def mpiexec():
    """The mpiexec of this environment, else any."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def answers(ranks, path):
    """What the script finds on so many ranks."""
    launch = [mpiexec(), "-n", str(ranks)] if ranks > 1 else []
    command = [*launch, sys.executable, "-W", "error", "-m", "mpi4py", str(SCRIPT), str(path)]
    paths = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=300, check=False
    )
    assert run.returncode == 0, run.stderr
    with np.load(path) as found:
        return dict(found)


@pytest.mark.peers
def test_two_ranks_answer_as_one(tmp_path):
    pytest.importorskip("mpi4py")
    if mpiexec() is None:
        pytest.skip("needs mpiexec")
    one, two = (answers(ranks, tmp_path / f"{ranks}.npz") for ranks in (1, 2))
    assert (one.pop("ranks"), two.pop("ranks")) == (1, 2)
    assert one.pop("refusals").tolist() == two.pop("refusals").tolist() == ["TypeError", "ValueError", "ValueError"]
    np.testing.assert_allclose(one["stencil"], one["product"], rtol=0, atol=1e-13)
    for name, expected in one.items():
        tolerance = {"solve": 1e-9, "refined": 1e-13}.get(name, 1e-12)
        np.testing.assert_allclose(two[name], expected, rtol=0, atol=tolerance * abs(expected).max(), err_msg=name)


@pytest.fixture
def fresh():
    """Nothing remembered of ranks."""
    mpi._world.cache_clear()
    yield
    mpi._world.cache_clear()


def test_without_mpi4py_the_extra_is_named(monkeypatch, fresh):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(ImportError, match=r"thermolinalg\[mpi\].*Serial\(\)"):
        rows_of(10)


def test_without_an_mpi_library_that_is_said(monkeypatch, fresh):
    class Broken:
        @property
        def MPI(self):
            raise RuntimeError("cannot load MPI library")

    monkeypatch.setitem(sys.modules, "mpi4py", Broken())
    with pytest.raises(ImportError, match="cannot load MPI library"):
        rows_of(10)


@pytest.mark.peers
def test_an_mpiexec_of_another_mpi_is_found_out(monkeypatch, fresh):
    pytest.importorskip("mpi4py")
    try:
        from mpi4py import MPI
    except RuntimeError:
        pytest.skip("needs an MPI library")
    assert MPI.COMM_WORLD.Get_size() == 1
    monkeypatch.setenv("PMI_SIZE", "2")
    with pytest.raises(RuntimeError, match="started 2 processes, and each believes to be alone"):
        rows_of(10)
