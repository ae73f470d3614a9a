"""Low-rank adapters of a small encoder that answers questions by a span of a passage (the paper's Figure 5).

The encoder is first trained to guess masked words of the same passages, since no pretrained weights come with this
repository; ``--pretrained distilbert-base-uncased`` (a name or a folder) takes real ones by transformers. Then it is
frozen, and adapters beside its attention and the reader's last layer learn to answer, by every method with the same
number of settings tried. Training all weights by Adam says what could be had at most.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import numpy as np
import torch
from common import SEEDS, options, pyplot, read, save, shaded, unfinished, write
from encoder import Encoder, MaskedWords, Shape, SpanReader, WordPieces, real_encoder, with_adapters
from methods import METHODS, Method
from squad import (
    MASK,
    SPECIAL,
    Batch,
    Example,
    Vocabulary,
    Window,
    batch_of,
    most_frequent_span,
    read_examples,
    scores,
    windows,
)
from torch import Tensor, nn
from torch.optim import Optimizer
from training import stepped, train_all

from thermoapps.natural_gradient import MonteCarloFisher, NaturalGradient, UnsupportedLayerError

LONGEST = 12
"""Words of an answer that is predicted."""

HELD = 10
"""Every so many-th training question is kept back; every third of these judges settings."""


@dataclass(frozen=True)
class Task:
    """Texts, sizes of the encoder and of its first training."""

    train: str
    test: str
    every: int
    length: int
    dim: int
    layers: int
    vocabulary: int
    masked_epochs: float
    pretrained: str


@dataclass(frozen=True)
class Read:
    """One training of a reader.

    Parameters
    ----------
    task : Task
    method : str
        By its name among `READERS`.
    settings : dict
        Of the method.
    steps, batch, seed : int
    rank : int
        Of the adapters; 0 trains all weights.
    samples : int
        Targets drawn for each datum, for the curvature.
    judge : bool
        Judge on training questions that were kept back, instead of the test questions.
    """

    task: Task
    method: str
    settings: dict[str, float]
    steps: int
    batch: int
    seed: int
    rank: int
    samples: int
    judge: bool

    @property
    def key(self) -> str:
        """All of it, as text."""
        return json.dumps(asdict(self), sort_keys=True)


def _natural(make: Callable[..., Optimizer], model: nn.Module, seed: int, samples: int, **settings: float) -> Optimizer:
    return make(model, seed, **settings, loss=MonteCarloFisher("cross_entropy", samples))


def _adam(model: nn.Module, seed: int, _: int, **settings: float) -> Optimizer:
    return METHODS["Adam"].make(model, seed, **settings)


TIMES = (0.1, 0.4)

READERS = {
    "TNGD": Method(
        partial(_natural, METHODS["TNGD, short"].make),
        {"rate": (0.03, 1.0), "forget": (0.05, 0.5), "time": TIMES},
        "#c1272d",
    ),
    "TNGD–Adam": Method(
        partial(_natural, METHODS["TNGD–Adam"].make),
        {"lr": (1e-3, 3e-2), "damping": (0.1, 3.0), "time": TIMES},
        "#e07b39",
    ),
    "K-FAC": Method(
        partial(_natural, METHODS["K-FAC"].make),
        {"lr": (0.03, 1.0), "damping": (0.01, 1.0), "forget": (0.1, 1.0)},
        "#2e8b57",
    ),
    "Adam": Method(_adam, {"lr": (1e-3, 3e-2), "forget": (0.05, 0.5)}, "#222222"),
}


# -- data ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Texts:
    """Windows that train, windows that were kept back, windows of the test, and the test's questions."""

    vocabulary: Any
    train: list[Window]
    held: list[Window]
    held_examples: list[Example]
    test: list[Window]
    test_examples: list[Example]


