"""An encoder of text with DistilBERT's layers and names, small or with real weights, and low-rank adapters for it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """Sizes of an encoder; those of DistilBERT are 30 522, 768, 6, 12, 3072 and 512."""

    vocabulary: int
    dim: int = 64
    layers: int = 3
    heads: int = 4
    hidden: int = 256
    positions: int = 128


class Embeddings(nn.Module):
    """Words, places and kinds, added and normalised. DistilBERT has no kinds: they start from zero."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(shape.vocabulary, shape.dim, padding_idx=0)
        self.position_embeddings = nn.Embedding(shape.positions, shape.dim)
        self.kind_embeddings = nn.Embedding(3, shape.dim)
        self.LayerNorm = nn.LayerNorm(shape.dim, eps=1e-12)
        for embedding in (self.word_embeddings, self.position_embeddings):
            nn.init.normal_(embedding.weight, std=0.02 * math.sqrt(768 / shape.dim))
        nn.init.zeros_(self.kind_embeddings.weight)

    def forward(self, words: Tensor, kinds: Tensor) -> Tensor:
        places = torch.arange(words.shape[1], device=words.device)[None]
        total = self.word_embeddings(words) + self.position_embeddings(places) + self.kind_embeddings(kinds)
        normalised: Tensor = self.LayerNorm(total)
        return normalised


class Attention(nn.Module):
    """Every word looks at all words that are not padding."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.q_lin, self.k_lin, self.v_lin, self.out_lin = (nn.Linear(shape.dim, shape.dim) for _ in range(4))

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.q_lin, self.k_lin, self.v_lin)
        )
        weights = (
            (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).masked_fill(hidden[:, None, None], -1e9).softmax(-1)
        )
        mixed: Tensor = self.out_lin((weights @ v).transpose(1, 2).flatten(2))
        return mixed


class Feedforward(nn.Module):
    """Two linear maps with GELU between them."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.lin1, self.lin2 = nn.Linear(shape.dim, shape.hidden), nn.Linear(shape.hidden, shape.dim)

    def forward(self, x: Tensor) -> Tensor:
        mapped: Tensor = self.lin2(nn.functional.gelu(self.lin1(x)))
        return mapped


class Block(nn.Module):
    """Attention and feedforward, each normalised after it is added."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.attention = Attention(shape)
        self.sa_layer_norm = nn.LayerNorm(shape.dim, eps=1e-12)
        self.ffn = Feedforward(shape)
        self.output_layer_norm = nn.LayerNorm(shape.dim, eps=1e-12)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        x = self.sa_layer_norm(x + self.attention(x, hidden))
        out: Tensor = self.output_layer_norm(x + self.ffn(x))
        return out


class Encoder(nn.Module):
    """DistilBERT without dropout, with the kinds of words beside."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.embeddings = Embeddings(shape)
        self.transformer = nn.ModuleDict({"layer": nn.ModuleList(Block(shape) for _ in range(shape.layers))})

    def forward(self, words: Tensor, kinds: Tensor) -> Tensor:
        x, hidden = self.embeddings(words, kinds), words == 0
        for block in self.transformer["layer"]:
            x = block(x, hidden)
        return x


class MaskedWords(nn.Module):
    """Guesses words that are hidden; the matrix of the outputs is that of the embedding."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.transform = nn.Sequential(
            nn.Linear(encoder.shape.dim, encoder.shape.dim), nn.GELU(), nn.LayerNorm(encoder.shape.dim)
        )
        self.bias = nn.Parameter(torch.zeros(encoder.shape.vocabulary))

    def forward(self, words: Tensor, kinds: Tensor, asked: Tensor) -> Tensor:
        """Logits (m, vocabulary) at the m places that are asked for, a mask (b, L)."""
        x = self.transform(self.encoder(words, kinds)[asked])
        logits: Tensor = x @ self.encoder.embeddings.word_embeddings.weight.T + self.bias
        return logits


class SpanReader(nn.Module):
    """Logits (b, 2, L) of the first and the last word of an answer; words that cannot be one get −1e4."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.encoder, self.qa_outputs = encoder, nn.Linear(encoder.shape.dim, 2)

    def forward(self, words: Tensor, kinds: Tensor, allowed: Tensor) -> Tensor:
        logits = self.qa_outputs(self.encoder(words, kinds)).transpose(1, 2)
        return logits.masked_fill(~allowed[:, None], -1e4)


class LowRankAdapter(nn.Module):
    """A frozen linear map and a trained one of low rank beside it, zero at the start (LoRA)."""

    def __init__(self, frozen: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.frozen = frozen.requires_grad_(False)
        self.down = nn.Linear(frozen.in_features, rank, bias=False)
        self.up = nn.Linear(rank, frozen.out_features, bias=False)
        self.scale = alpha / rank
        nn.init.zeros_(self.up.weight)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.frozen(x) + self.scale * self.up(self.down(x))
        return total


def with_adapters(reader: SpanReader, rank: int, alpha: float) -> SpanReader:
    """Freeze the encoder but for adapters beside queries, keys, values and outputs of its attention; in place."""
    reader.encoder.requires_grad_(False)
    for block in reader.encoder.transformer["layer"]:
        for name in ("q_lin", "k_lin", "v_lin", "out_lin"):
            setattr(block.attention, name, LowRankAdapter(getattr(block.attention, name), rank, alpha))
    return reader


class WordPieces:
    """A fast tokenizer of transformers, as what `windows` wants of a vocabulary; [PAD] must be its word 0."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer = tokenizer
        self.start, self.separator = tokenizer.cls_token_id, tokenizer.sep_token_id

    def words(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Numbers of the pieces of a text, and where each begins and ends."""
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        return found["input_ids"], [tuple(span) for span in found["offset_mapping"]]


def real_encoder(model: Any) -> Encoder:
    """An encoder with the weights of a ``transformers.DistilBertModel``, whose names are those here."""
    config = model.config
    shape = Shape(
        config.vocab_size,
        config.dim,
        config.n_layers,
        config.n_heads,
        config.hidden_dim,
        config.max_position_embeddings,
    )
    encoder = Encoder(shape)
    missing, unexpected = encoder.load_state_dict(model.state_dict(), strict=False)
    if missing != ["embeddings.kind_embeddings.weight"] or unexpected:
        raise ValueError(f"not the weights of a DistilBertModel: missing {missing}, unexpected {unexpected}")
    return encoder
