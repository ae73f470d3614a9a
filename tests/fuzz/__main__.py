"""The fuzz from the command line: ``python -m tests.fuzz --cases 10000 --seed 0``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import case, runner


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="how many (default 10000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--call", choices=[question.__name__ for question in case.QUESTIONS], help="only cases that ask this"
    )
    parser.add_argument("--case", type=int, help="only this one, with all it has to say")
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--workers", type=int, help="processes (default: one for each core)")
    parser.add_argument("--seconds", type=float, help="start nothing new after so long")
    parser.add_argument("--json", type=Path, help="record of lines of JSON; what it has already is not run again")
    options = parser.parse_args(arguments)
    if options.case is not None:
        result = case.run(options.seed, options.case)
        for name, value in result.record().items():
            print(f"{name:>9}: {value}")
        return int(result.is_finding)
    numbers = case.numbers(options.seed, options.first, options.cases, options.call)
    summary = runner.run(options.seed, numbers, workers=options.workers, seconds=options.seconds, record=options.json)
    print(summary.table())
    for result in summary.findings:
        print(
            f"python -m tests.fuzz --seed {options.seed} --case {result.case}  "
            f"# {result.call}, {result.outcome}: {result.text[:160]}"
        )
    return int(bool(summary.findings) or summary.unfinished > 0)


if __name__ == "__main__":
    sys.exit(main())
