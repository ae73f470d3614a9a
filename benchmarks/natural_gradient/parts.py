"""``python -m benchmarks.natural_gradient.parts``: steps on three networks beside Adam's, and where their time goes.

Needs torch only. Results are written beside, and the benchmark page with them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

from benchmarks.machine import confine, describe
from benchmarks.markdown import duration, short, table

HERE = Path(__file__).parent
RESULTS = HERE / "parts.json"
SECONDS, LEAST = 3.0, 9  # of a round of measurements: CPU time, and rounds
DAMPING, LR = 0.01, 1e-4
METHODS: dict[str, dict[str, Any]] = {
    "TNGD, t = 50": {"time": 50.0},
    "TNGD, t = 1": {"time": 1.0},
    "NGD": {},
    "TNGD, sampled": {"time": 50.0, "curvature": "monte_carlo"},
}
GOALS = {
    "CNN": {"TNGD, t = 50": 4.0, "TNGD, sampled": 2.5},
    "MLP": {"TNGD, t = 50": 3.0, "TNGD, sampled": 2.5},
    "convolution of stride 2": {"TNGD, t = 50": 8.0, "TNGD, t = 50, in training": 6.0, "TNGD, sampled": 6.0},
}

ABOUT = """\
## Where the time of a step goes

Made by `python -m benchmarks.natural_gradient.parts` from `benchmarks/natural_gradient/parts.json`. A batch of 64 with
ten classes each, so 576 rows, or 64 sampled ones; lower quartiles of CPU times on {threads} thread of {processor},
taken in turn with Adam's, in {least} rounds at least and {seconds:g} s of CPU time for each table, on a machine with
other work. In training every step has another batch, from a `DataLoader`.
"""

MEANS = """\
A step of Adam is the floor: its forward and its backward pass are part of every step here. What else a step needs on
this processor, at the speeds of the last table, whoever writes it:

- **Columns.** Nine columns go back through all layers but the first. Each is half a backward pass, since no slopes of
  weights are wanted. Through convolutions of stride 2 with few channels they go several times slower than through
  those of stride 1, which is oneDNN's.
- **Rows.** Those of a convolution are nine products for each image, as many operations as nine passes with respect to
  the weights. Nothing is stored for dense layers.
- **R Rᵀ.** For a dense layer 576² × width multiplications and additions, half of them by symmetry; for stored rows
  576² × their length, halved as well.
- **Function of R Rᵀ.** Ten to thirty products of the matrix with a vector. Exact directions take a Cholesky
  decomposition in single precision, corrected in double.
- **R v and Rᵀ u.** One pass over the weights each, as in a forward and a backward pass; runs that go on from the last
  state need two of the former.
- **Long vectors.** What is left of passes over N numbers: gradient and parameters as one vector, three norms and sums,
  the direction, and the update.

Columns, rows and R Rᵀ alone, at the speeds of this processor's libraries, with a step of Adam beside them, are about
four steps of Adam on the CNN and three on the perceptron: the goals there are at the floor of exact curvature on such
a core, and what stands above it is memory traffic and calls. Sampled columns are the way below it.
"""


def strided() -> Any:
    """A convolution of stride 2 and two dense layers, 576–64–10."""
    import torch
    from torch import nn

    from benchmarks.natural_gradient.problems import BATCH, CLASSES, CONTRAST, Problem

    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(576, 64),
        nn.ReLU(),
        nn.Linear(64, CLASSES),
    )
    return Problem(network, CONTRAST * torch.randn(BATCH, 1, 12, 12), torch.randint(0, CLASSES, (BATCH,)))


def stepping(problem: Any, options: dict[str, Any] | None) -> Callable[..., None]:
    """One step, of Adam without options, on the problem's batch or on a given one."""
    import torch
    from torch.nn.functional import cross_entropy

    from thermoapps.natural_gradient import TNGD, NaturalGradient

    network = problem.network
    if options is None:
        adam = torch.optim.Adam(network.parameters(), LR)

        def plain(inputs: Any = problem.inputs, targets: Any = problem.targets) -> None:
            adam.zero_grad()
            cross_entropy(network(inputs), targets).backward()
            adam.step()

        return plain
    opt = (TNGD if "time" in options else NaturalGradient)(network, LR, DAMPING, **options)

    def natural(inputs: Any = problem.inputs, targets: Any = problem.targets) -> None:
        opt.zero_grad()
        opt.backward(network(inputs), targets)
        opt.step()

    return natural


