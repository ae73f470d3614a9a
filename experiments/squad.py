"""Questions on passages whose answer is a span of the passage (SQuAD): words, windows, and how answers are scored."""

from __future__ import annotations

import gzip
import json
import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

PAD, UNKNOWN, START, SEPARATOR, MASK = range(5)
SPECIAL = 5
PASSAGE, SHARED = 1, 2
"""Kinds of words: those of the question are 0, those of the passage that the question has too are 2."""

WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Example:
    """A question on a passage, with all answers that are right and where the first one stands."""

    passage: str
    question: str
    answers: tuple[str, ...]
    place: int
    certain: bool


def read_examples(path: Path, every: int = 1) -> list[Example]:
    """Every so many-th question of a file of SQuAD, ``….json`` or ``….json.gz``."""
    content = path.read_bytes()
    articles = json.loads(gzip.decompress(content) if path.suffix == ".gz" else content)["data"]
    found = [
        Example(
            paragraph["context"],
            question["question"],
            tuple(answer["text"] for answer in question["answers"]),
            question["answers"][0]["answer_start"],
            not question["answers"][0].get("start_guessed", False),
        )
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]
    return found[::every]


@dataclass(frozen=True)
class Vocabulary:
    """The most frequent words, in small letters."""

    numbers: dict[str, int]
    start: int = START
    separator: int = SEPARATOR

    @classmethod
    def of(cls, texts: Sequence[str], size: int) -> Vocabulary:
        """The words of some texts."""
        counts = Counter(word.lower() for text in texts for word in WORD.findall(text))
        return cls({word: SPECIAL + i for i, (word, _) in enumerate(counts.most_common(size - SPECIAL))})

    def __len__(self) -> int:
        return SPECIAL + len(self.numbers)

    def words(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Numbers of the words of a text, and where each begins and ends."""
        found = list(WORD.finditer(text))
        return [self.numbers.get(word.group().lower(), UNKNOWN) for word in found], [word.span() for word in found]


@dataclass(frozen=True)
class Window:
    """A question and a part of its passage, as numbers; `spans` are the places of the passage's words in the text."""

    example: int
    words: tuple[int, ...]
    kinds: tuple[int, ...]
    first: int
    spans: tuple[tuple[int, int], ...]
    target: tuple[int, int] | None


def windows(examples: Sequence[Example], vocabulary: Any, length: int, question_length: int = 24) -> list[Window]:
    """Half-overlapping windows over all passages; `target` where the whole answer lies in the window."""
    found = []
    for number, example in enumerate(examples):
        asked, asked_spans = vocabulary.words(example.question)
        asked = asked[:question_length]
        known = {
            example.question[begin:end].lower()
            for begin, end in asked_spans
            if any(map(str.isalnum, example.question[begin:end]))
        }
        words, spans = vocabulary.words(example.passage)
        answer = _answer(spans, example.place, example.place + len(example.answers[0]))
        room = length - len(asked) - 3
        for begin in range(0, max(1, len(words) - room // 2), room // 2):
            part, places = words[begin : begin + room], spans[begin : begin + room]
            kinds = [SHARED if example.passage[i:j].lower() in known else PASSAGE for i, j in places]
            first = len(asked) + 2
            inside = answer is not None and begin <= answer[0] and answer[1] < begin + len(part)
            target = (first + answer[0] - begin, first + answer[1] - begin) if inside and answer else None
            found.append(
                Window(
                    number,
                    (vocabulary.start, *asked, vocabulary.separator, *part, vocabulary.separator),
                    (*[0] * first, *kinds, PASSAGE),
                    first,
                    tuple(places),
                    target,
                )
            )
    return found


def _answer(spans: Sequence[tuple[int, int]], begin: int, end: int) -> tuple[int, int] | None:
    """First and last word that touch an answer."""
    touched = [i for i, (left, right) in enumerate(spans) if left < end and right > begin]
    return (touched[0], touched[-1]) if touched else None


@dataclass(frozen=True)
class Batch:
    """Windows side by side, filled up to the same length L: words, kinds, places where an answer may be (b, L)."""

    words: Tensor
    kinds: Tensor
    allowed: Tensor
    targets: Tensor


def batch_of(chosen: Sequence[Window]) -> Batch:
    """Windows as tensors; targets are first and last word (b, 2), zero where a window has no answer."""
    length = max(len(window.words) for window in chosen)
    words, kinds = torch.full((len(chosen), length), PAD), torch.zeros(len(chosen), length, dtype=torch.long)
    allowed = torch.zeros(len(chosen), length, dtype=torch.bool)
    for row, window in enumerate(chosen):
        words[row, : len(window.words)] = torch.tensor(window.words)
        kinds[row, : len(window.kinds)] = torch.tensor(window.kinds)
        allowed[row, window.first : window.first + len(window.spans)] = True
    return Batch(words, kinds, allowed, torch.tensor([window.target or (0, 0) for window in chosen]))


def normal(text: str) -> str:
    """An answer without articles, punctuation and case, as SQuAD's own scores take it."""
    text = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact(answer: str, right: Sequence[str]) -> float:
    """Whether an answer is one of those that are right."""
    return float(any(normal(answer) == normal(other) for other in right))


def f1(answer: str, right: Sequence[str]) -> float:
    """Harmonic mean of precision and recall of its words, for the right answer that is nearest."""
    return max(_f1(normal(answer).split(), normal(other).split()) for other in right)


def _f1(answer: list[str], right: list[str]) -> float:
    common = sum((Counter(answer) & Counter(right)).values())
    return 2 * common / (len(answer) + len(right)) if common else float(answer == right)


def scores(answers: Sequence[str], examples: Sequence[Example]) -> dict[str, float]:
    """Mean exact match and F1, in percent."""
    pairs = list(zip(answers, examples, strict=True))
    return {
        "exact": 100 * sum(exact(answer, example.answers) for answer, example in pairs) / len(pairs),
        "f1": 100 * sum(f1(answer, example.answers) for answer, example in pairs) / len(pairs),
    }


def most_frequent_span(training: Sequence[Window], judged: Sequence[Example]) -> list[str]:
    """Answers by the places that training answers have most often, whatever is asked: the least that counts."""
    counts = Counter(
        (window.target[0] - window.first, window.target[1] - window.first) for window in training if window.target
    )
    (first, last), _ = counts.most_common(1)[0]
    answers = []
    for example in judged:
        spans = [word.span() for word in WORD.finditer(example.passage)]
        begin, end = spans[min(first, len(spans) - 1)][0], spans[min(last, len(spans) - 1)][1]
        answers.append(example.passage[begin:end])
    return answers
