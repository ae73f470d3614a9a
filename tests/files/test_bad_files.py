"""Files of strangers: a table of what may be wrong with them, by the reader that meets it; each is one named line."""

import bz2
import gzip
import io
import os
import struct
import zipfile
from time import perf_counter

import numpy as np
import pytest

from thermoapps.chip_design import read_bookshelf, read_netlist
from thermolinalg.files import load_matrix, load_vectors, text_lines

BANNER = "%%MatrixMarket matrix coordinate real general\n"
MATRIX = BANNER + "2 2 1\n1 1 3\n"
LIMIT = 2**20


def npy(description, shape, body=b"", version=1):
    """A .npy file that says of itself what it likes."""
    header = description
    if not isinstance(description, bytes):
        header = repr({"descr": description, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(header)) + header + body


def saved(array):
    stream = io.BytesIO()
    np.save(stream, np.asarray(array))
    return stream.getvalue()


def npz(compression=zipfile.ZIP_DEFLATED, **members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content if isinstance(content, bytes) else saved(content))
    return stream.getvalue()


def sparse(kind="csr", **members):
    return npz(format=kind, **{"shape": [2, 2], "data": [1.0, 2.0], **members})


CLAIM = npy("<f8", (10**6, 10**6))

MATRICES = {
    # NumPy's formats
    "claim.npy": (CLAIM, "8000000000000 bytes, but 0 follow"),
    "large.npy": (saved(np.zeros((400, 400))), f"limit={LIMIT}; pass limit="),
    "short.npy": (npy("<f8", (2, 2), b"\0" * 24), "32 bytes, but 24 follow"),
    "long.npy": (npy("<f8", (2, 2), b"\0" * 40), "32 bytes, but 40 follow"),
    "negative.npy": (npy("<f8", (-1, -4), b"\0" * 32), r"shape \(-1, -4\)"),
    "objects.npy": (npy("|O", (2, 2), b"\0" * 32), "never unpickled"),
    "fields.npy": (npy([("a", "<f8")], (2,), b"\0" * 16), "an array of numbers is needed"),
    "dates.npy": (npy("<M8[s]", (2,), b"\0" * 16), "an array of numbers is needed"),
    "words.npy": (saved(["a", "b"]), "no matrix but an array of <U1"),
    "nested.npy": (npy(b"(" * 9000, ()), "header is damaged"),
    "header.npy": (b"\x93NUMPY\x02\0" + struct.pack("<I", 2**32 - 1), "header is damaged"),
    "future.npy": (npy("<f8", (2,), b"\0" * 16, version=9), "version 9.0"),
    "nothing.npy": (b"", "header is damaged"),
    "claim.npz": (npz(a=CLAIM), "8000000000000 bytes, but 0 follow"),
    "bomb.npz": (npz(a=npy("<f8", (400, 400), bytes(8 * 400**2))), "unpacks to .* pass limit="),
    "objects.npz": (npz(a=npy("|O", (2, 2), b"\0" * 32)), "never unpickled"),
    "lzma.npz": (npz(zipfile.ZIP_LZMA, a=np.eye(2)), "compressed as NumPy never does"),
    "two.npz": (npz(a=np.eye(2), b=np.eye(2)), r"2 arrays \(a, b\)"),
    "none.npz": (npz(), "0 arrays"),
    "nothing.npz": (b"", "not a zip file"),
    "far.npz": (sparse(indices=[0, 10**9], indptr=[0, 1, 2]), "indices must be < 2"),
    "before.npz": (sparse(indices=[0, -5], indptr=[0, 1, 2]), "indices must be >= 0"),
    "pointer.npz": (sparse(indices=[0, 1], indptr=[0, 10**9, 2]), "non-decreasing"),
    "float.npz": (sparse(indices=[0.0, 1.5], indptr=[0, 1, 2]), "indices of its sparse array has to hold integers"),
    "wide.npz": (sparse("coo", shape=[10**12] * 2, row=[0, 1], col=[0, 1]), "as rows the shape .* pass limit="),
    "kind.npz": (sparse("exe"), "no sparse array as SciPy writes it"),
    "lacking.npz": (sparse(), "no sparse array as SciPy writes it"),
    # Matrix Market
    "rows.mtx": (BANNER + f"{10**12} {10**12} 1\n1 1 1\n", "takes 80000000000.. bytes, and limit=.*; pass limit=80"),
    "entries.mtx": (BANNER + f"2 2 {10**12}\n1 1 1\n", "more than a file of its size can hold"),
    "dense.mtx": (f"%%MatrixMarket matrix array real general\n{10**6} {10**6}\n1\n", "more than a file of its size"),
    "digits.mtx": (BANNER + "1" * 5000 + " 1 1\n", "line 2: the 3 sizes"),
    "minus.mtx": (BANNER + "-2 2 1\n1 1 1\n", "line 2: the 3 sizes"),
    "sizes.mtx": (BANNER + "%\n", "ends before the sizes"),
    "nothing.mtx": ("", "first line has to be"),
    "vector.mtx": ("%%MatrixMarket vector coordinate real general\n2 1\n1 1\n", "first line has to be"),
    "quaternion.mtx": (BANNER.replace("real", "quaternion"), "unknown kind of matrix"),
    "pattern.mtx": ("%%MatrixMarket matrix array pattern general\n1 1\n1\n", "contradicts itself"),
    "ends.mtx": (BANNER + "2 2 1\n", "ends before the first entry|more than a file"),
    "truncated.mtx": (BANNER + "2 2 3\n1 1 1\n", "promises 3 entries, and 1 follow"),
    "more.mtx": (MATRIX + "2 2 2\n", "line 4: .* here is one more"),
    "zero.mtx": (BANNER + "2 2 2\n1 1 1\n0 1 1\n", "line 4: its place has to be"),
    "below.mtx": (BANNER + "2 2 1\n\n-1 1 1\n", "line 4: its place has to be"),
    "beyond.mtx": (BANNER + "2 2 1\n3 1 1\n", "line 3: its place has to be"),
    "nan.mtx": (BANNER + "2 2 1\nnan 1 1\n", "line 3: its place has to be"),
    "between.mtx": (BANNER + "2 2 1\n1.5 1 1\n", "line 3: its place has to be"),
    "word.mtx": (BANNER + "2 2 1\n1 1 x\n", "line 3: 'x' is no number$"),
    "after.mtx": (BANNER + "2 2 1\n1 1 1 x\n", "line 3: an entry has to be of 3 numbers"),
    "fortran.mtx": (BANNER + "2 2 1\n1 1 1D5\n", "line 3: '1D5' is no number"),
    "python.mtx": (BANNER + "2 2 1\n1 1 1_0\n", "line 3: '1_0' is no number"),
    "integer.mtx": (MATRIX.replace("real", "integer").replace("3\n", "1.5\n"), "line 3: an integer"),
    "square.mtx": (BANNER.replace("general", "symmetric") + "2 3 1\n1 1 1\n", "line 2: a symmetric matrix cannot"),
    "twice.mtx": (BANNER.replace("general", "symmetric") + "2 2 2\n1 2 3\n2 1 3\n", "line 3: .* one of its triangles"),
    "skew.mtx": (MATRIX.replace("general", "skew-symmetric"), "line 3: no skew-symmetric matrix has this"),
    "hermitian.mtx": (
        "%%MatrixMarket matrix coordinate complex hermitian\n1 1 1\n1 1 2 3\n",
        "line 3: no hermitian matrix has this",
    ),
    "nul.mtx": (MATRIX.replace("3\n", "3\0\n"), "line 3 holds a NUL byte"),
    # tables
    "header.csv": ("x,y\n1,2\n", "line 1: 'x' is no number; a header"),
    "ragged.csv": ("1,2\n# note\n3,4,5\n", "line 3 has 3 numbers where the first row has 2"),
    "ragged.txt": ("1 2\n\n3\n", "line 3 has 1 number where the first row has 2"),
    "empty.csv": ("1,2\n3,\n", "line 2: '' is no number"),
    "semicolons.csv": ("1;2\n", "line 1: '1;2' is no number"),
    "mixed.csv": ("1,2\n3 4\n", "line 2: '3 4' is no number"),
    "complex.txt": ("1 2j\n3 x\n", "line 2: 'x' is no number"),
    "escape.txt": ("\x1b[31m 1\n", r"line 1: '\\x1b\[31m' is no number"),
    "digits.txt": ("1" * 10**5 + "! 1\n", "line 1: '1{60}…' is no number"),
    "notes.txt": ("# nothing\n% at all\n", "holds no numbers"),
    "nothing.txt": ("", "holds no numbers"),
    "wide.txt": ("1 " * 300_000, "up to line 1 take 2400000 bytes, and limit="),
    "tall.txt": ("1\n" * 200_000, r"the numbers up to line 131073 take 1048584 bytes, and limit=1048576; pass limit="),
    "marked.csv": ("1,2\n".encode("utf-16"), "UTF-16"),
    "unmarked.csv": ("1,2\n".encode("utf-16-le"), "line 1 holds a NUL byte"),
    "latin.csv": ("1,2\n# é\n3,4\n".encode("latin-1"), "line 2 is not UTF-8 .byte 0xe9."),
    # compression
    "cut.mtx.gz": (gzip.compress(MATRIX.encode())[:-12], "compressed content ends too early"),
    "sum.mtx.gz": (gzip.compress(MATRIX.encode())[:-8] + b"12345678", "compressed content is damaged"),
    "tail.mtx.gz": (gzip.compress(MATRIX.encode()) + b"tail", "compressed content is damaged"),
    "plain.mtx.gz": (MATRIX, "compressed content is damaged"),
    "bomb.mtx.gz": (gzip.compress(b"\n" * (LIMIT + 1)), f"unpacks to more than {LIMIT} bytes; pass limit="),
    "cut.mtx.bz2": (bz2.compress(MATRIX.encode())[:-4], "compressed content ends too early"),
    "plain.mtx.bz2": (MATRIX, "compressed content is damaged"),
    # names
    "matrix.docx": ("", "none of the known endings"),
}


@pytest.fixture
def put(tmp_path):
    def write(name, content):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path / name

    return write


def refused(kind, match, read, path, **limits):
    """One line that names the file, soon."""
    began = perf_counter()
    with pytest.raises(kind, match=match) as caught:
        read(path, **limits)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))
    assert perf_counter() - began < 5


