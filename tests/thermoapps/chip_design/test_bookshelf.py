"""Bookshelf circuits: what is read, and what is refused by its line."""

import gzip

import numpy as np
import pytest

from thermoapps.chip_design import read_bookshelf

FILES = {
    "nodes": "UCLA nodes 1.0\n# small\nNumNodes : 3\nNumTerminals : 1\n\n\ta 4 8\n b 6 8\n p 1 1 terminal\n",
    "nets": "UCLA nets 1.0\nNumNets : 2\nNumPins : 4\nNetDegree : 2 n1\n a I : 0.5 -1\n p O\n"
    "NetDegree : 2\n a B : 0 0\n b B : 1 2\n",
    "pl": "UCLA pl 1.0\n a 0 0 : N\n b 1 2 : N\n p 20 10 : N /FIXED\n",
    "scl": "UCLA scl 1.0\nNumRows : 2\n"
    + "".join(
        f"CoreRow Horizontal\n Coordinate : {y}\n Height : 8\n Sitewidth : 1\n Sitespacing : 2\n"
        "  SubrowOrigin : 3  NumSites : 10\nEnd\n"
        for y in (8, 0)
    ),
}


def written(folder, **changed):
    for kind, text in (FILES | changed).items():
        if text is not None:
            (folder / f"x.{kind}").write_text(text, encoding="utf-8")
    return folder


def test_a_small_circuit(tmp_path):
    circuit = read_bookshelf(written(tmp_path))
    assert circuit.names == ["a", "b", "p"]
    np.testing.assert_array_equal(circuit.size, [[4, 8], [6, 8], [1, 1]])
    np.testing.assert_array_equal(circuit.fixed, [False, False, True])
    np.testing.assert_array_equal(circuit.centre(), [[2, 4], [4, 6], [20.5, 10.5]])
    np.testing.assert_array_equal(circuit.pin_cell, [0, 2, 0, 1])
    np.testing.assert_array_equal(circuit.pin_net, [0, 0, 1, 1])
    np.testing.assert_array_equal(circuit.pin_offset, [[0.5, -1], [0, 0], [0, 0], [1, 2]])
    assert circuit.rows.height == 8
    np.testing.assert_array_equal(circuit.rows.y, [0, 8])
    np.testing.assert_array_equal(circuit.rows.right, [23, 23])


def test_compressed_files_and_no_rows(tmp_path):
    written(tmp_path, scl=None, nodes=None)
    (tmp_path / "x.nodes.gz").write_bytes(gzip.compress(FILES["nodes"].encode()))
    assert read_bookshelf(tmp_path).rows is None


@pytest.mark.parametrize(
    ("kind", "old", "new", "said"),
    [
        ("nodes", "a 4 8", "a 4", r"x\.nodes, line 6: the height is missing"),
        ("nodes", "a 4 8", "a four 8", "line 6: the width must be a number"),
        ("nodes", "a 4 8", "a nan 8", "line 6: the width must be finite"),
        ("nodes", "a 4 8", "a -4 8", "line 6: width and height must not be negative"),
        ("nodes", "b 6 8", "a 6 8", "line 7: the cell was given in line 6"),
        ("nodes", "1 terminal", "1 pad", "line 8: after name"),
        ("nodes", "NumNodes : 3", "NumNodes : 5", "declares 5 nodes and has 3"),
        ("nodes", "NumTerminals : 1", "NumTerminals : 2", "declares 2 terminals and has 1"),
        ("nets", "NumNets : 2", "NumNets : 3", "declares 3 nets and has 2"),
        ("nets", "NumPins : 4", "NumPins : 5", "declares 5 pins and has 4; pass strict=False"),
        ("scl", "NumRows : 2", "NumRows : 3", "declares 3 rows and has 2"),
        ("nodes", "b 6 8", "b 6 0", "1 cells that may move have no width or no height, 'b' first"),
        ("nodes", "b 6 8", "b 0 8", "1 cells that may move have no width or no height, 'b' first"),
        ("nets", "NetDegree : 2 n1", "NetDegree : 3 n1", "line 4: 1 pins of the net are missing"),
        ("nets", "NetDegree : 2 n1", "NetDegree : 1 n1", "line 6: more pins than the degree in line 4"),
        ("nets", "NetDegree : 2 n1", "NetDegree : 1.5", "line 4: the degree must be"),
        ("nets", "NetDegree : 2 n1", "", "line 5: a pin before the first NetDegree"),
        ("nets", " b B", " c B", "line 9: no cell has the name 'c'"),
        ("nets", "a I :", "a X :", "line 5: the direction"),
        ("nets", "b B : 1 2", "b B : 1", "line 9: the offset y is missing"),
        ("pl", "a 0 0", "a 0", "line 2: y must be a number"),
        ("pl", "a 0 0", "c 0 0", "line 2: no cell has the name 'c'"),
        ("pl", " a 0 0 : N\n", "", "no position for 'a'"),
        ("pl", " b 1 2 : N\n", " a 1 2 : N\n", "line 3: the position of the cell was given already"),
        ("pl", "a 0 0 : N", "a 0 0 : NE", "line 2: after the position"),
        ("scl", "Coordinate : 0", "Coordinate : low", "line 11: Coordinate must be a number"),
        ("scl", " Coordinate : 0\n", "", "row 2 lacks coordinate"),
        ("scl", "Coordinate : 0\n Height : 8", "Coordinate : 0\n Height : 9", "all of one height"),
        ("scl", "Coordinate : 0\n Height : 8", "Coordinate : 0\n Height : 0", "line 12: Height must be positive"),
        ("scl", "Sitespacing : 2", "Sitespacing : 0", "line 7: Sitespacing must be positive"),
        ("scl", "Sitespacing : 2", "Sitespacing : 1", "one spacing of sites"),
        ("scl", "NumSites : 10", "NumSites : 0", "line 8: NumSites must be positive"),
        ("scl", "NumSites : 10", "NumSites : 9.5", "line 8: NumSites must be a whole number"),
        ("scl", "  SubrowOrigin : 3  NumSites : 10\n", "", "row 1 lacks subroworigin"),
        ("scl", "Coordinate : 8", "Coordinate : 4", "rows that overlap"),
    ],
)
def test_bad_input(tmp_path, kind, old, new, said):
    assert old in FILES[kind]
    with pytest.raises(ValueError, match=said):
        read_bookshelf(written(tmp_path, **{kind: FILES[kind].replace(old, new, 1)}))


