"""The pass of a model once more, with the same random numbers, where its own graph cannot be differentiated twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from thermoapps.natural_gradient.layers.generic import agree, untouched
from thermoapps.natural_gradient.layers.use import UnsupportedLayerError, tensors_in

__all__ = ["REFUSED", "Pass", "RandomNumbers"]


class RandomNumbers:
    """Where the random generators stand: that of the CPU, and that of a device.

    Parameters
    ----------
    device : torch.device

    Examples
    --------
    >>> import torch
    >>> now = RandomNumbers(torch.device("cpu"))
    >>> first = torch.rand(2)
    >>> with now.again():
    ...     second = torch.rand(2)
    >>> torch.equal(first, second)
    True
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._cpu = torch.get_rng_state()
        self._accelerator = None if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)

    @contextmanager
    def again(self) -> Iterator[None]:
        """Within it the generators begin where they stood; afterwards they are as they were found."""
        devices: dict[str, Any] = {"devices": []}
        if self._accelerator is not None:
            devices = {"devices": [self.device], "device_type": self.device.type}
        with torch.random.fork_rng(**devices):
            torch.set_rng_state(self._cpu)
            if self._accelerator is not None:
                torch.get_device_module(self.device).set_rng_state(self._accelerator, self.device)
            yield


class Pass:
    """What a model was called with, and where the random numbers stood.

    Parameters
    ----------
    args, kwargs : tuple and mapping
        Its arguments.
    device : torch.device
        Where the model lives.
    """

    def __init__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], device: torch.device) -> None:
        self.args, self.kwargs = args, dict(kwargs)
        self._versions = [tensor._version for tensor in self._tensors]
        self._random = RandomNumbers(device)

    @property
    def _tensors(self) -> list[Tensor]:
        return tensors_in((self.args, self.kwargs))

    def outputs_again(self, model: nn.Module, outputs: Tensor) -> Tensor:
        """The same outputs by operations that can be differentiated twice, leaving the model as it is.

        Parameters
        ----------
        model : nn.Module
            The model, on whose parameters the result depends as the outputs do.
        outputs : Tensor
            What the model returned, or one tensor of it, in any shape.

        Returns
        -------
        Tensor

        Raises
        ------
        UnsupportedLayerError
            The model gives other outputs.
        """
        if [tensor._version for tensor in self._tensors] == self._versions:
            buffers = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
            for hooked in (False, True):
                with untouched(model, hooked), self._random.again(), torch.enable_grad(), twice_differentiable():
                    result = torch.func.functional_call(model, buffers, self.args, self.kwargs)
                for tensor in tensors_in(result):
                    if tensor.numel() == outputs.numel() and agree(tensor.detach().view_as(outputs), outputs.detach()):
                        return tensor.view_as(outputs).to(outputs.dtype)
        raise UnsupportedLayerError(REFUSED)


REFUSED = (
    "products with the curvature differentiate the model twice, but its attention has no second derivative, and there "
    "is no second call of the model that gives the same outputs: call the model within "
    "torch.nn.attention.sdpa_kernel(SDPBackend.MATH), or take curvature='monte_carlo'"
)


@contextmanager
def twice_differentiable() -> Iterator[None]:
    """Within it attention and recurrent layers are computed by operations whose derivatives have derivatives."""
    accelerated = torch.backends.cudnn.enabled, torch._C._get_mkldnn_enabled()
    try:
        torch._C._set_cudnn_enabled(False)
        torch._C._set_mkldnn_enabled(False)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch._C._set_cudnn_enabled(accelerated[0])
        torch._C._set_mkldnn_enabled(accelerated[1])
