"""``python -m benchmarks.natural_gradient``: measure, print the tables, write the results and their page."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.machine import confine

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results.json", HERE.parents[1] / "docs" / "benchmarks_natural_gradient.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.natural_gradient", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="cores and threads for everyone (default: 1)")
    parser.add_argument("--quick", action="store_true", help="small problems, to see that it works; writes nothing")
    parser.add_argument("--page", action="store_true", help="only write the page again, from the results")
    options = parser.parse_args()
    confine(options.threads)
    from benchmarks.natural_gradient import report

    if options.page:
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    else:
        from benchmarks.natural_gradient.suite import run

        results = run(options.threads, quick=options.quick, tell=lambda line: print(line, file=sys.stderr, flush=True))
    print(report.tables(results))
    if options.quick:
        return
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(report.page(results), encoding="utf-8")
    print(f"Written: {RESULTS} and {PAGE}")


if __name__ == "__main__":
    main()
