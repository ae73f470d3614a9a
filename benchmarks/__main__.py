"""``python -m benchmarks``: measure, print the tables, write results.json and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.machine import confine

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "results.json", HERE.parent / "docs" / "benchmarks.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="cores and threads for everyone (default: 1)")
    parser.add_argument("--quick", action="store_true", help="small matrices, to see that it works; writes nothing")
    parser.add_argument("--page", action="store_true", help="only write docs/benchmarks.md again, from results.json")
    parser.add_argument("--only", metavar="PART", help="measure one part again and keep the others of results.json")
    options = parser.parse_args()
    confine(options.threads)
    from benchmarks import report

    results = json.loads(RESULTS.read_text(encoding="utf-8")) if options.page or options.only else {}
    if not options.page:
        from benchmarks.suite import run

        def tell(line: str) -> None:
            print(line, file=sys.stderr, flush=True)

        results = run(options.threads, quick=options.quick, tell=tell, only=options.only, earlier=results)
    print(report.tables(results))
    if options.quick:
        return
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(report.page(results), encoding="utf-8")
    print(f"Written: {RESULTS} and {PAGE}")


if __name__ == "__main__":
    main()
