"""The experiments on noise at toy size: the breadboard's law, and ways to A⁻¹ at equal error."""

import importlib
import json
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

EXPERIMENTS = Path(__file__).resolve().parents[1] / "experiments"


def run(script, folder, *arguments):
    """Its results, without a new process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXPERIMENTS))
        patch.setattr(sys, "argv", [script, "--results", str(folder), "--pictures", str(folder), *arguments])
        importlib.import_module(script).main()
    assert list(folder.glob("*.png"))
    return json.loads((folder / f"{script}.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_breadboard(tmp_path):
    found = run("breadboard", tmp_path, "--repeats", "40", "--longest", "0.1")
    assert -0.7 < found["slope"] < -0.3
    for row in found["rows"]:
        assert row["bias"] == pytest.approx(row["correlation"], abs=1e-12)
        if not row["correlation"]:
            assert 0.6 < row["error"] / row["rule"] < 1.3


def test_redundant_noise(tmp_path):
    rows = {row["way"]: row for row in run("redundant_noise", tmp_path, "--nodes", "6", "--readings", "2000")["rows"]}
    target = rows["independent readings"]["error"]
    assert 0.3 < target / (7 / 2000) ** 0.5 < 2
    assert rows["correlated readings"]["error"] > target / 3
    assert all(rows[way]["error"] <= target for way in ("covariance equation", "Newton–Schulz", "LAPACK"))
