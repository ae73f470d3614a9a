"""Which convolutions are seen through the pooling above them; that their rows are right, test_rows.py says."""

import pytest

torch = pytest.importorskip("torch")

from networks import MODELS  # noqa: E402
from torch import nn  # noqa: E402

from thermoapps.natural_gradient import Recorder  # noqa: E402
from thermoapps.natural_gradient.curvature.pooling import behind_pooling  # noqa: E402


def uses_of(model, inputs, **options):
    recorder = Recorder(model, **options)
    with recorder:
        outputs = model(inputs)
    return behind_pooling(outputs, recorder._uses)


@pytest.mark.parametrize(
    ("model_name", "replaced"),
    [
        ("conv2d", True),
        ("conv2d same, dilated, reflect", True),
        ("pooled, then rectified", True),
        ("pooled, overlapping", True),
        ("pooled adaptively, no bias", True),
        ("pooled in space", True),
        ("pooled, seen elsewhere", False),
        ("pooled twice", False),
        ("pooled on average", False),
        ("conv2d wide", False),
        ("conv2d grouped, strided, circular", False),
        ("mlp", False),
    ],
)
def test_convolutions_that_feed_a_pooling_and_nothing_else(model_name, replaced):
    model, inputs = MODELS[model_name].make()
    uses = uses_of(model, inputs)
    assert (uses[0].pooling is not None) == replaced
    assert all(use.pooling is None for use in uses[1:])


def test_convolutions_higher_up_pass_cotangents_on():
    model = nn.Sequential(*(nn.Conv2d(1, 1, 1), nn.ReLU(), nn.MaxPool2d(2)) * 2, nn.Flatten())
    model[3] = nn.Conv2d(1, 1, 1)
    first, second = uses_of(model, torch.randn(3, 1, 8, 8))
    assert first.outputs[0].shape == (3, 1, 4, 4)
    assert first.pooling is not None
    assert second.pooling is None


@pytest.mark.parametrize("change", [lambda x: x.requires_grad_(), lambda x: x])
def test_inputs_that_want_gradients_and_kept_factors_stay(change):
    model, inputs = MODELS["conv2d"].make()
    wants = change(inputs).requires_grad
    assert uses_of(model, inputs, keep_factors=not wants)[0].pooling is None


def test_changed_inputs_are_still_noticed():
    model, inputs = MODELS["conv2d"].make()
    recorder = Recorder(model)
    with recorder:
        outputs = model(inputs)
    with torch.no_grad():
        inputs += 1
    with pytest.raises(RuntimeError, match=r"modified in place|modified by an inplace"):
        recorder.rows(outputs, torch.zeros_like(outputs), "mse")