@pytest.mark.parametrize("name", MATRICES)
def test_matrices(put, name):
    content, said = MATRICES[name]
    refused(ValueError, said, load_matrix, put(name, content), limit=LIMIT)


def test_one_byte_less_than_the_limit_is_read(put):
    path = put("A.npy", saved(np.eye(3)))
    assert load_matrix(path, limit=path.stat().st_size).shape == (3, 3)
    refused(ValueError, "the file has 200 bytes", load_matrix, path, limit=path.stat().st_size - 1)
    path = put("t.txt", "12 34\n")
    assert load_matrix(path, limit=16, longest_line=5).shape == (1, 2)
    refused(
        ValueError, "line 1 is longer than 4 characters; pass a larger longest_line=", load_matrix, path, longest_line=4
    )
    text = MATRIX.replace("\n", "\n" + 30 * "% note\n", 1)
    packed = put("t.mtx.gz", gzip.compress(text.encode()))
    assert load_matrix(packed, limit=len(text)).nnz == 1
    refused(ValueError, "unpacks to more than", load_matrix, packed, limit=len(text) - 1)


def test_right_hand_sides_that_would_fill_the_memory(put):
    path = put("b.mtx", BANNER + "100000 100000 1\n1 1 1\n")
    refused(ValueError, "as a dense array .* pass limit=80000000000", load_vectors, path)


