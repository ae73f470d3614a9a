"""Benchmarks of what is not at hand everywhere: that they run small, and refuse in a sentence."""

import importlib
import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs torch")


def ran(*arguments):
    """A benchmark in a process of its own, as users start it."""
    command = [sys.executable, "-m", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.peers
@needs_torch
def test_the_bench_of_accelerators_runs_on_the_host():
    run = ran("benchmarks.scale.gpu", "--device", "cpu", "--dense", "140", "--side", "34", "--width", "8")
    assert run.returncode == 0, run.stderr
    parts = {line.partition(" ")[0]: json.loads(line.partition(" ")[2]) for line in run.stdout.splitlines()}
    assert [(row["d"], row["dtype"]) for row in parts["dense"]] == [(140, "torch.float32"), (140, "torch.float64")]
    assert all(row["n"] == 1156 and row["residual"] < 2e-5 for row in parts["stencil"])
    assert set(parts["steps"][0]["seconds"]) == {"TNGD", "Adam"}


@pytest.mark.peers
@needs_torch
@pytest.mark.parametrize("asked", [[], ["--device", "cuda:7"], ["--device", "abacus"]])
def test_it_refuses_where_there_is_no_such_device(asked):
    import torch

    if not asked and torch.cuda.is_available():
        pytest.skip("there is one")
    run = ran("benchmarks.scale.gpu", *asked)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.startswith("torch finds no CUDA device here" if not asked else "torch has no device")
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.slow
def test_the_bench_of_kernels_runs():
    run = ran("benchmarks.scale.kernels", "--quick")
    assert run.returncode == 0, run.stderr
    rows = json.loads(run.stdout)
    assert {(row["width"], row["dtype"]) for row in rows} == {
        (k, t) for k in (1, 2, 16) for t in ("float64", "float32")
    }
    assert all(seconds > 0 for row in rows for seconds in row["seconds"].values())


def benchmark(name):
    """A benchmark in parts, and its results."""
    found = importlib.import_module(f"benchmarks.{name}.__main__").BENCHMARK
    return found, json.loads(found.results.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["applications", "sampling"])
def test_a_page_is_that_of_its_results(name):
    found, results = benchmark(name)
    assert set(found.parts) < set(results)
    page = ROOT / "docs" / f"benchmarks_{name}.md"
    assert page.read_text(encoding="utf-8") == found.page(results)


def test_applications_find_what_their_peers_find():
    found, results = benchmark("applications")
    for part in found.parts:
        beside_a_peer = {name: one for name, one in results[part].items() if "beside" in one}
        assert beside_a_peer
        for name, one in beside_a_peer.items():
            # scikit-learn's search for a kernel ends where the evidence changes by less than 2e-9 of itself.
            assert 0 <= one["difference"] < (1e-4 if "its kernel" in name else 1e-5), name
            assert min(one["ours"], one["theirs"]) > 0


def test_parts_that_were_measured_are_not_measured_again(monkeypatch, tmp_path):
    module = importlib.import_module("benchmarks.in_parts")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    bench = module.Benchmark("toy", {"first": "First", "second": "Second"}, ("numpy",), "# Toy {threads}")
    bench.unfinished.parent.mkdir(parents=True)
    bench.unfinished.write_text('{"first": {"x": 1}}', encoding="utf-8")
    asked = []

    def run(command, **_):
        asked.append(command[command.index("--part") + 1])
        return SimpleNamespace(stdout='warming up\n{"x": 2}\n')

    monkeypatch.setattr(module.subprocess, "run", run)
    results = bench.measure("data")
    assert asked == ["second"]
    assert (results["first"], results["second"]) == ({"x": 1}, {"x": 2})
    assert json.loads(bench.unfinished.read_text(encoding="utf-8"))["second"] == {"x": 2}