@lru_cache(maxsize=1)
def texts(task: Task, folder: Path) -> Texts:
    """Of the files of a task."""
    examples = read_examples(folder / task.train)
    held_examples = examples[:: 3 * HELD]
    training = [example for i, example in enumerate(examples) if i % HELD and example.certain]
    test_examples = read_examples(folder / task.test, task.every)
    if task.pretrained:
        from transformers import AutoTokenizer

        vocabulary: Any = WordPieces(AutoTokenizer.from_pretrained(task.pretrained, use_fast=True))
    else:
        read_once = {example.passage for example in training} | {example.question for example in training}
        vocabulary = Vocabulary.of(sorted(read_once), task.vocabulary)
    cut = partial(windows, vocabulary=vocabulary, length=task.length)
    answered = [window for window in cut(training) if window.target]
    return Texts(vocabulary, answered, cut(held_examples), held_examples, cut(test_examples), test_examples)


def batches(count: int, size: int, seed: int) -> Iterable[list[int]]:
    """Numbers below `count` in random order, without end, so many at a time."""
    shuffle = np.random.default_rng(seed)
    while True:
        order = shuffle.permutation(count)
        for begin in range(0, count - size + 1, size):
            yield order[begin : begin + size].tolist()


# -- the first training --------------------------------------------------------------------------------------------


def pretrained(task: Task, folder: Path, kept: Path) -> dict[str, Any]:
    """Weights of the encoder after it has guessed masked words, and how its loss fell; made once and kept."""
    if kept.is_file():
        found: dict[str, Any] = torch.load(kept)
        if found["task"] == asdict(task):
            return found
    torch.manual_seed(0)
    found = {"task": asdict(task), "losses": [], "seconds": 0.0}
    if task.pretrained:
        from transformers import DistilBertModel

        encoder = real_encoder(DistilBertModel.from_pretrained(task.pretrained))
    else:
        encoder = Encoder(Shape(task.vocabulary, task.dim, task.layers, hidden=4 * task.dim, positions=task.length))
        began = process_time()
        found["losses"] = guess_words(encoder, texts(task, folder).train, task.masked_epochs)
        found["seconds"] = process_time() - began
    found |= {"shape": asdict(encoder.shape), "weights": encoder.state_dict()}
    kept.parent.mkdir(parents=True, exist_ok=True)
    torch.save(found, kept)
    return found


def guess_words(encoder: Encoder, train: Sequence[Window], epochs: float, batch: int = 32) -> list[float]:
    """Train on a seventh of the words, hidden or exchanged as BERT's; the mean loss of every tenth of the steps."""
    model, steps = MaskedWords(encoder), max(20, int(len(train) * epochs / batch))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    losses, draws = [], torch.Generator().manual_seed(0)
    for _, numbers in zip(range(steps), batches(len(train), min(batch, len(train)), 0), strict=False):
        data = batch_of([train[i] for i in numbers])
        chance = torch.rand(data.words.shape, generator=draws)
        asked = (chance < 0.15) & (data.words >= SPECIAL)
        other = torch.randint(SPECIAL, encoder.shape.vocabulary, data.words.shape, generator=draws)
        shown = torch.where(asked & (chance < 0.12), MASK, torch.where(asked & (chance < 0.135), other, data.words))
        loss = nn.functional.cross_entropy(model(shown, data.kinds, asked), data.words[asked])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return [float(np.mean(part)) for part in np.array_split(losses, 10)]


# -- readers -------------------------------------------------------------------------------------------------------


