"""Models and losses, declared once: every model is small, float64 and paired with its inputs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from thermoapps.natural_gradient import BCEWithLogits, CrossEntropy, CustomLoss, Loss, MeanSquaredError, PoissonNLL


class Residual(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(x)


class Twice(nn.Module):
    """The same layer used twice, at different depths."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.tanh(self.layer(x)))


class LowRankAdaptation(nn.Module):
    """A frozen linear layer with a trained correction of rank r, as peft builds it."""

    def __init__(self, i: int, o: int, r: int, scaling: float) -> None:
        super().__init__()
        self.base = nn.Linear(i, o).requires_grad_(False)
        self.lora_A, self.lora_B = nn.Linear(i, r, bias=False), nn.Linear(r, o, bias=False)
        self.scaling = scaling

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.lora_B(self.lora_A(x)) * self.scaling


class Scale(nn.Module):
    """Bare parameters, used directly; one of them is a scalar."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.gain, self.shift = nn.Parameter(torch.randn(shape)), nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x) * self.gain + self.shift


class Flat(nn.Module):
    """Mean over all axes but the first and the last."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1, -2).mean(1)


class TiedLanguageModel(nn.Module):
    """Embedding and decoder share one matrix; positions are embedded once for all data."""

    def __init__(self, words: int, width: int, length: int) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width, padding_idx=0), nn.Embedding(length, width)
        self.mixer = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.decoder = nn.Linear(width, words, bias=False)
        self.decoder.weight = self.words.weight

    def forward(self, tokens: Tensor) -> Tensor:
        h = self.words(tokens) + self.places(torch.arange(tokens.shape[1])[None])
        h = h + torch.tanh(self.mixer(h)).cumsum(1)
        return self.decoder(self.norm(h))


def mlp(*, inplace: bool = False) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(inplace=inplace), nn.Linear(6, 3))


def convolutional(**options: object) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, **options), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(), nn.LazyLinear(3)
    )


class Pooled(nn.Module):
    """A convolution at the bottom and what comes between it and a linear layer."""

    def __init__(self, between: Callable[[Tensor], Tensor], dims: int = 2, **options: object) -> None:
        super().__init__()
        self.conv = (nn.Conv2d if dims == 2 else nn.Conv3d)(2, 4, 2, **options)
        self.between, self.last = between, nn.LazyLinear(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.between(self.conv(x)).flatten(1))


def overlapping(x: Tensor) -> Tensor:
    return functional.max_pool2d(functional.leaky_relu(torch.tanh(x)), 3, stride=2, padding=1, ceil_mode=True)


def seen_elsewhere(x: Tensor) -> Tensor:
    return functional.max_pool2d(torch.relu(x), 2).flatten(1).sum(1, keepdim=True) + x.flatten(1)


def normalised(dims: int, norm: nn.Module) -> nn.Sequential:
    conv = nn.Conv1d if dims == 1 else nn.Conv2d
    return nn.Sequential(conv(2, 4, 3), norm, nn.Tanh(), nn.Flatten(), nn.LazyLinear(3))


def half_frozen() -> nn.Sequential:
    model = mlp()
    model[0].weight.requires_grad_(False)
    model[2].bias.requires_grad_(False)
    return model


@dataclass(frozen=True)
class Case:
    """A model, the shape of one datum of its inputs (or its vocabulary and length), and how it is called."""

    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    words: int = 0
    training: bool = False

    def make(self, data: int = 5, seed: int = 0) -> tuple[nn.Module, Tensor]:
        torch.manual_seed(seed)
        if self.words:
            inputs = torch.randint(0, self.words, (data, *self.shape))
        else:
            inputs = torch.randn(data, *self.shape, dtype=torch.float64)
        model = self.build().double()
        model.eval()
        with torch.no_grad():
            model(inputs)  # lazy layers take their shapes
        for module in model.modules():
            if (
                isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d | nn.InstanceNorm2d)
                and module.running_mean is not None
            ):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
        for parameter in model.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
        return model.train(self.training), inputs