READERS = {
    "load_matrix": (load_matrix, "x.mtx"),
    "load_vectors": (load_vectors, "x.npy"),
    "text_lines": (lambda path: list(text_lines(path)), "x.txt"),
    "read_netlist": (read_netlist, "x.sp"),
    "read_bookshelf": (lambda path: read_bookshelf(path.parent), "x.nodes"),
}

PLACES = {
    "folder": (os.mkdir, IsADirectoryError, "it is a folder"),
    "pipe": (os.mkfifo, OSError, "no regular file but a pipe or a device"),
    "device": (lambda path: os.symlink("/dev/zero", path), OSError, "no regular file but a pipe or a device"),
    "dangling": (lambda path: os.symlink("nowhere", path), FileNotFoundError, "No such file"),
    "loop": (lambda path: os.symlink(path, path), OSError, "symbolic links"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file(tmp_path, reader, place):
    read, name = READERS[reader]
    make, kind, said = PLACES[place]
    make(tmp_path / name)
    for other in ("x.nets", "x.pl"):
        (tmp_path / other).write_text("")
    refused(kind, said, read, tmp_path / name)


TEXTS = {
    "utf-16": ("R1 a 0 1\n".encode("utf-16"), "UTF-16"),
    "latin-1": ("é a 0 1\n".encode("latin-1"), "line 1 is not UTF-8"),
    "binary": (b"\x7fELF\0\1", "line 1 holds a NUL byte"),
    "no line ends": (b"a" * (2**16 + 1), "line 1 is longer than 65536 characters"),
}
PACKED = {
    "plain": (TEXTS["latin-1"][0], "is damaged"),
    "cut": (gzip.compress(b"R1 a 0 1\n" * 50)[:-12], "ends too early"),
    "bomb": (gzip.compress(b"* note\n" * 10**5), "line 2|unpacks to more"),
}


@pytest.mark.parametrize("ending", ["sp", "nodes"])
@pytest.mark.parametrize("text", [*TEXTS, *PACKED])
def test_circuits(put, text, ending):
    content, said = (TEXTS | PACKED)[text]
    for other in ("x.nets", "x.pl"):
        put(other, "")
    path = put(f"x.{ending}" + (".gz" if text in PACKED else ""), content)
    read = read_netlist if ending == "sp" else lambda path, limit: read_bookshelf(path.parent, limit=limit)
    refused(ValueError, said, read, path, limit=10**5)


@pytest.mark.parametrize("value", ["1" * 60_000 + "!", "1." * 30_000, "." + "1" * 60_000 + "e!", "1e" + "1" * 60_000])
def test_a_value_of_many_digits_is_judged_at_once(put, value):
    began = perf_counter()
    path = put("x.sp", f"*\nR1 a 0 {value}\n")
    with pytest.raises(ValueError, match=r"x.sp, line 2: the value must be (a number|finite)") as caught:
        read_netlist(path)
    assert len(str(caught.value)) < 300
    assert perf_counter() - began < 2


def test_a_line_continued_for_ever(put):
    path = put("x.sp", "*\nR1 a 0 1\n" + "+ 1 2 3 4\n" * 100)
    with pytest.raises(ValueError, match=r"x.sp, line \d+: the line from 2 on has more than 40 words"):
        read_netlist(path, longest_line=40)
