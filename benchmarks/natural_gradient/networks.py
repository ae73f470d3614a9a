"""The kinds of networks that people train, at the size that is asked for, each with a batch, a loss and its options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Two convolutions with batch normalisation, and a way past them."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.second = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
        self.past: nn.Module = nn.Identity()
        if stride > 1 or before != after:
            self.past = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        """Of images (b, before, h, w)."""
        h = functional.relu(self.norms[0](self.first(x)), inplace=True)
        return functional.relu(self.norms[1](self.second(h)) + self.past(x))


def resnet(width: int, classes: int, stages: int = 4, blocks: int = 2) -> nn.Sequential:
    """ResNet-18's stages of blocks, for small images."""
    residual, before = [], width
    for stage in range(stages):
        for block in range(blocks):
            after = width << stage
            residual.append(Residual(before, after, 2 if stage and not block else 1))
            before = after
    stem = nn.Conv2d(3, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
    return nn.Sequential(*stem, *residual, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, classes))


class VisionTransformer(nn.Module):
    """Patches, a class token, places, and torch's own encoder layers at their default dropout."""

    def __init__(self, side: int, patch: int, width: int, depth: int, heads: int, classes: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.places = nn.Parameter(0.02 * torch.randn(1, (side // patch) ** 2 + 1, width))
        layer = [
            nn.TransformerEncoderLayer(width, heads, 2 * width, activation="gelu", batch_first=True, norm_first=True)
            for _ in range(depth)
        ]
        self.layers, self.norm, self.head = nn.Sequential(*layer), nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Of images (b, 3, side, side)."""
        h = self.patches(x).flatten(2).mT
        h = torch.cat([self.token.expand(len(h), -1, -1), h], 1) + self.places
        return self.head(self.norm(self.layers(h))[:, 0])


class Causal(nn.Module):
    """Attention to what came before, and a perceptron, each after a normalisation and past itself."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.mixed, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Of states (b, T, width)."""
        q, k, v = (p.unflatten(2, (self.heads, -1)).transpose(1, 2) for p in self.mixed(self.norms[0](x)).chunk(3, 2))
        y = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).flatten(2))
        return x + self.inner(self.norms[1](x))


class LanguageModel(nn.Module):
    """A small GPT."""

    def __init__(self, words: int, length: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*(Causal(width, heads) for _ in range(depth)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (b, T, words) of what follows the tokens (b, T)."""
        h = self.words(tokens) + self.places(torch.arange(tokens.shape[1], device=tokens.device))
        return self.head(self.norm(self.blocks(h)))


class LowRank(nn.Module):
    """A frozen linear layer with a trained correction of low rank."""

    def __init__(self, base: nn.Linear, rank: int) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Of states (…, in)."""
        return self.base(x) + self.up(self.down(x))


class Encoder(nn.Module):
    """A frozen encoder as DistilBERT's with trained corrections of its attention, and a head that marks spans."""

    def __init__(self, words: int, length: int, width: int, depth: int, heads: int, rank: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.norm, self.head, self.heads = nn.LayerNorm(width), nn.Linear(width, 2), heads
        self.blocks = nn.ModuleList(
            nn.ModuleDict(
                {
                    "q": LowRank(nn.Linear(width, width), rank),
                    "k": nn.Linear(width, width),
                    "v": LowRank(nn.Linear(width, width), rank),
                    "out": nn.Linear(width, width),
                    "norm": nn.LayerNorm(width),
                    "inner": nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)),
                    "last": nn.LayerNorm(width),
                }
            )
            for _ in range(depth)
        )
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(any(part in name for part in (".up.", ".down.", "head.")))

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (b, T, 2) of the first and the last word of a span."""
        h = self.norm(self.words(tokens) + self.places(torch.arange(tokens.shape[1])[None]))
        for block in self.blocks:
            q, k, v = (block[name](h).unflatten(2, (self.heads, -1)).transpose(1, 2) for name in "qkv")
            y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            h = block["norm"](h + block["out"](y))
            h = block["last"](h + block["inner"](h))
        return self.head(h)


class Recurrent(nn.Module):
    """Words through an LSTM, and a class from its last state."""

    def __init__(self, words: int, width: int, layers: int, classes: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.layers, self.head = nn.LSTM(width, width, layers, batch_first=True), nn.Linear(width, classes)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (b, classes) of token sequences (b, T)."""
        return self.head(self.layers(self.words(tokens))[0][:, -1])


class Equation(nn.Module):
    """The residual u'' + u of a network u: outputs that hold derivatives."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        """At points (b, 1)."""
        x = x.clone().requires_grad_()
        u = self.net(x)
        slope = torch.autograd.grad(u.sum(), x, create_graph=True)[0]
        return torch.autograd.grad(slope.sum(), x, create_graph=True)[0] + u


@dataclass(frozen=True)
class Kind:
    """A network of one kind, large as it is measured and small as it is tested.

    Parameters
    ----------
    build : callable
        ``build(small)`` gives the network.
    inputs, targets : callable
        ``inputs(small)`` gives a batch, ``targets(outputs)`` what its outputs should have been.
    loss : str or object
        As for `NaturalGradient`.
    options : dict
        Further arguments.
    """

    build: Callable[[bool], nn.Module]
    inputs: Callable[[bool], Tensor]
    targets: Callable[[Tensor], Tensor]
    loss: Any = "cross_entropy"
    options: dict[str, Any] = field(default_factory=dict)


def classes(outputs: Tensor) -> Tensor:
    """Random ones."""
    return torch.randint(0, outputs.shape[-1], outputs.shape[:-1])


def spans(outputs: Tensor) -> Tensor:
    """Where they begin and end (b, 2)."""
    return torch.randint(0, outputs.shape[1], (len(outputs), 2))


def _images(small: bool) -> Tensor:
    return torch.randn(3, 3, 8, 8) if small else torch.randn(16, 3, 32, 32)


def _tokens(words: int, length: int, data: int) -> Callable[[bool], Tensor]:
    return lambda small: torch.randint(0, 11, (3, 5)) if small else torch.randint(0, words, (data, length))


KINDS: dict[str, Kind] = {
    "ResNet-18, a quarter as wide": Kind(
        lambda small: resnet(2, 3, 2, 1) if small else resnet(16, 10), _images, classes
    ),
    "ViT": Kind(
        lambda small: VisionTransformer(8, 4, 8, 1, 2, 3) if small else VisionTransformer(32, 4, 128, 4, 4, 10),
        _images,
        classes,
    ),
    "GPT, 1000 words": Kind(
        lambda small: LanguageModel(11, 5, 8, 1, 2) if small else LanguageModel(1000, 64, 128, 4, 4),
        _tokens(1000, 64, 8),
        classes,
    ),
    "DistilBERT-like, LoRA": Kind(
        lambda small: Encoder(11, 5, 8, 1, 2, 2) if small else Encoder(1000, 64, 128, 4, 4, 8),
        _tokens(1000, 64, 16),
        spans,
        nn.CrossEntropyLoss(),
    ),
    "LSTM": Kind(
        lambda small: Recurrent(11, 4, 1, 3) if small else Recurrent(1000, 64, 1, 10), _tokens(1000, 32, 16), classes
    ),
    "PINN": Kind(
        lambda small: Equation(4 if small else 64),
        lambda small: torch.linspace(0, 3, 6 if small else 128)[:, None],
        torch.zeros_like,
        "mse",
        {"unsupported": "row_by_row"},
    ),
}
