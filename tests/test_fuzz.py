"""The fuzz finds nothing: a short form of it here, the whole one where slow tests run; and its judge can be trusted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from fuzz import case, judge, rational, runner
from fuzz.__main__ import main
from fuzz.judge import Asked
from fuzz.truth import Truth
from helpers import general, rotated


def test_a_short_fuzz_finds_nothing():
    summary = runner.run(0, range(200), workers=0)
    assert not summary.findings, summary.table()
    assert len({result.call for result in summary.results.values()}) == len(case.QUESTIONS)


@pytest.mark.slow
def test_the_whole_fuzz_finds_nothing():
    summary = runner.run(0, range(10_000))  # as `make fuzz`; other seeds are for who looks for more
    assert not summary.findings, "\n".join([summary.table(), *(f"{r.case}: {r.text}" for r in summary.findings)])
    assert summary.unfinished == 0
    assert summary.inside >= 0.95


def test_a_case_is_the_same_whenever_it_is_run():
    first, second = case.run(3, 5).record(), case.run(3, 5).record()
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_one_call_alone_has_the_numbers_it_has_among_all(capsys):
    assert main(["--cases", "3", "--call", "expm", "--workers", "0"]) == 0
    assert "3 cases" in capsys.readouterr().out
    numbers = case.numbers(0, 0, 3, "expm")
    assert numbers == [n for n in range(numbers[-1] + 1) if case.question_of(0, n)[0].__name__ == "expm"]


def test_a_record_is_gone_on_with(tmp_path, capsys):
    record = tmp_path / "record.jsonl"
    runner.run(0, range(3), workers=0, record=record)
    before = record.read_text()
    assert main(["--cases", "5", "--workers", "0", "--json", str(record)]) == 0
    assert record.read_text().startswith(before)
    assert record.read_text().count("\n") == 5
    assert "5 cases" in capsys.readouterr().out
    assert runner.run(0, range(9), workers=0, seconds=0.0).unfinished == 9


# -- the judge ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 5])
def test_solutions_and_determinants_are_exact(d):
    rng = np.random.default_rng(d)
    A, B = (
        rational.exact(rng.standard_normal((d, d)) * 10.0 ** rng.uniform(-200, 200, (d, d))),
        rational.exact(np.eye(d)),
    )
    assert np.all(A @ rational.solve(A, B) == B)
    assert rational.determinant(A) * rational.determinant(rational.solve(A, B)) == 1
    assert rational.solve(0 * A, B) is None


def test_pseudo_inverses_are_exact():
    A = rational.exact(np.outer([1, 2, 3, 4], [1, -1, 2]) + np.outer([1, 0, 0, 1], [3, 1, 1]))
    X = rational.pseudo_solve(A, rational.exact(np.eye(4)))
    for product in (A @ X, X @ A):
        assert np.all(product == product.T)
    assert np.all(A @ X @ A == A)
    assert np.all(X @ A @ X == X)


def test_norms_never_leave_the_range():
    x = np.array([[Fraction(3), Fraction(1)], [Fraction(4), Fraction(0)]]) * Fraction(10) ** 5000
    assert rational.quotients(x, np.array([[Fraction(10) ** 5000, 0 * x[0, 0]]])).tolist() == [5.0, np.inf]


A, B = rotated([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0])
X = np.linalg.solve(A, B)
BAR = np.full(3, 1e-15)


def verdict(x, bar=BAR, asked=None, matrix=A):
    return judge.solution([Truth(matrix)], B, x, bar, asked or Asked(None))


def test_right_answers_pass_and_wrong_ones_do_not():
    assert not verdict(X)
    assert "residual" in verdict(X * (1 + 1e-9))
    assert not verdict(X * (1 + 1e-9), asked=Asked(1e-8))
    assert not verdict(X * (1 + 1e-9), asked=Asked(1e-3, refine=False), bar=1e-9 * abs(X))
    assert "error bars" in verdict(X * 1.1, asked=Asked(1e-3, refine=False), bar=1e-3 * abs(X))
    assert "singular" in verdict(X, matrix=np.ones((3, 3)))


def test_small_residuals_with_large_errors_are_seen():
    soft = general([1.0, 1.0, 1e-12])
    v = np.linalg.svd(soft)[2][-1]
    x = np.linalg.solve(soft, B)
    off = x + 1e-5 * np.linalg.norm(x) * v
    assert verdict(off, bar=abs(x) * 1e-10, matrix=soft)
    assert not verdict(off, bar=abs(off - x) + 1e-4 * abs(x), asked=Asked(1e-4), matrix=soft)


def test_complex_systems_are_judged_in_their_real_form():
    H, b = rotated([1.0, 2.0, 3.0], dtype=complex), np.array([1.0, 1j, 2.0])
    x = np.linalg.solve(H, b)
    assert not judge.solution([Truth(H)], b, x, BAR, Asked(None))
    assert judge.solution([Truth(H)], b, x.conj(), BAR, Asked(None))
