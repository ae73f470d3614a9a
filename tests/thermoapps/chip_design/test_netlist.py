"""Netlists: what is read, and what is refused by its line."""

import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thermoapps.chip_design import Waveform, read_netlist
from thermoapps.chip_design._expressions import Scope, evaluate

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

ORDINARY = """Ladder of a simulator: R and C
.param unit = 1k half='unit/2' cap = {2p*(1 + 1)}
.global vdd
.subckt rung top bottom r=1 c=1f
Rt top mid {r}
Rb mid bottom R={2*r}
Cm mid 0 C='c'
Rv mid vdd 1meg
.ends rung
.SUBCKT pair a b PARAMS: r=5
X1 a m rung r={r} c=cap
X2 m b rung r={r/2}
.ends
Vdd vdd 0 DC 1.8 AC 1 90
Vin in 0 PULSE(0 1.8 1n, 0.1n 0.1n 5n 20n)
I1 out 0 DC 1m PWL (0 0 1n 2m)
I2 out gnd SIN(3m 1m 1g)
Xp in out pair r=unit
Rl out 0 half
.tran 1n 100n uic
.control
run
plot v(out)
.endc
.END
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


def test_a_simulators_ordinary_deck(written):
    with pytest.warns(UserWarning, match=r"left out \.tran \(line 20\), \.control \(line 21\)"):
        netlist = read_netlist(written(ORDINARY))
    assert netlist.title == "Ladder of a simulator: R and C"
    resistors = {element.name: (element.plus, element.minus, element.value) for element in netlist.resistors}
    assert resistors == {
        "r.xp.x1.rt": ("in", "xp.x1.mid", 1e3),
        "r.xp.x1.rb": ("xp.x1.mid", "xp.m", 2e3),
        "r.xp.x1.rv": ("xp.x1.mid", "vdd", 1e6),
        "r.xp.x2.rt": ("xp.m", "xp.x2.mid", 500.0),
        "r.xp.x2.rb": ("xp.x2.mid", "out", 1e3),
        "r.xp.x2.rv": ("xp.x2.mid", "vdd", 1e6),
        "rl": ("out", "0", 500.0),
    }
    assert [(c.plus, c.value) for c in netlist.capacitors] == [("xp.x1.mid", 4e-12), ("xp.x2.mid", 1e-15)]
    assert [source.value for source in netlist.voltage_sources] == [1.8, 0.0]
    assert [source.value for source in netlist.current_sources] == [1e-3, 3e-3]
    pulse = netlist.voltage_sources[1].course
    assert (pulse.kind, pulse.values) == ("pulse", pytest.approx((0, 1.8, 1e-9, 1e-10, 1e-10, 5e-9, 20e-9), rel=1e-14))
    assert netlist.current_sources[0].course == Waveform("pwl", (0, 0, 1e-9, 2e-3))


def test_the_first_line(written):
    text = "R1 a 0 1\nR2 a 0 2\n"
    with pytest.raises(ValueError, match="line 1: the first line reads like a statement"):
        read_netlist(written(text))
    assert [r.name for r in read_netlist(written(text), title=True).resistors] == ["r2"]
    assert [r.name for r in read_netlist(written(text), title=False).resistors] == ["r1", "r2"]
    assert read_netlist(written("RC of my own\n" + text)).title == "RC of my own"
    assert read_netlist(written("\n" + text)).title == ""


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
        ("{1k + 2*(3 - 1)/4}", 1001),
        ("'sqrt(16)*max(1, 2)'", 8),
        ("{2**-1 + 2^3}", 8.5),
        ("{-2 + 1e-1*1e+1}", -1),
        ("{-(2**2) + pow(2, 3)}", 4),
    ],
)
def test_numbers(written, text, value):
    assert read_netlist(written(f"*\nV1 a 0 {text}")).voltage_sources[0].value == pytest.approx(value, rel=1e-14)


@given(
    st.recursive(
        st.integers(1, 99).map(str),
        lambda e: st.tuples(e, st.sampled_from("+-*/"), e).map("({0[0]}{0[1]}{0[2]})".format),
    )
)
def test_expressions_are_arithmetic(text):
    try:
        value = eval(re.sub(r"\d+", r"\g<0>.0", text))
    except ZeroDivisionError:
        with pytest.raises(ValueError, match="has no value"):
            evaluate(text, Scope())
        return
    if len(text) <= 1000:
        assert evaluate(text, Scope()) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("R1 a 0", "line 2: an element is"),
        ("* x\nR1 a 0 1 2", "line 3: an element is"),
        ("R1 a 0 one", "line 2: the value must be a number"),
        ("R1 a 0 nan", "line 2: the value must be a number"),
        ("R1 a 0 1e999", "line 2: the value must be finite"),
        ("R1 a 0 -1", "line 2: a resistance must not be negative"),
        ("C1 a 0 -1p", "line 2: a capacitance must not be negative"),
        ("C1 a 0 1p ic=1", "line 2: an element is"),
        ("R1 a 0 1k tc1=1", "line 2: an element is"),
        ("R1 a 0 1\n\nr1 b 0 1", "line 4: the name 'r1' was given in line 2"),
        ("R1 a 0 1\nL1 a 0 1p", "line 3: only elements R, C, V, I and X"),
        ("R1 a 0 1\n.include other.spice", "line 3: the command '.include'"),
        ("+ 1", "line 2: there is no line before it"),
        ("* nothing\n", "no elements"),
        ("", "no elements"),
        ("V1 a 0 dc", "line 2: the value must be a number"),
        ("V1 a 0 1 2", "line 2: '2' is not expected there"),
        ("V1 a 0 ac 1", "line 2: the value is missing"),
        ("V1 a 0 pulse(1)", "line 2: pulse cannot have 1 values"),
        ("V1 a 0 pwl(0 0 1n)", "line 2: pwl cannot have 3 values"),
        ("V1 a 0 pwl(0 0 0 1)", "line 2: the times of pwl must increase"),
        ("V1 a 0 pulse(0 1 0 1 1 9 5)", "line 2: the period of pulse is shorter"),
        ("V1 a 0 pulse(0 1 -1)", "line 2: the times of pulse must not be negative"),
        ("V1 a 0 pwl(0 0 1n 1) pwl(0 0 1n 1)", "line 2: the value must be a number"),
        ("R1 a 0 {x}", "line 2: .*no parameter has the name 'x'"),
        ("R1 a 0 {1", "line 2: a brace"),
        ("R1 a 0 {1+}", "line 2: .*ends too early"),
        ("R1 a 0 {1 2}", "line 2: .*'2' is not expected"),
        ("R1 a 0 {(1}", "line 2: .*not closed"),
        ("R1 a 0 {1_000}", "line 2: .*is no number"),
        ("R1 a 0 {1/0}", "line 2: .*has no value"),
        ("R1 a 0 {sqrt(-1)}", "line 2: .*sqrt is not defined"),
        ("R1 a 0 {(-8)**(1/3)}", "line 2: .*not a finite real number"),
        ("R1 a 0 {-2**2}", "line 2: .*simulators disagree"),
        ("R1 a 0 {2**3**2}", "line 2: .*simulators disagree"),
        ("R1 a 0 {system(1)}", "line 2: .*no function has the name 'system'"),
        ("R1 a 0 {a ? 1 : 2}", "line 2: .*not known"),
        (f"R1 a 0 {{{'(' * 2000}1{')' * 2000}}}", "line 2: .*1000 characters"),
        (".param a={b} b={a}\nR1 a 0 {a}", "line 3: .*depends on itself"),
        (".param a=1\n.param a=2\nR1 a 0 {a}", "line 3: the parameter 'a' is given twice"),
        (".param a=1 a=2", "line 2: the parameter 'a' is given twice"),
        (".param a", "line 2: parameters are"),
        (".param a=2 * 3", "line 2: parameters are"),
        ("X1 a 0 none", "line 2: no subcircuit has the name 'none'"),
        ("X1", "line 2: an instance is"),
        (".subckt s a b\nR1 a b 1\n.ends\nX1 a s", "line 5: the subcircuit 's' has 2 ports, got 1"),
        (".subckt s a b\nX1 a b s\n.ends\nX1 a 0 s", "line 3: the subcircuit 's' contains itself"),
        (".subckt s a a\n.ends", "line 2: the ports of a subcircuit must differ"),
        (".subckt s a 0\n.ends", "line 2: the ports of a subcircuit must differ"),
        (".subckt\n.ends", "line 2: the name of the subcircuit"),
        (".subckt s a\n.ends\n.subckt s b\n.ends", "line 4: the subcircuit 's' was given in line 2"),
        (".subckt s a\n.subckt t b\n.ends", "line 3: a subcircuit within"),
        (".subckt s a\nR1 a 0 1", "line 2: there is no .ends"),
        (".ends", "line 2: there is no .subckt"),
        (".subckt s a r=1\nR1 a 0 {r}\n.ends\nX1 a s q=2", "line 5: the subcircuit 's' has no parameter 'q'"),
        (".param r=1\n.subckt s a r=2\nR1 a 0 {r}\n.ends\nX1 a s", "line 3: the parameter 'r' is given outside too"),
        (".control\nalter r1=2\n.endc", "line 3: a control block"),
    ],
)
def test_bad_input(written, text, said):
    with pytest.raises(ValueError, match=said):
        read_netlist(written(f"a title\n{text}"))


def test_decks_that_grow_beyond_measure(written):
    levels = [f".subckt s{k} a\n" + "\n".join(f"X{j} a s{k + 1}" for j in range(10)) + "\n.ends\n" for k in range(9)]
    with pytest.raises(ValueError, match="pass limit="):
        read_netlist(written("t\n" + "".join(levels) + ".subckt s9 a\nR1 a 0 1\n.ends\nX1 a s0\n"), limit=20000)


def test_courses_in_time():
    pulse = Waveform("pulse", (0.0, 2.0, 1.0, 0.5, 0.25, 2.0, 5.0))
    times = [0, 1, 1.25, 1.5, 3.5, 3.625, 3.75, 5.9, 6.25, 11.25]
    assert [pulse(t) for t in times] == pytest.approx([0, 0, 1, 2, 2, 1, 0, 0, 1, 1])
    assert pulse.breakpoints(7).tolist() == pytest.approx([1, 1.5, 3.5, 3.75, 6, 6.5])
    once = Waveform("pulse", (0.0, 2.0, 1.0, 0.5, 0.25, 2.0))
    assert (once(2.0), once(99.0)) == (2.0, 0.0)
    line = Waveform("pwl", (1.0, 3.0, 2.0, 5.0))
    assert (line.initial, line(1.5), line(9.0)) == (3.0, 4.0, 5.0)
    assert Waveform("sin", (1.0, 2.0, 1e9, 0.0, 0.0, 30.0)).initial == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("sin", (0.0, 1.0), "straight lines"),
        ("pulse", (0.0, 1.0, 0.0, 0.0, 1.0, 1.0), "rise, fall and width"),
        ("pulse", (0.0, 1.0), "rise, fall and width"),
    ],
)
def test_courses_that_are_not_followed(kind, values, said):
    with pytest.raises(ValueError, match=said):
        Waveform(kind, values)(1.0)


def test_courses_without_sense():
    for kind, values in (("am", (1.0, 2.0)), ("pwl", (0.0, float("nan"))), ("pulse", (0.0,) * 8)):
        with pytest.raises(ValueError, match=kind):
            Waveform(kind, values)
