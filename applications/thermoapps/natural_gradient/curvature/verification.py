"""Whether what was recorded is the whole truth: rows against backward passes through the graph itself."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from thermoapps.natural_gradient.curvature.backward import vector_jacobian_products
from thermoapps.natural_gradient.curvature.factor import CurvatureFactor
from thermoapps.natural_gradient.curvature.precision import working_dtype
from thermoapps.natural_gradient.curvature.rows import CurvatureRows
from thermoapps.natural_gradient.layers import UnsupportedLayerError, Use
from thermoapps.natural_gradient.losses import HessianRoot, Loss

__all__ = ["check_adjoint", "check_coordinates", "disagreeing", "inseparable", "told"]

NAMED = 6
"""Parameters that a message names."""

SPLITS, APART = 4, 8.0
"""How often a sum is split in two to learn how far off rounding leads, and how many times as far rows may be off."""


def inseparable(
    outputs: Tensor, uses: Sequence[Use], generator: torch.Generator
) -> tuple[dict[str, str], frozenset[int]]:
    """Layers whose outputs do not keep the data apart, so that columns of all data cannot travel together.

    A cotangent and the same one with another weight for each datum must come back as the same slopes, weighted alike.

    Parameters
    ----------
    outputs : Tensor, shape (b, …)
        What the model returned.
    uses : sequence of Use
        The recorded uses.
    generator : torch.Generator
        Draws the cotangent and the weights.

    Returns
    -------
    wrong : dict of str to str
        What is wrong, by the layer's name.
    turned : frozenset of int
        Places of uses that hold the data along their second axis, and may: layers that treat all but the last alike.
    """
    b = outputs.shape[0]
    weights = _weights(b, generator).to(outputs)
    cotangent = torch.randn(outputs.shape, generator=generator).to(outputs)
    pattern = torch.stack([cotangent, cotangent * weights.view(b, *[1] * (outputs.dim() - 1))])
    found = iter(vector_jacobian_products(outputs, [edge for use in uses for edge in use.edges], pattern))
    wrong, turned = {}, set()
    for place, use in enumerate(uses):
        for slopes in [next(found) for _ in use.edges]:
            if slopes is None or _kept_apart(use.arranged(slopes), weights):
                continue
            if use.can_be_turned(b) and _kept_apart(slopes.transpose(1, 2), weights):
                turned.add(place)
            elif slopes.dim() < 2 or slopes.shape[1] % b:
                wrong[use.name] = (
                    f"the output of layer {use.name!r} has shape {tuple(slopes.shape[1:])}, without the {b} data along "
                    "its first axis"
                )
            else:
                wrong[use.name] = (
                    f"data mix after layer {use.name!r}: outputs of one datum depend on what the layer returned for "
                    "another (data must lie along the first axis of its outputs)"
                )
    return wrong, frozenset(turned)


def _kept_apart(slopes: Tensor, weights: Tensor) -> bool:
    """Whether slopes (2, b, …) of the two cotangents differ by the weights of the data alone."""
    b = len(weights)
    if slopes.dim() < 2 or slopes.shape[1] % b:
        return False
    plain, weighted = slopes.reshape(2, b, -1)
    apart = plain * weights.to(plain)[:, None] - weighted
    size = torch.linalg.vector_norm(torch.nan_to_num(weighted, 0, 0, 0), torch.inf)
    numbers = torch.finfo(apart.dtype)
    # Slopes that underflow, as those of half precision do in deep networks, say nothing.
    tolerance = 2 * numbers.eps**0.5 * size.clamp(min=numbers.tiny / numbers.eps)
    return not bool((apart.abs() > tolerance).any())


def disagreeing(
    outputs: Tensor,
    rows: CurvatureRows,
    root: HessianRoot,
    known: Collection[int],
    precision: float,
    generator: torch.Generator,
) -> Mapping[int, float] | None:
    """Parameters in which Rᵀ w is not what one backward pass gives, for random coordinates w of the root S.

    √n Rᵀ w = Jᵀ S w holds if rows tell the whole truth: a use that was missed, data that mix or a wrong rule break it
    with certainty, since every datum and column has a weight of its own.

    Parameters
    ----------
    outputs : Tensor, shape (b, …)
        What the model returned.
    rows : CurvatureRows
        Rows of this one pass.
    root : HessianRoot
        S.
    known : collection of int
        Ids of parameters that have no rows, and are passed over.
    precision : float
        Largest relative spacing of the numbers that the pass was computed with.
    generator : torch.Generator
        Draws w.

    Returns
    -------
    mapping of int to float, or None
        Relative difference by the parameter's id; None if nothing can be said as numbers are not finite.
    """
    # A hook on a parameter changes what autograd gives for it, as it is meant to.
    checked = [p for p in rows.parameters if id(p) not in known and not p._backward_hooks]
    if not checked:
        return {}
    b = outputs.shape[0]
    coordinates = torch.randn(b, root.columns, generator=generator).to(rows.like)
    cotangent = root.times(coordinates).to(outputs.dtype)
    # On the way that the rows' own columns took.
    slopes = vector_jacobian_products(outputs, checked, cotangent[None])
    sums = rows.by_parameter(rows.rmatvec(coordinates.T.flatten()) * rows.count**0.5)
    differences: dict[int, float] = {}
    distances: dict[int, float] = {}
    expected = {id(p): _dense(slope, p).view_as(p).to(rows.dtype) for p, slope in zip(checked, slopes, strict=True)}
    norms = {which: float(torch.linalg.vector_norm(slope)) for which, slope in expected.items()}
    total = sum(norm**2 for norm in norms.values()) ** 0.5
    if not math.isfinite(total):
        return None
    for p in checked:
        found = sums[id(p)]
        apart = float(torch.linalg.vector_norm(found - expected[id(p)]))
        size = max(norms[id(p)], float(torch.linalg.vector_norm(found)))
        if math.isnan(apart):
            return None
        # Sums that cancel are rounding of terms as large as those of other parameters.
        if apart > 2 * precision**0.5 * size + precision**0.75 * total:
            differences[id(p)] = apart / size
            distances[id(p)] = apart
    if differences:
        terms, rounding = _of_terms(outputs, [p for p in checked if id(p) in differences], cotangent, generator)
        allowed = {which: precision**0.75 * terms + APART * off for which, off in rounding.items()}
        return {which: apart for which, apart in differences.items() if distances[which] > allowed[which]}
    return differences


def _of_terms(
    outputs: Tensor, parameters: Sequence[Tensor], cotangent: Tensor, generator: torch.Generator
) -> tuple[float, dict[int, float]]:
    """How large the terms of Jᵀc are, which may cancel, and how far off each parameter's sum is by rounding alone.

    The sum over a random part of c does not cancel as that over all of it does; those over a part and the rest make up
    the whole, but for rounding.
    """
    masks = torch.randint(0, 2, (SPLITS, *cotangent.shape), generator=generator).to(cotangent)
    parts = torch.cat([cotangent[None], cotangent * masks, cotangent * (1 - masks)])
    terms, rounding = 0.0, {}
    for p, found in zip(parameters, vector_jacobian_products(outputs, parameters, parts), strict=True):
        slopes = parts.new_zeros(len(parts), 1) if found is None else found.to_dense().reshape(len(parts), -1)
        whole, some, rest = torch.split(slopes.to(working_dtype([slopes])), [1, SPLITS, SPLITS])
        terms += float(torch.linalg.vector_norm(some, dim=1).max()) ** 2
        rounding[id(p)] = float(torch.linalg.vector_norm(some + rest - whole, dim=1).max())
    return terms**0.5, rounding


def check_coordinates(loss: Loss, outputs: Tensor, targets: Tensor, root: HessianRoot) -> None:
    """Refuse a loss whose root coordinates are not those of the gradient that autograd finds.

    Parameters
    ----------
    loss : Loss
    outputs : Tensor, shape (b, …)
        Detached.
    targets : Tensor
    root : HessianRoot
        S.

    Raises
    ------
    ValueError
        S times the coordinates is another vector.
    """
    coordinates = loss.root_coordinates(outputs, targets, root)
    if coordinates is None or not bool(coordinates.isfinite().all()):
        return
    slope, terms = _slope(loss, outputs, targets), _slope(loss, torch.zeros_like(outputs), targets)
    apart = torch.linalg.vector_norm(root.times(coordinates) / loss.count(outputs, targets) - slope)
    # Where a model fits, its slope is what terms leave that cancel, and these are about as large as where it does not.
    eps, cancelled = torch.finfo(outputs.dtype).eps, torch.linalg.vector_norm(terms.nan_to_num(0, 0, 0))
    if bool(apart > 2 * eps**0.5 * torch.linalg.vector_norm(slope) + 16 * eps * cancelled):
        raise ValueError(
            f"{type(loss).__name__} contradicts itself: its root times root_coordinates is not its gradient"
        )


def _slope(loss: Loss, outputs: Tensor, targets: Tensor) -> Tensor:
    """The gradient of the loss that autograd finds."""
    z = outputs.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss.value(z, targets), z)
    return slope


def check_adjoint(rows: CurvatureFactor, precision: float, generator: torch.Generator) -> None:
    """Refuse products R v that are not those of Rᵀ w, as where a backward pass gives what autograd lost track of.

    Parameters
    ----------
    rows : CurvatureFactor
        Known by products through a graph.
    precision : float
        Largest relative spacing of the numbers that the pass was computed with.
    generator : torch.Generator
        Draws v and w.

    Raises
    ------
    UnsupportedLayerError
        (R v)·w differs from v·(Rᵀw).
    """
    v, w = (torch.randn(size, generator=generator).to(rows.like) for size in (rows.shape[1], rows.shape[0]))
    forward, backward = rows.matvec(v), rows.rmatvec(w)
    one, other = float(forward @ w), float(v @ backward)
    size = max(float(torch.linalg.vector_norm(forward)), abs(other))
    if abs(one - other) > 2 * precision**0.5 * size:
        raise UnsupportedLayerError(
            f"products with the curvature contradict each other by {abs(one - other) / size:.2g}: an operation of the "
            "model has a backward pass that is no function of autograd's, such as one marked once_differentiable; "
            "write it with torch's own, or take curvature='monte_carlo'"
        )


def told(differences: Mapping[int, float], names: Mapping[int, str]) -> dict[int, str]:
    """One reason for all parameters that disagree.

    Parameters
    ----------
    differences : mapping of int to float
        As from `disagreeing`.
    names : mapping of int to str
        Qualified names by id.

    Returns
    -------
    dict of int to str
    """
    listed = [f"{names[which]!r} (off by {apart:.2g})" for which, apart in differences.items()]
    if len(listed) > NAMED:
        listed[NAMED:] = [f"{len(listed) - NAMED} more"]
    reason = (
        f"the recorded rows of {', '.join(listed)} do not give the gradient: the outputs depend on them in a way that "
        "no recorded call of a layer shows, such as derivatives of the network among its outputs or data that mix"
    )
    return dict.fromkeys(differences, reason)


def _weights(count: int, generator: torch.Generator) -> Tensor:
    """Random signs and powers of two, with which a product of any precision makes no rounding error."""
    signed = torch.tensor([-8.0, -4.0, -2.0, -1.0, 1.0, 2.0, 4.0, 8.0])
    return signed[torch.randint(0, len(signed), (count,), generator=generator)]


def _dense(slope: Tensor | None, parameter: Tensor) -> Tensor:
    if slope is None:
        return torch.zeros_like(parameter)
    return slope.to_dense() if slope.is_sparse else slope
