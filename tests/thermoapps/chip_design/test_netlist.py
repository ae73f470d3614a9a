"""Netlists: what is read, and what is refused by its line."""

import gzip

import pytest

from thermoapps.chip_design import read_netlist

GOOD = """* a divider
V1 IN 0 DC 3
R1 in OUT 1k $ upper
r2 out gnd 2K ; lower
i1 out
+ 0 1m
.op
.end
Rafter nothing here
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="grid.spice"):
        path = tmp_path / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", ["grid.spice", "grid.spice.gz"])
def test_elements_comments_continuations_in_either_case(written, name):
    netlist = read_netlist(written(GOOD, name))
    assert netlist.nodes() == ["in", "out"]
    assert [element.value for element in netlist.resistors] == [1000.0, 2000.0]
    assert netlist.resistors[1].minus == "0"
    assert netlist.voltage_sources[0].value == 3
    assert (netlist.current_sources[0].value, netlist.current_sources[0].line) == (1e-3, 5)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2", 2),
        ("2.5e-1", 0.25),
        (".5", 0.5),
        ("3meg", 3e6),
        ("3m", 3e-3),
        ("1kohm", 1e3),
        ("4p", 4e-12),
        ("7ohm", 7),
        ("2mil", 5.08e-5),
    ],
)
def test_numbers(written, text, value):
    assert read_netlist(written(f"R1 a 0 {text}")).resistors[0].value == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("R1 a 0", "line 1: an element is"),
        ("* x\nR1 a 0 1 2", "line 2: an element is"),
        ("R1 a 0 one", "line 1: the value must be a number"),
        ("R1 a 0 nan", "line 1: the value must be a number"),
        ("R1 a 0 1e999", "line 1: the value must be finite"),
        ("R1 a 0 -1", "line 1: a resistance must not be negative"),
        ("R1 a 0 1\n\nr1 b 0 1", "line 3: the name 'r1' was given in line 1"),
        ("R1 a 0 1\nC1 a 0 1p", "line 2: only elements R, V and I"),
        ("R1 a 0 1\n.include other.spice", "line 2: the command '.include'"),
        ("+ 1", "line 1: there is no line before it"),
        ("* nothing\n", "no elements"),
        ("", "no elements"),
    ],
)
def test_bad_input(written, text, said):
    with pytest.raises(ValueError, match=said):
        read_netlist(written(text))
