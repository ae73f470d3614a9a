"""The command line, mostly in this process: what it prints, writes and returns."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from helpers import close

import thermolinalg as tla
from thermolinalg.cli import main

pytest.importorskip("typer")

D = 12


@pytest.fixture
def A() -> np.ndarray:
    X = np.random.default_rng(0).standard_normal((3 * D, D))
    return X.T @ X / (3 * D)


@pytest.fixture
def matrix(A, tmp_path) -> str:
    path = tmp_path / "A.mtx"
    scipy.io.mmwrite(path, scipy.sparse.csr_array(A), symmetry="symmetric")
    return str(path)


def save(folder: Path, name: str, array: np.ndarray) -> str:
    np.save(folder / name, array)
    return str(folder / name)


def run_json(capsys, *arguments: str) -> dict:
    assert main([*arguments, "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.count("\n") == 1
    return json.loads(out)


def fails(capsys, *arguments: str) -> tuple[int, str]:
    """Exit code and the one line on standard error; nothing on standard output."""
    status = main(list(arguments))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("thermolinalg: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    return status, err


# -- the commands ----------------------------------------------------------------------------------------------------


def test_solve(capsys, A, matrix):
    report = run_json(capsys, "solve", matrix, "--rng", "1")
    assert set(report) == {"command", "matrix", "value", "info"}
    assert report["command"] == "solve"
    assert report["matrix"] == {"path": matrix, "shape": [D, D], "dtype": "float64"}
    assert np.allclose(A @ report["value"], np.ones(D), rtol=0, atol=1e-9)
    info = report["info"]
    assert info["success"] is True
    assert len(info["standard_error"]) == D
    assert info["schedule"]["bound"]
    assert info["ledger"]["runs"] >= info["n_runs"] >= 1
    assert {"residual_norm", "engine", "reason", "device_time", "message"} <= set(info)


def test_solve_is_the_library_s(capsys, A, matrix):
    report = run_json(capsys, "solve", matrix, "--rng", "7", "--raw", "--rtol", "0.05")
    x, info = tla.solve(scipy.sparse.csr_array(A), np.ones(D), rng=7, refine=False, rtol=0.05, return_info=True)
    assert report["value"] == pytest.approx(x.tolist(), rel=1e-9)
    assert report["info"]["standard_error"] == pytest.approx(info.standard_error.tolist(), rel=1e-9)
    assert report["info"]["n_runs"] == 1


@pytest.mark.parametrize("ending", [".mtx", ".npy", ".txt", ".csv"])
def test_right_hand_sides_and_outputs_in_every_format(capsys, A, matrix, tmp_path, ending):
    from thermolinalg.files import load_vectors, save_array

    b = np.random.default_rng(3).standard_normal(D)
    rhs, output = tmp_path / f"b{ending}", tmp_path / f"x{ending}"
    save_array(rhs, b)
    assert np.array_equal(load_vectors(rhs), b)
    report = run_json(capsys, "solve", matrix, "-b", str(rhs), "--rng", "1", "--output", str(output))
    assert report["output"] == str(output)
    x = load_vectors(output)
    assert np.allclose(A @ x, b, atol=1e-8)
    assert report["value"]["norm"] == pytest.approx(np.linalg.norm(x))
    assert report["value"]["shape"] == [D]


def test_many_right_hand_sides(capsys, A, matrix, tmp_path):
    B = np.random.default_rng(3).standard_normal((D, 3))
    report = run_json(capsys, "solve", matrix, "-b", save(tmp_path, "B.npy", B))
    assert np.allclose(A @ np.array(report["value"]), B, atol=1e-8)
    assert len(report["info"]["residual_norm"]) == 3


def test_inv(capsys, A, matrix):
    report = run_json(capsys, "inv", matrix, "--rng", "1")
    assert np.allclose(report["value"], np.linalg.inv(A), atol=1e-7)
    report = run_json(capsys, "inv", matrix, "--rng", "1", "--raw")
    distance = np.array(report["value"]) - np.linalg.inv(A)
    assert 0.3 < np.linalg.norm(distance) / np.linalg.norm(report["info"]["standard_error"]) < 3


def test_logdet(capsys, A, matrix):
    report = run_json(capsys, "logdet", matrix, "--rng", "1", "--atol", "0.02")
    assert report["info"]["standard_error"] <= 0.02
    assert abs(report["value"] - np.linalg.slogdet(A)[1]) < 4 * report["info"]["standard_error"]


def test_sample(capsys, A, matrix, tmp_path):
    n = 4000
    mean = np.linalg.solve(A, np.ones(D))
    rhs = save(tmp_path, "b.npy", np.ones(D))
    report = run_json(capsys, "sample", matrix, "--size", str(n), "-b", rhs, "--rng", "1")
    deviations = np.array(report["value"]) - mean
    assert deviations.shape == (n, D)
    energy = np.mean(np.sum(deviations @ A * deviations, axis=1)) / D
    assert abs(energy - 1) < 4 * (2 / (n * D)) ** 0.5


def test_explain(capsys, matrix):
    report = run_json(capsys, "explain", matrix)
    assert report["explanation"]["structure"] == "sparse"
    assert report["explanation"]["solve"]["reason"]
    assert report["explanation"]["schedule"]["duration"] > 0
    assert main(["explain", matrix]) == 0
    assert "symmetric sparse" in capsys.readouterr().out


@pytest.mark.parametrize("computer", ["model", "measured", "a100"])
def test_plan(capsys, matrix, computer):
    report = run_json(capsys, "plan", matrix, "--rtol", "1e-4", "--hardware", "pcb", "--computer", computer)
    plan = report["plan"]
    assert plan["rtol"] == 1e-4
    assert plan["nodes"] == D
    assert plan["couplings"] == D * D
    assert plan["recommended"] in [way["name"] for way in plan["ways"]]
    assert plan["bill"]["joules"] is None
    assert main(["plan", matrix]) == 0
    out = capsys.readouterr().out
    assert "recommended" in out
    assert "break-even" in out


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (["--rtol", "0"], 1, "--rtol must be positive"),
        (["--rtol", "nan"], 1, "--rtol must be finite"),
        (["--hardware", "abacus"], 1, "hardware must be one of 'paper', 'pcb', 'integrated'"),
        (["--referee", "--assume", "gen"], 1, "--referee compares methods for positive definite A"),
        (["--computer", "abacus"], 2, "--computer must be one of model, measured, a100"),
    ],
)
def test_plans_that_cannot_be_made(capsys, matrix, options, status, words):
    found, line = fails(capsys, "plan", matrix, *options)
    assert found == status
    assert words in line


def test_the_table_for_people(capsys, matrix):
    assert main(["solve", matrix, "--rng", "1"]) == 0
    out = capsys.readouterr().out
    for part in ("solve A.mtx", "standard error", "residual norm", "engine", "device time"):
        assert part in out
    assert main(["solve", matrix, "--raw", "--rng", "1"]) == 0
    assert "leave out --raw" in capsys.readouterr().out


# -- input files -----------------------------------------------------------------------------------------------------


def test_compressed_and_other_formats_are_the_same_matrix(capsys, A, matrix, tmp_path):
    packed = tmp_path / "A.mtx.gz"
    packed.write_bytes(gzip.compress(Path(matrix).read_bytes()))
    sparse = tmp_path / "A.npz"
    scipy.sparse.save_npz(sparse, scipy.sparse.csr_array(A))
    single = tmp_path / "one.npz"
    np.savez(single, A)
    for path in (str(packed), str(sparse), str(single), save(tmp_path, "A.npy", A)):
        report = run_json(capsys, "solve", path, "--rng", "1")
        assert np.allclose(A @ report["value"], np.ones(D), atol=1e-9)


def test_complex_hermitian_values_in_json(capsys, A, tmp_path):
    H = A + 0.01j * (np.tri(D) - np.tri(D).T)
    report = run_json(capsys, "solve", save(tmp_path, "H.npy", H))
    x = np.array(report["value"]["real"]) + 1j * np.array(report["value"]["imag"])
    assert np.allclose(H @ x, np.ones(D), atol=1e-8)


def test_files_that_hold_no_matrix(capsys, tmp_path):
    broken, text, two = tmp_path / "broken.mtx", tmp_path / "notes.md", tmp_path / "two.npz"
    broken.write_text("%%MatrixMarket matrix coordinate real general\n2 2 3\n1 1 oops\n")
    text.write_text("no matrix")
    np.savez(two, a=np.eye(2), b=np.eye(2))
    damaged = tmp_path / "damaged.mtx.gz"
    damaged.write_bytes(b"not gzip at all")
    objects = save(tmp_path, "objects.npy", np.array([[None, 1]], dtype=object))
    cases = [str(tmp_path / "missing.mtx"), broken, text, two, damaged, objects, tmp_path]
    cases += [save(tmp_path, "empty.npy", np.empty((0, 0))), save(tmp_path, "cube.npy", np.ones((2, 2, 2)))]
    for path in cases:
        status, line = fails(capsys, "solve", str(path))
        assert status == 1
        assert Path(path).name in line


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("command", ["solve", "inv", "logdet", "sample", "explain", "plan"])
def test_matrices_that_are_not_finite(capsys, A, tmp_path, command, value):
    A[1, 2] = A[2, 1] = value
    status, line = fails(capsys, command, save(tmp_path, "A.npy", A))
    assert status == 1
    assert "NaN or infinity" in line


@pytest.mark.parametrize("command", ["inv", "logdet", "sample", "explain", "plan", "solve"])
def test_singular_matrices(capsys, tmp_path, command):
    status, line = fails(capsys, command, save(tmp_path, "singular.npy", np.ones((3, 3))))
    assert status == 4
    assert "singular" in line


INDEFINITE = np.diag([1.0, 2.0, -3.0])


@pytest.mark.parametrize(
    "arguments", [["logdet"], ["sample"], ["solve", "--assume", "pos"], ["inv", "--assume", "pos"]]
)
def test_indefinite_matrices_where_a_definite_one_is_needed(capsys, tmp_path, arguments):
    status, line = fails(capsys, *arguments, save(tmp_path, "indefinite.npy", INDEFINITE))
    assert status == 4
    assert "positive" in line
    assert "assume_a" not in line  # a keyword of Python, not of the command line
    assert ("pass --assume gen" in line) == ("pos" in arguments)


@pytest.mark.parametrize("extra", [[], ["--assume", "gen"], ["--raw"]])
def test_indefinite_matrices_are_solved_and_inverted(capsys, tmp_path, extra):
    path = save(tmp_path, "indefinite.npy", INDEFINITE)
    report = run_json(capsys, "solve", path, "--rng", "1", *extra)
    assert close(report["value"], [1, 1 / 2, -1 / 3], 0.05 if "--raw" in extra else 1e-10)
    assert "skew embedding" in report["info"]["reason"]
    report = run_json(capsys, "inv", path, "--rng", "1", *extra)
    assert close(report["value"], np.linalg.inv(INDEFINITE), 0.05 if "--raw" in extra else 1e-10)
    assert "skew embedding" in run_json(capsys, "explain", path)["explanation"]["why"]


def test_what_the_user_says_of_a_matrix(capsys, tmp_path):
    drift = np.array([[1.0, 5.0], [0.0, 2.0]])
    path = save(tmp_path, "drift.npy", drift)
    for command, expected in (("solve", np.linalg.solve(drift, [1, 1])), ("inv", np.linalg.inv(drift))):
        report = run_json(capsys, command, path, "--rng", "1", "--assume", "stable")
        assert close(report["value"], expected, 1e-9)
        assert "drift" in report["info"]["reason"]
    triangle = save(tmp_path, "triangle.npy", np.array([[4.0, 1.0], [0.0, 3.0]]))
    for command in ("logdet", "sample"):
        assert fails(capsys, command, triangle)[0] == 4
    report = run_json(capsys, "logdet", triangle, "--assume", "sym", "--rng", "1")
    assert abs(report["value"] - np.log(11)) < 4 * report["info"]["standard_error"]
    draws = run_json(capsys, "sample", triangle, "--assume", "sym", "--rng", "1", "--size", "4000")["value"]
    assert close(np.cov(np.array(draws).T), np.array([[3.0, -1.0], [-1.0, 4.0]]) / 11, 0.1)


def test_a_right_hand_side_of_the_wrong_length(capsys, matrix, tmp_path):
    status, line = fails(capsys, "solve", matrix, "-b", save(tmp_path, "b.npy", np.ones(D + 1)))
    assert status == 1
    assert f"{D + 1} rows" in line


def test_an_output_that_cannot_be_written(capsys, matrix, tmp_path):
    assert fails(capsys, "solve", matrix, "--output", str(tmp_path / "nowhere" / "x.npy"))[0] == 1


# -- usage, convergence, interrupts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["solve"], "MATRIX"),
        (["frobnicate"], "frobnicate"),
        (["solve", "A.mtx", "--rtol", "-1"], "rtol"),
        (["solve", "A.mtx", "--rtol", "tight"], "rtol"),
        (["solve", "A.mtx", "--output", "x.docx"], "output"),
        (["sample", "A.mtx", "--size", "0"], "size"),
        (["solve", "A.mtx", "--rng", "-3"], "rng"),
        (["logdet", "A.mtx", "--unknown"], "unknown"),
    ],
)
def test_wrong_usage(capsys, arguments, words):
    status, line = fails(capsys, *arguments)
    assert status == 2
    assert words in line


def test_a_tolerance_out_of_reach(capsys, A, tmp_path):
    path = save(tmp_path, "A.npy", A)
    status = main(["solve", path, "--rtol", "1e-12", "--maxiter", "1", "--rng", "0", "--json"])
    out, err = capsys.readouterr()
    assert status == 3
    report = json.loads(out)
    assert report["info"]["success"] is False
    assert err.startswith("thermolinalg: warning: ")
    assert err.count("\n") == 1
    assert "--rtol (now 1e-12)" in err
    assert err.endswith("or a larger --maxiter\n")


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"thermolinalg {tla.__version__}\n"
    assert main(["--help"]) == 0
    help_text = capsys.readouterr().out
    for word in ("solve", "inv", "logdet", "sample", "explain", "plan", "demo", "Exit codes"):
        assert word in help_text


def test_an_interrupt_takes_one_line(capsys, matrix, monkeypatch):
    from thermolinalg.cli import commands

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(commands.tla, "solve", interrupted)
    status, line = fails(capsys, "solve", matrix)
    assert status == 130
    assert "interrupted" in line


def test_without_the_extra_one_line_says_what_to_install():
    code = "import sys; sys.modules['typer'] = None; from thermolinalg.cli import main; sys.exit(main(['--version']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "thermolinalg: the command line needs typer and rich: pip install 'thermolinalg[cli]'\n"


@pytest.mark.slow
def test_the_installed_command(matrix):
    command = Path(sys.executable).with_name("thermolinalg")
    if not command.exists():
        pytest.skip("thermolinalg is not installed in this environment")
    done = subprocess.run([command, "solve", matrix, "--json", "--rng", "0"], capture_output=True, text=True)
    assert done.returncode == 0
    assert json.loads(done.stdout)["info"]["success"]
    done = subprocess.run([command, "solve", "missing.mtx"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