def training(problem: Any, options: dict[str, Any] | None) -> Callable[[], None]:
    """One epoch of ten batches."""
    import torch
    from torch.utils.data import DataLoader, TensorDataset

    step = stepping(problem, options)
    repeated = TensorDataset(problem.inputs.repeat(10, 1, 1, 1), problem.targets.repeat(10))
    loader = DataLoader(repeated, len(problem.targets), shuffle=True, generator=torch.Generator().manual_seed(0))

    def epoch() -> None:
        for inputs, targets in loader:
            step(inputs, targets)

    return epoch


def parts(problem: Any) -> dict[str, Callable[[], Any]]:
    """What a step with exact curvature is made of."""
    import torch
    from torch.nn.functional import cross_entropy

    from thermoapps.natural_gradient import Recorder, Thermodynamic
    from thermoapps.natural_gradient.curvature.backward import columns_backward
    from thermoapps.natural_gradient.curvature.pooling import behind_pooling
    from thermoapps.natural_gradient.losses import CrossEntropy

    network, x, y, loss = problem.network, problem.inputs, problem.targets, CrossEntropy()
    recorder = Recorder(network, gram=True)
    with recorder:
        outputs = network(x)
    root = loss.hessian_root(outputs.detach(), y)
    uses = behind_pooling(outputs, recorder.taken(outputs)[0])
    with recorder:
        outputs_of_rows = network(x)
    rows, gradient, _ = recorder.rows(outputs_of_rows, y, loss)
    vector, small = gradient[:, None], torch.ones(rows.shape[0], 1)
    solver = Thermodynamic(50.0)
    _, state, _ = solver.direction(rows, gradient, DAMPING)
    known = _Known(rows, rows.gram(), rows.apply(vector), rows.apply_transposed(small))
    return {
        "forward and backward pass": lambda: cross_entropy(network(x), y).backward(),
        "columns back to all layers": lambda: [None for _ in columns_backward(outputs, uses, root)],
        "columns and rows": lambda: recorder.curvature(outputs_of_rows, y, loss),
        "R Rᵀ": rows.gram,
        "R v": lambda: rows.apply(vector),
        "Rᵀ u": lambda: rows.apply_transposed(small),
        "function of R Rᵀ": lambda: solver.direction(known, gradient, DAMPING, state),
    }


