"""The graph of one pass as autograd holds it: its leaves, its shape, and where parameters enter it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from thermoapps.natural_gradient.layers import UnsupportedLayerError, Use
from thermoapps.natural_gradient.layers.frozen import NODE

__all__ = ["Graph", "consumers", "entrances", "unclaimed_parameters"]

REENTRANT = "CheckpointFunctionBackward"

ONCE = "ScaledDotProduct", "CudnnRnn", "MkldnnRnn"
"""How the names of fused operations begin whose derivatives have none."""


class Graph:
    """All nodes above the outputs of a model, numbered as one walk meets them.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.

    Raises
    ------
    UnsupportedLayerError
        A reentrant checkpoint cuts the graph.
    """

    def __init__(self, outputs: Tensor) -> None:
        start: Any = outputs.grad_fn
        self._numbers: dict[Any, int] = {start: 0}
        self.leaves: list[Tensor] = []
        self.frozen = self.once = False
        described: list[object] = []
        pending: list[Any] = [start]
        while pending:
            node = pending.pop()
            name = node.name()
            self.frozen |= name == NODE
            self.once |= name.startswith(ONCE)
            described.append(name)
            if name in ORDERS:
                described.append(ORDERS[name](node))
            if name == REENTRANT:
                raise UnsupportedLayerError(
                    "a reentrant checkpoint hides the layers within it; call checkpoint(…, use_reentrant=False)"
                )
            if hasattr(node, "variable"):
                self.leaves.append(node.variable)
                described.append(id(node.variable))
            for following, place in node.next_functions:
                if following is None:
                    continue
                if following not in self._numbers:
                    self._numbers[following] = len(self._numbers)
                    pending.append(following)
                described += self._numbers[following], place
        self._described = described

    def signature(self, uses: Sequence[Use]) -> int:
        """A number that changes with the graph, with the place of the uses in it, and with the order of the data.

        Of tensors it knows only indices along the first axis, which may reorder the data from one batch to the next.

        Parameters
        ----------
        uses : sequence of Use
            The recorded uses.

        Returns
        -------
        int
        """
        places = [(use.name, *((self._numbers.get(edge.node), edge.output_nr) for edge in use.edges)) for use in uses]
        return hash((tuple(self._described), tuple(places)))


def _content(index: Tensor | None) -> object:
    return None if index is None else index.detach().cpu().numpy().tobytes()


ORDERS: dict[str, Callable[[Any], object]] = {
    "IndexBackward0": lambda node: _content(node._saved_indices[0]),
    "IndexPutBackward0": lambda node: _content(node._saved_indices[0]),
    "IndexSelectBackward0": lambda node: (node._saved_dim, _content(node._saved_index)),
    "GatherBackward0": lambda node: _content(node._saved_index) if node._saved_dim == 0 else None,
    "ScatterBackward0": lambda node: _content(node._saved_index) if node._saved_dim == 0 else None,
    "SortBackward0": lambda node: _content(node._saved_indices) if node._saved_dim == 0 else None,
    "RollBackward0": lambda node: (node._saved_shifts, node._saved_dims),
}
"""What could reorder the data, by the name of the node that does."""


def consumers(start: Any) -> dict[Any, list[Any]]:
    """Which nodes of a graph take what a node gives.

    Parameters
    ----------
    start : Node
        Where the graph ends.

    Returns
    -------
    dict of Node to list of Node
    """
    found: dict[Any, list[Any]] = {start: []}
    pending = [start]
    while pending:
        node = pending.pop()
        for following, _ in node.next_functions:
            if following is not None:
                if following not in found:
                    pending.append(following)
                found.setdefault(following, []).append(node)
    return found


def entrances(following: Mapping[Any, Sequence[Any]], wanted: Collection[int]) -> dict[int, list[Any]]:
    """Which nodes of a graph take each of some leaves.

    Parameters
    ----------
    following : mapping of Node to sequence of Node
        As from `consumers`.
    wanted : collection of int
        Ids of leaves.

    Returns
    -------
    dict of int to list of Node
        By the id of those that the graph has.
    """
    leaves = {id(node.variable): list(after) for node, after in following.items() if hasattr(node, "variable")}
    return {which: leaves[which] for which in wanted if which in leaves}


def unclaimed_parameters(
    outputs: Tensor, uses: Sequence[Use], owned: Mapping[nn.Module, Mapping[str, Tensor]], wanted: Iterable[int]
) -> set[int]:
    """Parameters that enter the graph anywhere else than within a recorded use of their own layer.

    Parameters
    ----------
    outputs : Tensor
        What the model returned.
    uses : sequence of Use
        The recorded uses.
    owned : mapping
        Each layer's own trained parameters.
    wanted : iterable of int
        Ids of all trained parameters.

    Returns
    -------
    set of int
        Ids of those parameters.
    """
    claimed: set[tuple[Any, int]] = set()
    for use in uses:
        own = {id(parameter) for parameter in owned[use.module].values()}
        stops = {tensor.grad_fn for tensor in use.inputs if tensor.grad_fn is not None}
        entries = _entries([edge.node for edge in use.edges], stops)
        claimed |= {(node, which) for node, which in entries if which in own}
    unclaimed = {which for _, which in _entries([outputs.grad_fn], set()) - claimed}
    return unclaimed & set(wanted)


def _entries(starts: Iterable[Any], stops: set[Any]) -> set[tuple[Any, int]]:
    """Where leaves enter the graph above some nodes, as (node, id of the leaf), not looking beyond the stops."""
    entries: set[tuple[Any, int]] = set()
    seen: set[Any] = set(stops)
    pending = [node for node in starts if node not in seen]
    seen.update(pending)
    while pending:
        node = pending.pop()
        for following, _ in node.next_functions:
            if following is None:
                continue
            if hasattr(following, "variable"):
                entries.add((node, id(following.variable)))
            elif following not in seen:
                seen.add(following)
                pending.append(following)
    return entries
