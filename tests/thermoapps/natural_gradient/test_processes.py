"""Two processes with a part of the batch each are one process with all of it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from several_processes import OPTIMISERS, trained  # noqa: E402

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="torch without torch.distributed")


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder, script = tmp_path_factory.mktemp("processes"), Path(__file__).parent / "several_processes.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    runs = [
        subprocess.Popen([sys.executable, str(script), str(rank), str(folder)], env=environment, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    for run in runs:
        assert run.wait(timeout=120) == 0, run.stderr.read().decode()
        run.stderr.close()
    return [torch.load(folder / str(rank), weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("share", ["even", "uneven"])
@pytest.mark.parametrize("name", OPTIMISERS)
def test_two_processes_are_one(found, name, share):
    first, second = (each[name, share] for each in found)
    torch.testing.assert_close(first, second, rtol=0, atol=0)
    if name != "noisy":
        torch.testing.assert_close(first, trained(lambda net: net, slice(None), name), rtol=1e-8, atol=1e-10)


def test_what_would_lead_them_apart_is_refused(found):
    assert "give the DistributedDataParallel model itself" in found[0]["refused"]
    assert "static_graph" in found[1]["static"]
