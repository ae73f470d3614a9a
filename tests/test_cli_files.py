"""Files of the command line: what it reads, what it will not overwrite, and one line for whatever goes wrong."""

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from thermolinalg.cli import commands, main

pytest.importorskip("typer")

ENTRY = "import sys; from thermolinalg.cli import main; sys.exit(main())"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    np.save("A.npy", np.array([[2.0, 1.0], [1.0, 3.0]]))
    np.save("b.npy", np.ones(2))
    return tmp_path


def fails(capsys, *arguments):
    """Exit code and the one line on standard error; nothing on standard output."""
    status = main(list(arguments))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("thermolinalg: ")
    assert err.count("\n") == 1
    return status, err


@pytest.fixture
def never_computed(monkeypatch):
    def computed(*arguments, **options):
        raise AssertionError

    for name in ("solve", "inv", "sample"):
        monkeypatch.setattr(commands.tla, name, computed)
    monkeypatch.setattr("thermolinalg.demo.problems", computed)


OUTPUTS = {
    "A.npy": "it is the input A.npy; give another name",
    "b.npy": "it is the input b.npy; give another name",
    "link.npy": "it is the input A.npy; give another name",
    "no/such/x.npy": "there is no folder no/such",
    "folder.npy": "it is a folder",
    "null.npy": "no regular file",
}


@pytest.mark.parametrize("force", [[], ["--force"]])
@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("command", ["solve", "sample"])
def test_outputs_are_refused_before_anything_is_computed(capsys, never_computed, command, output, force):
    os.symlink("A.npy", "link.npy")
    os.mkdir("folder.npy")
    os.symlink("/dev/null", "null.npy")
    status, line = fails(capsys, command, "A.npy", "-b", "b.npy", "--output", output, *force)
    assert status == 1
    assert f"{output} cannot be written: " in line
    assert OUTPUTS[output] in line
    assert np.load("A.npy").shape == (2, 2)


def test_existing_files_are_not_replaced(capsys, never_computed):
    Path("x.txt").write_text("precious")
    for command in ("solve", "inv", "sample"):
        status, line = fails(capsys, command, "A.npy", "--output", "x.txt")
        assert (status, line) == (1, "thermolinalg: x.txt cannot be written: it exists; pass --force to replace it\n")
    assert Path("x.txt").read_text() == "precious"


def test_existing_files_are_replaced_by_force():
    Path("x.txt").write_text("precious")
    assert main(["solve", "A.npy", "--output", "x.txt", "--force"]) == 0
    assert np.allclose(np.loadtxt("x.txt"), [0.4, 0.2])


@pytest.mark.parametrize("output", ["x.docx", "x", "-", "/dev/null"])
def test_endings_that_are_not_known(capsys, never_computed, output):
    status, line = fails(capsys, "inv", "A.npy", "--output", output)
    assert status == 2
    assert "has to end in .npy, .mtx, .txt, .csv" in line


@pytest.mark.parametrize(
    ("output", "taken", "said"),
    [
        ("d.docx", None, "none of the known endings .png, .pdf, .svg"),
        ("d.png", "d.png", "d.png cannot be written: it exists; pass --force"),
        ("no/d.png", None, "there is no folder no"),
        ("d.png", "d-race.png", "d-race.png cannot be written: it exists; pass --force"),
    ],
)
def test_pictures_of_the_demo_are_checked_first(capsys, never_computed, monkeypatch, output, taken, said):
    from importlib.metadata import EntryPoint

    guests = [EntryPoint("race", "nowhere:race", "thermolinalg.demo")]
    monkeypatch.setattr("thermolinalg.demo.guests.entry_points", lambda group: guests)
    if taken:
        Path(taken).write_text("precious")
    status, line = fails(capsys, "demo", "--output", output)
    assert status == 1
    assert said in line
    assert not taken or Path(taken).read_text() == "precious"