def test_counts_that_do_not_matter_on_request(tmp_path):
    texts = {
        "nodes": FILES["nodes"].replace("NumNodes : 3", "NumNodes : 7"),
        "nets": FILES["nets"].replace("NumPins : 4", "NumPins : 1"),
        "scl": FILES["scl"].replace("NumRows : 2", "NumRows : 1"),
    }
    with pytest.warns(UserWarning, match="declares") as caught:
        circuit = read_bookshelf(written(tmp_path, **texts), strict=False)
    assert [str(w.message) for w in caught] == [
        "x.nodes declares 7 nodes and has 3",
        "x.nets declares 1 pins and has 4",
        "x.scl declares 1 rows and has 2",
    ]
    assert len(circuit.names) == 3


def test_rows_in_parts(tmp_path):
    parts = FILES["scl"].replace("SubrowOrigin : 3", "SubrowOrigin : 40 NumSites : 5\n SubrowOrigin : 3", 1)
    rows = read_bookshelf(written(tmp_path, scl=parts)).rows
    np.testing.assert_array_equal(rows.y, [0, 8, 8])
    np.testing.assert_array_equal(rows.left, [3, 3, 40])
    np.testing.assert_array_equal(rows.right, [23, 23, 50])
    assert rows.site == 2


@pytest.mark.parametrize(
    ("orientation", "size", "pin"),
    [
        ("N", (4, 8), (0.5, -1)),
        ("W", (8, 4), (1, 0.5)),  # a quarter turn to the left: right becomes up
        ("S", (4, 8), (-0.5, 1)),
        ("E", (8, 4), (-1, -0.5)),
        ("FN", (4, 8), (-0.5, -1)),
        ("FS", (4, 8), (0.5, 1)),
        ("FW", (8, 4), (-1, 0.5)),
        ("FE", (8, 4), (1, -0.5)),
    ],
)
def test_orientations(tmp_path, orientation, size, pin):
    circuit = read_bookshelf(written(tmp_path, pl=FILES["pl"].replace("a 0 0 : N", f"a 0 0 : {orientation}")))
    np.testing.assert_array_equal(circuit.size[0], size)
    np.testing.assert_array_equal(circuit.pin_offset[0], pin)
    np.testing.assert_array_equal(circuit.pin_offset[3], (1, 2))


def test_missing_and_ambiguous_files(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no \.nets file"):
        read_bookshelf(written(tmp_path, nets=None))
    written(tmp_path)
    (tmp_path / "y.pl").write_text(FILES["pl"], encoding="utf-8")
    with pytest.raises(ValueError, match=r"several \.pl files"):
        read_bookshelf(tmp_path)
