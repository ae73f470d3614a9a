"""The examples of other people's training loops run and learn, each where its library is installed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize("library", ["lightning", "accelerate", "transformers"])
def test_loops(library):
    for needed in ("sklearn", "accelerate" if library == "transformers" else library, library):
        pytest.importorskip(needed, exc_type=ImportError)
    script = EXAMPLES / f"with_{'trainer' if library == 'transformers' else library}.py"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert float(run.stdout.split()[-1]) > 0.9
