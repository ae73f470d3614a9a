"""``python -m benchmarks.natural_gradient.kinds``: steps on the networks that people train, beside Adam's.

Each method takes its steps in a process of its own, in turn with Adam's; results and page are written beside.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

from benchmarks.machine import confine, describe
from benchmarks.markdown import duration, short, table

HERE = Path(__file__).parent
RESULTS, PAGE = HERE / "kinds.json", HERE.parents[1] / "docs" / "natural_gradient_networks.md"
CHILD = "benchmarks.natural_gradient.kinds"
ADAM = "Adam"
METHODS: dict[str, dict[str, Any]] = {
    ADAM: {},
    "TNGD, t = 1": {"time": 1.0, "damping": 0.1},
    "TNGD, t = 50": {"time": 50.0, "damping": 0.01},
    "NGD": {"damping": 0.1},
    "TNGD, sampled": {"time": 50.0, "damping": 0.01, "curvature": "monte_carlo"},
}
LIMIT = 240  # s for one method on one network
SECONDS, STEPS = 4.0, 7

ABOUT = """\
# Natural gradients: networks

Made by `python -m benchmarks.natural_gradient.kinds` from `benchmarks/natural_gradient/kinds.json`; no number on this
page is copied by hand.

One training step each, in float32 on {threads} thread of {processor}, gradient and update included: medians of CPU
times of a few steps, taken in turn with Adam's in one process. *Memory* is what the process held at most beyond model,
batch and one forward pass. *Rows* are those of the batch's curvature. Where *products* are given, rows were too many
or too dear, and the optimiser took products with the curvature matrix in their place by itself; *each* is the time of
the step divided by 1 + products, in steps of Adam. Sampled is `curvature="monte_carlo"`. Networks are in training
mode; those with batch normalisation take its statistics for constants in the curvature, and a PINN has its rows one by
one.
"""

MEANS = """\
## What it means

- Few rows: a step costs some of Adam's, more where convolutions make the rows dear.
- Many rows: products cost about two steps of Adam each whatever the number of outputs, and a direction takes ten to
  fifty of them. Memory stays near Adam's.
- Sampled columns are the cheapest curvature where outputs are many: one row for each datum.
- Layers that go through time in one operation (LSTM) have their rows one by one. Products avoid that, and so do sampled
  columns in part.
- On networks whose steps take Adam a few milliseconds, calls outweigh work, and the ratios are large.
"""


def measure(kind: str, method: str) -> dict[str, Any]:
    """Steps of one method on one network: CPU seconds beside Adam's, memory, and what the step reports."""
    import torch

    from benchmarks.natural_gradient.memory import most_resident, resident
    from benchmarks.natural_gradient.networks import KINDS
    from thermoapps.natural_gradient import TNGD, NaturalGradient, as_loss

    torch.manual_seed(0)
    chosen = KINDS[kind]
    model, inputs = chosen.build(False).train(), chosen.inputs(False)
    targets, loss = chosen.targets(model(inputs)), as_loss(chosen.loss)
    adam = torch.optim.Adam(model.parameters(), 1e-5)

    def plain() -> None:
        adam.zero_grad()
        loss.value(model(inputs), targets).backward()
        adam.step()

    found: dict[str, Any] = {"parameters": sum(p.numel() for p in model.parameters() if p.requires_grad)}
    before = resident()
    if method == ADAM:
        found["cpu_s"] = median(_timed(plain) for _ in range(STEPS))
        return found | {"bytes": most_resident() - before, "adam_cpu_s": found["cpu_s"]}
    build = TNGD if method.startswith("TNGD") else NaturalGradient
    opt = build(model, lr=1e-5, loss=loss, **METHODS[method], **chosen.options)

    def natural() -> None:
        opt.zero_grad()
        opt.backward(model(inputs), targets)
        opt.step()

    warm = _timed(natural) + (_timed(natural) if method != ADAM else 0.0)
    found |= {"bytes": most_resident() - before, "rows": opt.report.rows, "solver": opt.report.solver.solver}
    found |= {"products": opt.report.solver.iterations, "curvature": opt.report.curvature}
    steps = max(2, min(STEPS, int(SECONDS / warm)))
    pairs = [(_timed(natural), _timed(plain), _timed(plain)) for _ in range(steps)]
    return found | {"cpu_s": median(p[0] for p in pairs), "adam_cpu_s": median(min(p[1:]) for p in pairs)}


def _timed(step: Any) -> float:
    began = process_time()
    step()
    return process_time() - began


def apart(kind: str, method: str, threads: int) -> dict[str, Any]:
    """`measure` in a process of its own; its last line of complaint where it fails."""
    command = [sys.executable, "-m", CHILD, "--one", json.dumps([kind, method, threads])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return {"refused": f"no two steps in {LIMIT} s"}
    if done.returncode:
        return {"refused": done.stderr.strip().splitlines()[-1]}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def page(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [ABOUT.format(**results["machine"])]
    for kind, methods in results["kinds"].items():
        adam = methods[ADAM]
        heading = (
            f"## {kind}\n\n{adam['parameters']:,} trained parameters; Adam takes {duration(adam['cpu_s'])} a step.\n"
        )
        rows = [_row(name, found) for name, found in methods.items()]
        lines += [heading, table(["method", "steps of Adam", "rows", "products", "each", "memory"], rows), ""]
    versions = ", ".join(f"{name} {version}" for name, version in results["machine"]["versions"].items())
    return "\n".join([*lines, MEANS, f"Python {results['machine']['python']}; {versions}.\n"])


def _row(name: str, found: dict[str, Any]) -> list[str]:
    if "refused" in found:
        return [name, found["refused"], "", "", "", ""]
    ratio, products = found["cpu_s"] / found["adam_cpu_s"], found.get("products", 0)
    each = short(ratio / (1 + products)) if products else ""
    rows = f"{found['rows']:,}" if "rows" in found else ""
    return [name, short(ratio), rows, str(products or ""), each, f"{found['bytes'] / 1e6:,.0f} MB"]


def main() -> None:
    parser = argparse.ArgumentParser(prog=f"python -m {CHILD}", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="cores and threads (default: 1)")
    parser.add_argument("--page", action="store_true", help="only write the page again, from the results")
    parser.add_argument("--kinds", nargs="*", help="measure these anew, and keep what is known of the others")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, method, threads = json.loads(options.one)
        confine(threads)
        print(json.dumps(measure(kind, method)))
        return
    if options.page:
        results = json.loads(RESULTS.read_text(encoding="utf-8"))
    else:
        from benchmarks.natural_gradient.networks import KINDS

        known = json.loads(RESULTS.read_text(encoding="utf-8"))["kinds"] if options.kinds else {}
        results = {
            "machine": describe(options.threads, ("numpy", "torch")),
            "kinds": {kind: {} for kind in KINDS} | known,
        }
        for kind in options.kinds or KINDS:
            results["kinds"][kind] = {}
            for method in METHODS:
                results["kinds"][kind][method] = found = apart(kind, method, options.threads)
                print(kind, method, found, file=sys.stderr, flush=True)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(results), encoding="utf-8")
    print(page(results))


if __name__ == "__main__":
    main()
