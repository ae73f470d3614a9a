"""Writing: whole or not at all, never over an input, over another file only where that is asked for."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from thermolinalg import files
from thermolinalg.files import check_output, load_vectors, replacing, save_array

BIG = np.linspace(0, 1, 40_000)


def left(folder):
    """Everything in the folder, hidden files too."""
    return sorted(os.listdir(folder))


@pytest.mark.parametrize("ending", files.WRITABLE)
@pytest.mark.parametrize(
    "array", [np.array([1 / 3, 2]), np.array([[1 / 3, 2, -1e-300]]).T, np.array([[1, 2j], [0, 1j]])]
)
def test_what_is_written_is_read_again(tmp_path, ending, array):
    save_array(tmp_path / f"x{ending}", array)
    assert np.array_equal(load_vectors(tmp_path / f"x{ending}"), array.squeeze())
    assert left(tmp_path) == [f"x{ending}"]


def test_an_unknown_ending(tmp_path):
    with pytest.raises(ValueError, match=r"x.docx has none of the known endings .npy"):
        save_array(tmp_path / "x.docx", BIG)
    assert left(tmp_path) == []


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("alias", ["A.npy", "link.npy", "hard.npy", "./sub/../A.npy"])
def test_an_input_is_never_the_output(tmp_path, alias, force):
    np.save(tmp_path / "A.npy", np.eye(2))
    (tmp_path / "sub").mkdir()
    os.symlink("A.npy", tmp_path / "link.npy")
    os.link(tmp_path / "A.npy", tmp_path / "hard.npy")
    with pytest.raises(FileExistsError, match=r"cannot be written: it is the input .*A.npy; give another name"):
        check_output(tmp_path / alias, inputs=[tmp_path / "missing.npy", tmp_path / "A.npy"], force=force)


@pytest.mark.parametrize(
    ("make", "kind", "said"),
    [
        (os.mkdir, IsADirectoryError, "it is a folder"),
        (os.mkfifo, OSError, "no regular file"),
        (lambda path: os.symlink("/dev/null", path), OSError, "no regular file"),
        (lambda path: os.symlink(path, path), OSError, "symbolic links"),
        (lambda path: os.symlink(path.parent / "no" / "such", path), FileNotFoundError, "there is no folder .*no$"),
    ],
)
def test_outputs_that_are_no_files(tmp_path, make, kind, said):
    make(tmp_path / "x.npy")
    with pytest.raises(kind, match=said) as caught:
        save_array(tmp_path / "x.npy", BIG, force=True)
    assert str(tmp_path / "x.npy") in str(caught.value)
    assert left(tmp_path) == ["x.npy"]


@pytest.mark.parametrize("name", ["no/such/x.npy", "file/x.npy", "x" * 300 + ".npy"])
def test_names_that_lead_nowhere(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="cannot be written") as caught:
        check_output(tmp_path / name)
    assert name in str(caught.value)
    assert left(tmp_path) == ["file"]


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def refused(self, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr("pathlib.Path.touch", refused)
    with pytest.raises(OSError, match=r"x.npy cannot be written: Read-only file system$"):
        check_output(tmp_path / "x.npy")


def test_existing_files_only_where_that_is_asked_for(tmp_path):
    kept = tmp_path / "x.txt"
    kept.write_text("precious")
    kept.chmod(0o640)
    with pytest.raises(FileExistsError, match="it exists; pass force=True to replace it"):
        save_array(kept, BIG)
    assert kept.read_text() == "precious"
    save_array(kept, np.ones(2), force=True)
    assert kept.read_text() == "1\n1\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o640


def test_links_stay_links(tmp_path):
    (tmp_path / "folder").mkdir()
    os.symlink("folder/x.txt", tmp_path / "x.txt")
    with pytest.raises(FileExistsError, match="link to a file that does not exist; pass force=True to create that"):
        save_array(tmp_path / "x.txt", BIG)
    save_array(tmp_path / "x.txt", np.ones(1), force=True)
    assert (tmp_path / "x.txt").is_symlink()
    assert (tmp_path / "folder" / "x.txt").read_text() == "1\n"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    def write():
        with replacing(tmp_path / "x.txt"):
            (tmp_path / "x.txt").write_text("theirs")

    with pytest.raises(FileExistsError, match="appeared meanwhile"):
        write()
    assert (tmp_path / "x.txt").read_text() == "theirs"
    assert left(tmp_path) == ["x.txt"]


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refused(self, target):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr("pathlib.Path.hardlink_to", refused)
    save_array(tmp_path / "x.txt", np.ones(1))
    assert left(tmp_path) == ["x.txt"]


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, ZeroDivisionError])
@pytest.mark.parametrize("force", [False, True])
def test_an_interrupted_write_leaves_nothing(tmp_path, failure, force):
    before = []
    if force:
        (tmp_path / "x.txt").write_text("precious")
        before = ["x.txt"]

    def write():
        with replacing(tmp_path / "x.txt", force=force) as stream:
            stream.write(b"half")
            stream.flush()
            assert len(left(tmp_path)) == len(before) + 1
            raise failure

    with pytest.raises(failure):
        write()
    assert left(tmp_path) == before
    assert not force or (tmp_path / "x.txt").read_text() == "precious"


@pytest.mark.parametrize("ending", files.WRITABLE)
def test_a_full_disk(tmp_path, ending):
    """A limit on the size of files stands for it: writing fails in the middle, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match=r"cannot be written: File too large$") as caught:
            save_array(tmp_path / f"x{ending}", BIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, kept)
    assert f"x{ending}" in str(caught.value)
    assert left(tmp_path) == []


def test_a_terminated_command_leaves_nothing(tmp_path):
    pytest.importorskip("typer")
    np.save(tmp_path / "A.npy", np.eye(3))
    code = """
import os, signal, sys
import numpy as np
from thermolinalg.cli import main

real = os.fsync
os.fsync = lambda number: os.kill(os.getpid(), signal.SIGTERM) or real(number)
sys.exit(main(["solve", "A.npy", "--output", "x.npy"]))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (143, "", "thermolinalg: terminated\n")
    assert left(tmp_path) == ["A.npy"]