def train_reader(run: Read, folder: Path | None, weights: Path) -> dict[str, list[float]]:
    """What a training showed each time it was looked at: step, processor seconds, losses, exact match and F1."""
    torch.set_num_threads(1)
    assert folder is not None
    text, given = texts(run.task, folder), torch.load(weights)
    torch.manual_seed(run.seed)
    encoder = Encoder(Shape(**given["shape"]))
    encoder.load_state_dict(given["weights"])
    reader = SpanReader(encoder)
    if run.rank:
        with_adapters(reader, run.rank, alpha=float(run.rank))
    optimizer = READERS[run.method].make(reader, run.seed, run.samples, **run.settings)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / run.steps)
    looks = 1 if run.judge else 2
    marks = set(np.linspace(0, run.steps, looks + 1).astype(int)[1:].tolist())
    history: dict[str, list[float]] = {name: [] for name in ("step", "seconds", "loss", "test_loss", "exact", "f1")}
    losses, seconds = [], 0.0
    for step, numbers in zip(range(1, run.steps + 1), batches(len(text.train), run.batch, run.seed), strict=False):
        data = batch_of([text.train[i] for i in numbers])
        began = process_time()
        if not (losses and math.isnan(losses[-1])):
            losses.append(_step(reader, optimizer, data))
            schedule.step()
        seconds += process_time() - began
        if step in marks:
            judged = (text.held, text.held_examples) if run.judge else (text.test, text.test_examples)
            loss, answers = answer(reader, *judged)
            found = scores(answers, judged[1])
            entry = (step, seconds, float(np.mean(losses)), loss, found["exact"], found["f1"])
            for name, value in zip(history, entry, strict=True):
                history[name].append(value)
            losses = losses[-1:] if math.isnan(losses[-1]) else []
    return history


def _step(reader: SpanReader, optimizer: Optimizer, data: Batch) -> float:
    optimizer.zero_grad()
    outputs = reader(data.words, data.kinds, data.allowed)
    if isinstance(optimizer, NaturalGradient):
        try:
            return stepped(optimizer, optimizer.backward(outputs, data.targets))
        except UnsupportedLayerError:  # Gradients that cancel to rounding, as after steps that were much too long.
            return math.nan
    loss = nn.functional.cross_entropy(outputs.flatten(0, 1), data.targets.flatten())
    loss.backward()
    return stepped(optimizer, loss)


@torch.no_grad()
def answer(reader: SpanReader, cut: Sequence[Window], examples: Sequence[Example]) -> tuple[float, list[str]]:
    """Mean loss of the windows that hold the answer, and the best span of each question over its windows."""
    reader.eval()
    best = [(-np.inf, "")] * len(examples)
    losses = []
    for begin in range(0, len(cut), 64):
        part = cut[begin : begin + 64]
        data = batch_of(part)
        logits = reader(data.words, data.kinds, data.allowed)
        holds = torch.tensor([window.target is not None for window in part])
        losses += nn.functional.cross_entropy(
            logits[holds].flatten(0, 1), data.targets[holds].flatten(), reduction="none"
        ).tolist()
        for window, value, (first, last) in zip(part, *_spans(logits), strict=True):
            if value > best[window.example][0]:
                left, right = window.spans[first - window.first][0], window.spans[last - window.first][1]
                best[window.example] = value, examples[window.example].passage[left:right]
    reader.train()
    return float(np.mean(losses)), [text for _, text in best]