def test_tables_of_numbers(capsys):
    Path("A.csv").write_text("# a matrix\n2, 1\n1, 3\n")
    Path("b.txt").write_text("1 2\n")
    assert main(["solve", "A.csv", "-b", "b.txt", "--json"]) == 0
    assert np.allclose(json.loads(capsys.readouterr().out)["value"], [0.2, 0.6])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["A.npy", "--limit", "100"],
            "A.npy cannot be read: the file has 160 bytes, and --limit 100; pass --limit 160 if",
        ),
        (
            ["t.csv", "--longest-line", "1e1"],
            "t.csv cannot be read: line 1 is longer than 10 characters; pass a larger ",
        ),
        (["A.npy", "-b", "t.csv", "--limit", "1e3"], "t.csv cannot be read: the numbers up to line 1 take 1600 bytes"),
        (["bomb.mtx.gz", "--limit", "1e6"], "it unpacks to more than 1000000 bytes; pass --limit 2000000 if"),
    ],
)
@pytest.mark.parametrize("command", ["solve", "explain"])
def test_limits_are_options(capsys, command, arguments, said):
    Path("t.csv").write_text("1," * 199 + "1\n")
    Path("bomb.mtx.gz").write_bytes(gzip.compress(bytes(2 * 10**6)))
    status, line = fails(capsys, command, *arguments)
    assert status == 1
    assert said in line


@pytest.mark.parametrize("value", ["0", "-5", "nan", "1e400", "much"])
@pytest.mark.parametrize("option", ["--limit", "--longest-line"])
def test_limits_that_are_none(capsys, option, value):
    status, line = fails(capsys, "solve", "A.npy", option, value)
    assert status == 2
    assert option in line


@pytest.mark.parametrize("name", ["ä[red]b.npy", "-d.npy", "a b.npy", "{x}.npy", "bad\udcff.npy", "\x1b[31m.npy"])
def test_odd_names(capsys, name):
    os.rename("A.npy", name)
    assert main(["solve", "--json", "--output=~/x.txt", "--", name]) == 1  # there is no home yet
    assert "home/x.txt cannot be written: there is no folder" in capsys.readouterr().err
    os.mkdir("home")
    assert main(["solve", "--json", "--output=~/x.txt", "--", name]) == 0
    assert os.listdir("home") == ["x.txt"]
    assert json.loads(capsys.readouterr().out)["matrix"]["path"] == name
    assert main(["solve", "--", name]) == 0
    shown = capsys.readouterr().out.partition("\n")[0].strip()
    assert shown.isprintable()
    assert shown == f"solve {name}" or not name.isprintable()
    line = fails(capsys, "solve", "--", f"no{name}")[1]
    assert line[:-1].isprintable()


def run(*arguments, **options):
    return subprocess.run([sys.executable, "-c", ENTRY, *arguments], stderr=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_standard_output_that_is_full():
    for extra in ([], ["--json"]):
        with open("/dev/full", "w") as full:
            done = run("solve", "A.npy", *extra, stdout=full)
        said = "thermolinalg: standard output cannot be written: No space left on device\n"
        assert (done.returncode, done.stderr) == (1, said)


def test_standard_output_that_is_not_in_unicode():
    done = run("explain", "A.npy", stdout=subprocess.PIPE, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u03c4" in done.stdout


@pytest.mark.parametrize(("name", "status", "said"), [("SIGTERM", 143, "terminated"), ("SIGHUP", 143, "terminated")])
def test_signals_that_end_a_command(capsys, monkeypatch, name, status, said):
    number = getattr(signal, name)
    monkeypatch.setattr(commands.tla, "solve", lambda *arguments, **options: os.kill(os.getpid(), number))
    before = signal.signal(number, signal.SIG_DFL)  # under nohup it comes ignored
    try:
        assert fails(capsys, "solve", "A.npy") == (status, f"thermolinalg: {said}\n")
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, before)
