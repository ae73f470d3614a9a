"""What torch's autograd is told of an answer that a device has found: its adjoint, and nothing of how it was found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from thermolinalg._arrays import Array, is_torch

__all__ = [
    "Adjoint",
    "attached",
    "detached",
    "refuse_gradients",
    "refuse_transforms",
    "wants_gradients",
    "with_gradient_of",
]

Adjoint = Callable[..., tuple[Array | None, ...]]
"""``adjoint(needs, g, value, *inputs)``: gradients of the inputs from that of the value, g, for those of `needs`.

With L a real number, g holds ∂L/∂Re + i ∂L/∂Im, so that dL = Re Σ conj(g) dx. Written with functions that can be
differentiated themselves, an adjoint serves every order.
"""


def wants_gradients(*arrays: Any) -> bool:
    """Whether any of the arrays is a tensor whose gradient will be asked for; torch is not imported for asking."""
    torch = sys.modules.get("torch")
    if torch is None or not any(is_torch(x) and x.requires_grad for x in arrays):
        return False
    return bool(torch.is_grad_enabled())


def refuse_gradients(x: Any, name: str, instead: str = "") -> None:
    """TypeError where the gradient of x will be asked for and there is none.

    Parameters
    ----------
    x : tensor or anything else
    name : str
        What the user calls it.
    instead : str, optional
        What gives gradients.
    """
    if wants_gradients(x):
        advice = f", or {instead}" if instead else ""
        raise TypeError(f"{name} requires gradients, which do not come out of here; pass {name}.detach(){advice}")


def refuse_transforms(x: Any) -> None:
    """TypeError for a tensor inside transforms of `torch.func` or forward-mode differentiation."""
    import torch

    forward: Any = torch.autograd.forward_ad
    transformed = torch._C._functorch.is_functorch_wrapped_tensor(x)
    if transformed or (forward._current_level >= 0 and forward.unpack_dual(x).tangent is not None):
        raise TypeError(
            "a device finds no numbers to load inside torch.func.grad, vmap and the like, or forward-mode "
            "differentiation; use torch.autograd.grad or .backward(), and leading dimensions in place of vmap"
        )


def detached(x: Any) -> Any:
    """The numbers of a tensor without its history; anything else as it is."""
    if not is_torch(x):
        return x
    refuse_transforms(x)
    return x.detach()


def with_gradient_of(value: Array, expression: Array) -> Array:
    """The numbers of `value` with the history of `expression`, which stands for the same."""
    return value + (expression - expression.detach()) if wants_gradients(expression) else value


def attached(value: Array, adjoint: Adjoint, *inputs: Array | None) -> Array:
    """A value with its adjoint, where the gradient of an input will be asked for; else the value itself.

    Parameters
    ----------
    value : array
    adjoint : Adjoint
    *inputs : tensor or None
        What the value is a function of.
    """
    return _attach().apply(adjoint, (value,), *inputs) if wants_gradients(*inputs) else value


@lru_cache(maxsize=1)
def _attach() -> Any:
    """The autograd function of all primitives; made when first needed, since torch may be missing."""
    import torch

    class Attached(torch.autograd.Function):
        """A value found elsewhere, whose adjoint is known."""

        @staticmethod
        def forward(ctx: Any, adjoint: Adjoint, found: tuple[Array], *inputs: Array | None) -> Array:
            value = found[0].clone()
            ctx.adjoint = adjoint
            ctx.save_for_backward(value, *inputs)
            return value

        @staticmethod
        def backward(ctx: Any, *gradients: Array) -> tuple[Array | None, ...]:
            value, *inputs = ctx.saved_tensors
            needs = ctx.needs_input_grad[2:]
            found = ctx.adjoint(needs, gradients[0], value, *inputs)
            fitted = (_fit(g, x) if need else None for g, x, need in zip(found, inputs, needs, strict=True))
            return (None, None, *fitted)

    return Attached


def _fit(gradient: Array, x: Array) -> Array:
    """A gradient in the dtype of what it belongs to: the imaginary part of a real number never changes."""
    if gradient.is_complex() and not x.is_complex():
        gradient = gradient.real
    return gradient.resolve_conj().resolve_neg().to(x.dtype)
