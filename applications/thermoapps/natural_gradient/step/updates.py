"""Update rules: torch optimisers that apply a direction as if it were a gradient."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

__all__ = ["SignDescent", "built_update", "check_options"]

BESIDE = {"params", "param_names", "name", "initial_lr", "max_lr", "min_lr", "swa_lr", "base_momentum", "max_momentum"}
"""What stands in groups beside the settings of an optimiser: labels, and what schedulers note."""

OWN = {"damping"}
"""Settings of groups that the step itself reads."""


class SignDescent(Optimizer):
    """θ ← θ − lr · sign(g).

    Adam with betas (0, 0) takes the step lr · g/(|g| + ε), which is this one wherever |g| is above ε. On its own it is
    the sign of the gradient; as ``NaturalGradient(model, solver=Woodbury(), update=SignDescent)`` the sign of the
    exact natural gradient: the two ends t = 0 and t = ∞ of a device whose direction goes through such an Adam.

    Parameters
    ----------
    params : iterable
        Parameters or groups of them.
    lr : float
        Length of the step along every coordinate.

    Raises
    ------
    ValueError
        The step is negative.

    See Also
    --------
    Averaged, Spring, Asynchronous, LineSearch : What a step may be made of besides.

    Examples
    --------
    >>> import torch
    >>> theta = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
    >>> theta.grad = torch.tensor([0.3, -50.0])
    >>> SignDescent([theta], lr=0.5).step()
    >>> theta.detach()
    tensor([ 0.5000, -1.5000])
    """

    def __init__(self, params: ParamsT, lr: float = 1e-3) -> None:
        if not lr >= 0:
            raise ValueError(f"lr must not be negative, got {lr!r}")
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step; a closure is called first, with gradients, and its result returned."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad.sign(), alpha=-group["lr"])
        return result


def built_update(
    update: Callable[..., Optimizer],
    groups: list[dict[str, Any]],
    lr: float,
    momentum: float | None,
    weight_decay: float | None,
) -> Optimizer:
    """The torch optimiser that applies directions to groups of parameters, sharing these groups.

    Parameters
    ----------
    update : callable
        ``update(groups, lr=…)``.
    groups : list of dict
        As of ``Optimizer.param_groups``.
    lr : float
    momentum, weight_decay : float, optional
        Passed on where given.

    Returns
    -------
    Optimizer

    Raises
    ------
    TypeError
        It does not take these settings, or is no optimiser.
    ValueError
        A group has a setting of its own that the optimiser does not know.

    Warns
    -----
    UserWarning
        It is an Adam without memory.
    """
    given = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
    options = {name: value for name, value in given.items() if value is not None}
    try:
        built = update(groups, **options)
    except TypeError as error:
        name = getattr(update, "__name__", repr(update))
        raise TypeError(
            f"update={name} cannot be built with {', '.join(options)}: {error}; other settings go into "
            f"functools.partial({name}, …)"
        ) from error
    if not isinstance(built, Optimizer):
        raise TypeError(f"update must give a torch.optim.Optimizer, got {type(built).__name__}")
    for group in groups:
        check_options(group, built)
    if any(tuple(group.get("betas", ())) == (0, 0) for group in built.param_groups):
        warnings.warn(
            "with betas=(0, 0) Adam is sign descent: each entry of the direction is divided by its own size, and only "
            "signs are left; compare with update=SignDescent",
            UserWarning,
            stacklevel=4,
        )
    return built


def check_options(group: Mapping[str, Any], update: Optimizer) -> None:
    """Refuse a setting in a group of parameters that nothing would read.

    Parameters
    ----------
    group : mapping
        As of ``Optimizer.param_groups``.
    update : Optimizer
        Applies directions, and reads its own settings.

    Raises
    ------
    ValueError
        A setting that `update` does not know.
    """
    unknown = sorted(group.keys() - update.defaults.keys() - BESIDE - OWN)
    if unknown:
        raise ValueError(
            f"a group of parameters has {', '.join(map(repr, unknown))}, but its own settings can only be those of "
            f"{type(update).__name__}: {', '.join(sorted(update.defaults))}, and damping; what else there is holds for "
            "all groups"
        )