def _spans(logits: Tensor) -> tuple[list[float], list[list[int]]]:
    """The best sum of two logits of a first and a last word, and which these are."""
    length = logits.shape[-1]
    sums = logits[:, 0, :, None] + logits[:, 1, None, :]
    ahead = torch.arange(length)[None] - torch.arange(length)[:, None]
    values, places = sums.masked_fill((ahead < 0) | (ahead >= LONGEST), -np.inf).flatten(1).max(1)
    return values.tolist(), torch.stack([places // length, places % length], 1).tolist()


# -- the experiment ------------------------------------------------------------------------------------------------


def experiment(given: Any, task: Task, path: Path) -> dict[str, Any]:
    """The first training, the reference, a search for every method, and its winner with several seeds."""
    weights = weights_of(path)
    first = pretrained(task, given.data, weights)
    print("masked words:", first["losses"], f"{first['seconds']:.0f} s", flush=True)
    text = texts(task, given.data)
    how = partial(train_reader, weights=weights)

    def made(runs: Sequence[Read]) -> list[dict[str, Any]]:
        return train_all(runs, given.data, unfinished(path), given.workers, how)

    seeds = SEEDS[: given.seeds]
    full = {"lr": 2e-3, "forget": 0.1}
    reference = made([Read(task, "Adam", full, given.full, given.batch, seeds[0], 0, 1, judge=False)])
    print("all weights:", reference[0]["f1"], flush=True)
    found = {}
    for name in given.methods.split(";"):
        points = READERS[name].points(given.runs)
        read_with = partial(Read, task, name, batch=given.batch, rank=given.rank, samples=given.samples)
        tried = made([read_with(point, given.search, seed=100, judge=True) for point in points])
        losses = [history["test_loss"][-1] for history in tried]
        best = points[int(np.argmin([math.inf if math.isnan(h["loss"][-1]) else h["test_loss"][-1] for h in tried]))]
        runs = made([read_with(best, given.steps, seed=seed, judge=False) for seed in seeds])
        found[name] = {
            "ranges": READERS[name].ranges,
            "tried": [{"settings": point, "held-out loss": loss} for point, loss in zip(points, losses, strict=True)],
            "settings": best,
            "runs": runs,
        }
        print(name, best, [run["f1"][-1] for run in runs], flush=True)
    reader = SpanReader(Encoder(Shape(**first["shape"])))
    reader.encoder.load_state_dict(first["weights"])
    weights_in_all = sum(parameter.numel() for parameter in reader.parameters())
    untrained = scores(answer(reader, text.test, text.test_examples)[1], text.test_examples)
    with_adapters(reader, given.rank, given.rank)
    return {
        "task": asdict(task),
        "weights of the encoder": weights_in_all,
        "weights of adapters and reader": sum(p.numel() for p in reader.parameters() if p.requires_grad),
        "training windows": len(text.train),
        "test questions": len(text.test_examples),
        "masked words": {"losses": first["losses"], "seconds": first["seconds"]},
        "budget": f"{given.runs} settings, {given.search} steps, 1 seed; then {given.steps} steps",
        "batch": given.batch,
        "samples": given.samples,
        "most frequent span": scores(most_frequent_span(text.train, text.test_examples), text.test_examples),
        "untrained reader": untrained,
        "all weights": {"settings": full, "runs": reference},
        "methods": found,
    }


def weights_of(path: Path) -> Path:
    """Where the encoder is kept until all results are written to `path`."""
    return unfinished(path.with_name(f"{path.stem}-weights"))


def draw(results: dict[str, Any], path: Path) -> None:
    """Training loss and F1 against steps."""
    plt = pyplot()
    figure, axes = plt.subplots(1, 2, figsize=(10.5, 4), layout="constrained")
    for name, found in results["methods"].items():
        for ax, quantity in zip(axes, ("loss", "f1"), strict=True):
            shaded(ax, found["runs"], "step", quantity, name, READERS[name].color)
    reached = median(run["f1"][-1] for run in results["all weights"]["runs"])
    axes[1].axhline(reached, color="#888888", linestyle="--", linewidth=1, label="all weights, Adam")
    axes[1].axhline(results["most frequent span"]["f1"], color="#888888", linestyle=":", label="most frequent span")
    axes[0].set(xlabel="steps", ylabel="training loss")
    axes[1].set(xlabel="steps", ylabel="F1 on test questions (%)")
    axes[1].legend(frameon=False, fontsize=9)
    figure.suptitle(
        f"Adapters of {results['weights of adapters and reader']:,} weights on an encoder of "
        f"{results['weights of the encoder']:,}",
        x=0.01,
        ha="left",
    )
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(
        __doc__,
        train="squad/train-v1.1-cut1030.json.gz",
        test="squad/dev-v1.1-rebuilt.json.gz",
        every=20,
        length=128,
        dim=64,
        layers=3,
        vocabulary=8_000,
        masked=4.0,
        pretrained="",
        full=800,
        search=80,
        steps=400,
        runs=4,
        batch=16,
        rank=4,
        samples=2,
        methods=";".join(READERS),
    )
    path = given.results / "question-answering.json"
    if not given.draw:
        task = Task(
            given.train,
            given.test,
            given.every,
            given.length,
            given.dim,
            given.layers,
            given.vocabulary,
            given.masked,
            given.pretrained,
        )
        write(experiment(given, task, path), path)
        weights_of(path).unlink(missing_ok=True)
    draw(read(path), given.pictures / "experiments-question-answering.png")


if __name__ == "__main__":
    main()