def speeds() -> dict[str, tuple[float, Callable[[], Any]]]:
    """What the processor's libraries make of the operations that steps are made of, with their multiplications."""
    import torch

    def backward(channels: int, stride: int) -> Callable[[], Any]:
        inputs, weight = torch.randn(64, channels, 14, 14), torch.randn(16, channels, 3, 3)
        slopes = torch.randn(64, 16, 14 // stride, 14 // stride)
        how = [0], [stride] * 2, [1] * 2, [1] * 2, False, [0, 0], 1, [True, False, False]
        return lambda: torch.ops.aten.convolution_backward(slopes, inputs, weight, *how)

    left, patches = torch.randn(64, 144, 196), torch.randn(64, 196, 72)
    wide = torch.randn(576, 724)
    gram = wide @ wide.T / 724 + torch.eye(576)
    double, vector = gram.double(), torch.randn(576, dtype=torch.float64)
    return {
        "backward to inputs, 16 channels, stride 1": (64 * 196 * 16 * 16 * 9, backward(16, 1)),
        "backward to inputs, 16 channels, stride 2": (64 * 49 * 16 * 16 * 9, backward(16, 2)),
        "rows of a convolution, 16 × 72 entries": (64 * 144 * 196 * 72, lambda: torch.bmm(left, patches)),
        "B Bᵀ of 576 × 724, whole": (576**2 * 724, lambda: wide @ wide.T),
        "Cholesky decomposition of 576 × 576, float32": (576**3 / 6, lambda: torch.linalg.cholesky_ex(gram)),
        "Cholesky decomposition of 576 × 576, float64": (576**3 / 6, lambda: torch.linalg.cholesky_ex(double)),
        "576 × 576 times a vector, float64": (576**2, lambda: double @ vector),
    }


class _Known:
    """Rows whose Gram matrix and products cost nothing."""

    def __init__(self, rows: Any, gram: Any, image: Any, spread: Any) -> None:
        self.shape, self.dtype, self.like = rows.shape, rows.dtype, rows.like
        self._gram, self._image, self._spread = gram, image, spread

    def gram(self) -> Any:
        """R Rᵀ."""
        return self._gram

    def apply(self, block: Any) -> Any:
        """R v for the gradient, whatever is asked for."""
        return self._image

    def apply_transposed(self, block: Any) -> Any:
        """Rᵀ u for one u, whatever is asked for."""
        return self._spread.clone()


def in_turn(calls: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Lower quartiles of CPU seconds, in rounds in which everyone has a turn."""
    for call in [*calls.values()] * 2:
        call()
    times: dict[str, list[float]] = {name: [] for name in calls}
    began = process_time()
    while process_time() - began < SECONDS or len(next(iter(times.values()))) < LEAST:
        for name, call in calls.items():
            start = process_time()
            call()
            times[name].append(process_time() - start)
    return {name: sorted(found)[len(found) // 4] for name, found in times.items()}


def run(threads: int) -> dict[str, Any]:
    """Measure everything."""
    from benchmarks.natural_gradient.problems import convolutional, dense

    problems = {"CNN": convolutional, "MLP": partial(dense, 1_000_000), "convolution of stride 2": strided}
    results: dict[str, Any] = {"machine": describe(threads, ("numpy", "torch")), "networks": {}}
    results["settings"] = {"seconds": SECONDS, "least": LEAST}
    for name, build in problems.items():
        calls: dict[str, Callable[[], Any]] = {"Adam": stepping(build(), None)}
        calls |= {method: stepping(build(), options) for method, options in METHODS.items()}
        if name == "convolution of stride 2":
            calls["Adam, in training"] = training(build(), None)
            calls["TNGD, t = 50, in training"] = training(build(), METHODS["TNGD, t = 50"])
        found = {"parameters": build().parameters, "steps": in_turn(calls), "parts": in_turn(parts(build()))}
        results["networks"][name] = found
    operations = speeds()
    seconds = in_turn({name: call for name, (_, call) in operations.items()})
    results["speeds"] = {name: {"cpu_s": seconds[name], "multiplications": operations[name][0]} for name in operations}
    return results


def section(results: dict[str, Any]) -> str:
    """The results as a part of the benchmark page."""
    lines = [ABOUT.format(**results["machine"], **results["settings"])]
    for name, found in results["networks"].items():
        steps, adam = found["steps"], found["steps"]["Adam"]
        rows = []
        for method, seconds in steps.items():
            trained = method.endswith("in training")
            beside = steps["Adam, in training"] if trained else adam
            each, goal = seconds / 10 if trained else seconds, GOALS[name].get(method)
            rows.append([method, duration(each), short(seconds / beside), "" if goal is None else f"≤ {short(goal)}"])
        lines += [
            f"### {name}, {found['parameters']:,} parameters\n",
            table(["step", "CPU time", "in Adam steps", "goal"], rows),
            "",
            table(
                ["part", "CPU time", "in Adam steps"],
                [[part, duration(seconds), short(seconds / adam)] for part, seconds in found["parts"].items()],
            ),
            "",
        ]
    speed = [
        [name, duration(found["cpu_s"]), short(2e-9 * found["multiplications"] / found["cpu_s"])]
        for name, found in results["speeds"].items()
    ]
    return "\n".join([*lines, MEANS, table(["operation", "CPU time", "GFLOP/s"], speed), ""])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.natural_gradient.parts", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="cores and threads (default: 1)")
    options = parser.parse_args()
    confine(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    RESULTS.write_text(json.dumps(run(options.threads), indent=1) + "\n", encoding="utf-8")
    from benchmarks.natural_gradient.__main__ import PAGE
    from benchmarks.natural_gradient.__main__ import RESULTS as OTHERS
    from benchmarks.natural_gradient.report import page

    PAGE.write_text(page(json.loads(OTHERS.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"Written: {RESULTS} and {PAGE}")


if __name__ == "__main__":
    main()