MODELS = {
    "linear": Case(lambda: nn.Linear(4, 3), (4,)),
    "mlp": Case(mlp, (4,)),
    "in-place activation": Case(lambda: mlp(inplace=True), (4,)),
    "no bias": Case(lambda: nn.Sequential(nn.Linear(4, 6, bias=False), nn.Tanh(), nn.Linear(6, 3, bias=False)), (4,)),
    "half frozen": Case(half_frozen, (4,)),
    "sequence, pooled": Case(lambda: nn.Sequential(*mlp(inplace=True), Flat()), (5, 4)),
    "sequence of sequences": Case(
        lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3), Flat()), (2, 3, 4)
    ),
    "used twice": Case(lambda: nn.Sequential(Twice(nn.Linear(4, 4)), nn.Linear(4, 3)), (4,)),
    "residual": Case(lambda: nn.Sequential(Residual(nn.Linear(4, 4)), nn.LayerNorm(4), nn.Linear(4, 3)), (4,)),
    "conv1d": Case(
        lambda: nn.Sequential(nn.Conv1d(2, 4, 3, stride=2, padding=1), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)),
        (2, 7),
    ),
    "conv2d": Case(convolutional, (2, 8, 8)),
    "conv2d same, dilated, reflect": Case(
        lambda: convolutional(padding="same", dilation=2, padding_mode="reflect"), (2, 6, 6)
    ),
    "conv2d grouped, strided, circular": Case(
        lambda: convolutional(groups=2, stride=2, padding=1, padding_mode="circular"), (2, 8, 8)
    ),
    "conv2d replicate, no bias": Case(
        lambda: convolutional(padding=(1, 2), padding_mode="replicate", bias=False), (2, 5, 6)
    ),
    "conv2d wide": Case(
        lambda: nn.Sequential(nn.Conv2d(6, 8, 3), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)), (6, 4, 4)
    ),
    "pooled, then rectified": Case(lambda: Pooled(lambda x: torch.relu(functional.max_pool2d(x, 2))), (2, 7, 6)),
    "pooled, overlapping": Case(lambda: Pooled(overlapping, padding=1), (2, 6, 7)),
    "pooled adaptively, no bias": Case(
        lambda: Pooled(lambda x: functional.adaptive_max_pool2d(functional.gelu(x), 3), bias=False), (2, 7, 6)
    ),
    "pooled in space": Case(lambda: Pooled(lambda x: functional.max_pool3d(x.sigmoid(), 2), 3), (2, 4, 5, 5)),
    "pooled, seen elsewhere": Case(lambda: Pooled(seen_elsewhere), (2, 5, 5)),
    "pooled twice": Case(
        lambda: Pooled(lambda x: functional.max_pool2d(x, 2) + functional.max_pool2d(torch.relu(x), 2)), (2, 5, 5)
    ),
    "pooled on average": Case(lambda: Pooled(lambda x: functional.avg_pool2d(torch.relu(x), 2)), (2, 5, 5)),
    "conv3d": Case(lambda: nn.Sequential(nn.Conv3d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)), (1, 3, 4, 3)),
    "conv used twice": Case(
        lambda: nn.Sequential(Twice(nn.Conv2d(2, 2, 3, padding="same")), nn.Flatten(), nn.LazyLinear(3)), (2, 4, 4)
    ),
    "embedding": Case(
        lambda: nn.Sequential(nn.Embedding(9, 4, padding_idx=2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)),
        (6,),
        words=9,
    ),
    "embedding, few words": Case(lambda: nn.Sequential(nn.Embedding(2, 3), Flat()), (7,), words=2),
    "layer norm": Case(lambda: nn.Sequential(nn.LayerNorm((2, 4)), nn.Flatten(), nn.LazyLinear(3)), (2, 4)),
    "rms norm": Case(lambda: nn.Sequential(nn.RMSNorm(4), nn.Tanh(), nn.Linear(4, 3), Flat()), (2, 4)),
    "group norm": Case(lambda: normalised(2, nn.GroupNorm(2, 4)), (2, 5, 5)),
    "batch norm, eval": Case(lambda: normalised(2, nn.BatchNorm2d(4)), (2, 5, 5)),
    "batch norm of vectors, eval": Case(lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3)), (4,)),
    "instance norm, training": Case(lambda: normalised(1, nn.InstanceNorm1d(4, affine=True)), (2, 6), training=True),
    "instance norm, tracking, eval": Case(
        lambda: normalised(2, nn.InstanceNorm2d(4, affine=True, track_running_stats=True)), (2, 5, 5)
    ),
    "low-rank adaptation": Case(
        lambda: nn.Sequential(LowRankAdaptation(4, 5, 2, 0.7), nn.Tanh(), LowRankAdaptation(5, 3, 2, 1.5)), (4,)
    ),
    "bare parameters": Case(lambda: nn.Sequential(Scale(4), nn.Linear(4, 3), Scale(3)), (4,)),
    "prelu": Case(lambda: nn.Sequential(nn.Linear(4, 3), nn.PReLU(3)), (4,)),
    "transposed convolution": Case(
        lambda: nn.Sequential(nn.ConvTranspose1d(2, 3, 2), nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)), (2, 4)
    ),
    "attention": Case(
        lambda: nn.Sequential(
            nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, batch_first=True), nn.Linear(4, 3), Flat()
        ),
        (3, 4),
        training=True,
    ),
    "sequence outputs": Case(mlp, (3, 4)),
    "tied language model": Case(lambda: TiedLanguageModel(6, 4, 3), (3,), words=6),
}


def class_indices(outputs: Tensor) -> Tensor:
    return torch.randint(0, outputs.shape[-1], outputs.shape[:-1])


def ignoring_some(outputs: Tensor) -> Tensor:
    labels = class_indices(outputs)
    labels.view(-1)[::2] = -100
    return labels


def cosh(z: Tensor, y: Tensor) -> Tensor:
    """Convex, and coupled between outputs."""
    return torch.cosh(z.sum() - y.sum()) + (z - y).square().sum() / 3


LOSSES: dict[str, tuple[Loss, Callable[[Tensor], Tensor]]] = {
    "cross-entropy": (CrossEntropy(), class_indices),
    "soft labels": (CrossEntropy(), lambda outputs: torch.rand_like(outputs).softmax(-1)),
    "ignored targets": (CrossEntropy(), ignoring_some),
    "mse": (MeanSquaredError(), torch.randn_like),
    "bce with logits": (BCEWithLogits(), lambda outputs: torch.rand_like(outputs).round()),
    "poisson": (PoissonNLL(), lambda outputs: torch.poisson(torch.rand_like(outputs) * 3)),
    "custom": (CustomLoss(cosh), torch.randn_like),
}
