"""From the record of a pass to its rows, which are compared with autograd where the pass is of a new kind."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from thermoapps.natural_gradient.curvature.assembly import Owned, layer_rows, owned_parameters, unclaimed_reasons
from thermoapps.natural_gradient.curvature.backward import row_by_row
from thermoapps.natural_gradient.curvature.graph import Graph
from thermoapps.natural_gradient.curvature.pooling import behind_pooling
from thermoapps.natural_gradient.curvature.precision import spacing, working_dtype
from thermoapps.natural_gradient.curvature.rows import Batch, CurvatureRows
from thermoapps.natural_gradient.curvature.verification import check_coordinates, disagreeing, inseparable, told
from thermoapps.natural_gradient.layers import UnsupportedLayerError, Use
from thermoapps.natural_gradient.losses import HessianRoot, Loss

__all__ = ["Reader"]

AGAIN = 1 / 64
"""Share of passes of a known kind that are compared with autograd again: each costs a backward pass."""

REMEMBERED = 1024
"""Kinds of passes that are remembered."""


UNREPLAYED = nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention, nn.Embedding
"""Layers that may not be separable or repeatable datum by datum, as they hold data along another axis, draw random
numbers or serve all data with one output. Single backward passes through the graph are right for them all the same."""


class Reader:
    """Forms rows, and remembers of each kind of pass which parameters no layer's rows cover.

    Parameters
    ----------
    model : nn.Module
        The model.
    unsupported : {"raise", "row_by_row", "gradient"}
        As for `Recorder`.
    """

    def __init__(self, model: nn.Module, unsupported: str) -> None:
        self.model, self.unsupported = model, unsupported
        self.names = {id(parameter): name for name, parameter in model.named_parameters()}
        self._random = random.Random(0)
        self._examined: dict[int, dict[int, str]] = {}

    def rows(
        self,
        outputs: Tensor,
        graph: Graph,
        uses: Sequence[Use],
        parameters: Sequence[Tensor],
        targets: Tensor,
        loss: Loss,
        data: int | None = None,
    ) -> CurvatureRows:
        """Rows of a recorded pass.

        Parameters
        ----------
        outputs : Tensor, shape (b, …)
            What the model returned.
        graph : Graph
            Above the outputs.
        uses : sequence of Use
            The recorded uses.
        parameters : sequence of Tensor
            The trained parameters.
        targets : Tensor
            As the loss wants them.
        loss : Loss
            With respect to whose Hessian.
        data : int, optional
            How many data the model was called with, each of which may have given several outputs in a row.

        Returns
        -------
        CurvatureRows

        Raises
        ------
        UnsupportedLayerError
            Rows of some parameters cannot be formed, or were compared with autograd and are wrong.
        ValueError
            See `check_coordinates`.
        """
        # What is not finite has no curvature; a step from there is taken back.
        final = outputs.detach().to(working_dtype(parameters)).nan_to_num()
        root, count = loss.hessian_root(final, targets), loss.count(final, targets)
        flat = root
        data = data or (uses[0].outputs[0].shape[:1] or [1])[0]  # the model's layers may be called without the model
        if _flattened(outputs, uses, data):
            outputs, root = outputs.reshape(data, -1, *outputs.shape[1:]), root.regrouped(data)
        owned = owned_parameters(self.model, uses, parameters)
        generator = torch.Generator().manual_seed(self._random.getrandbits(63))
        kind = graph.signature(uses)
        examined = kind in self._examined
        if examined:
            refused = dict(self._examined[kind])
        else:
            refused = self._refused(outputs, uses, parameters, owned, generator)
        unasked = {id(p) for module, own in owned.items() if isinstance(module, UNREPLAYED) for p in own.values()}
        self._raise_if(refused, unasked)

        def formed() -> CurvatureRows:
            layers = layer_rows(outputs, behind_pooling(outputs, uses), root, owned, refused)
            self._raise_if(refused, unasked)
            if refused and self.unsupported != "gradient":
                left = {self.names[id(p)]: p for p in parameters if id(p) in refused}
                layers.append(row_by_row(outputs, left, root))
            return CurvatureRows(
                [Batch(layers, root.columns, outputs.shape[0])], parameters, count, frozen=graph.frozen
            )

        rows = formed()
        if not examined or self._random.random() < AGAIN:
            check_coordinates(loss, final, targets, flat)
            wrong = self._wrong(outputs, uses, rows, root, refused, generator)
            if wrong:
                refused |= wrong
                self._raise_if(refused, unasked - wrong.keys())
                rows = formed()
            if wrong is not None and len(outputs) > 1:  # One datum cannot show whether data mix.
                self._remember(kind, refused)
        return rows

    def _refused(
        self,
        outputs: Tensor,
        uses: Sequence[Use],
        parameters: Sequence[Tensor],
        owned: Owned,
        generator: torch.Generator,
    ) -> dict[int, str]:
        """Parameters that no layer's rows can cover, by their ids."""
        refused = unclaimed_reasons(outputs, uses, owned, {id(p): self.names[id(p)] for p in parameters})
        for name, reason in inseparable(outputs, uses, generator).items():
            mixed = (id(p) for use in uses if use.name == name for p in owned[use.module].values())
            refused |= dict.fromkeys(mixed, reason)
        return refused

    def _wrong(
        self,
        outputs: Tensor,
        uses: Sequence[Use],
        rows: CurvatureRows,
        root: HessianRoot,
        refused: Mapping[int, str],
        generator: torch.Generator,
    ) -> dict[int, str] | None:
        """Parameters whose rows autograd contradicts; None where numbers that are not finite say nothing."""
        if bool(outputs.isnan().any()):
            return None
        precision = spacing([*rows.parameters, outputs, *(output for use in uses for output in use.outputs)])
        without_rows = refused if self.unsupported == "gradient" else ()
        differences = disagreeing(outputs, rows, root, without_rows, precision, generator)
        return None if differences is None else told(differences, self.names)

    def _remember(self, kind: int, refused: dict[int, str]) -> None:
        if len(self._examined) >= REMEMBERED:
            self._examined.pop(next(iter(self._examined)))
        self._examined[kind] = refused

    def _raise_if(self, refused: Mapping[int, str], unasked: Collection[int]) -> None:
        reasons = dict.fromkeys(reason for which, reason in refused.items() if which not in unasked)
        if reasons and self.unsupported == "raise":
            raise UnsupportedLayerError(
                "; ".join(reasons)
                + ". Pass unsupported='row_by_row' for exact rows by one backward pass each, unsupported='gradient' "
                "for plain gradients, or leave these parameters out"
            )


def _flattened(outputs: Tensor, uses: Sequence[Use], data: int) -> bool:
    """Whether the outputs of each datum lie in a row, as those of ``logits.view(-1, classes)`` do."""
    length = outputs.shape[0]
    apart = any(output.shape[0] % length for use in uses for output in use.outputs if output.dim())
    return apart and length > data and length % data == 0
