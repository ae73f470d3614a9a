"""Benchmarks of several parts: each in a process of its own, kept as soon as it is done, and a page of them all.

A part is a module of the benchmark's package with ``measure(data)``, numbers that JSON holds, and ``table(results)``,
Markdown. A run that was interrupted goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.machine import confine, describe

ROOT = Path(__file__).parents[1]
DATA = os.environ.get("THERMOLINALG_DATA") or str(ROOT.parent / "shared" / "data")


@dataclass(frozen=True)
class Benchmark:
    """What is measured, and where it is written.

    Parameters
    ----------
    name : str
        Of the package below ``benchmarks``, and of the page ``benchmarks_NAME.md``.
    parts : mapping
        Titles of the parts, by their modules.
    packages : sequence of str
        Whose versions the page tells.
    about : str
        Beginning of the page, with places for ``threads``, ``processor``, ``load`` and ``versions``.
    """

    name: str
    parts: Mapping[str, str]
    packages: Sequence[str]
    about: str

    @property
    def results(self) -> Path:
        """Where all parts are written at the end."""
        return ROOT / "benchmarks" / self.name / "results.json"

    @property
    def unfinished(self) -> Path:
        """Where parts are kept until then."""
        return self.results.with_suffix(".json.unfinished")

    def main(self) -> None:
        """The command line."""
        parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{self.name}", description=__doc__)
        parser.add_argument("--data", default=DATA, help="folder with problem data (default: THERMOLINALG_DATA)")
        parser.add_argument("--part", choices=self.parts, help="measure one part and print it as JSON")
        parser.add_argument("--page", action="store_true", help="only write the page, from what is measured so far")
        options = parser.parse_args()
        if options.part:
            confine(1)
            print(json.dumps(self.module(options.part).measure(Path(options.data))))
            return
        measured = self.unfinished if self.unfinished.exists() else self.results
        results = json.loads(measured.read_text(encoding="utf-8")) if options.page else self.measure(options.data)
        text = self.page(results)
        print(text)
        if not options.page:
            self.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
            self.unfinished.unlink(missing_ok=True)
        (ROOT / "docs" / f"benchmarks_{self.name}.md").write_text(text, encoding="utf-8")

    def measure(self, data: str) -> dict[str, Any]:
        """All parts, those of an unfinished run taken as they are."""
        kept = self.unfinished
        results: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {}
        results.setdefault("machine", describe(1, self.packages) | {"load": os.getloadavg()[0]})
        for part in self.parts:
            if part in results:
                continue
            start = time.monotonic()
            command = [sys.executable, "-m", f"benchmarks.{self.name}", "--part", part, "--data", data]
            run = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
            results[part] = json.loads(run.stdout.splitlines()[-1])
            kept.write_text(json.dumps(results), encoding="utf-8")
            print(f"{part}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        return results

    def page(self, results: Mapping[str, Any]) -> str:
        """The page, from the results of all parts that are there."""
        machine = results["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
        told = {name: machine[name] for name in ("threads", "processor")} | {"load": machine.get("load", 0.0)}
        sections = [self.about.format(versions=versions, **told)]
        for part, title in self.parts.items():
            if part in results:
                sections.append(f"## {title}\n\n{self.module(part).table(results[part]).strip()}\n")
        return "\n".join(sections)

    def module(self, part: str) -> Any:
        """The module of a part."""
        return import_module(f"benchmarks.{self.name}.{part}")
