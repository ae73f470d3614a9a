"""From the record of a pass to its rows, which are compared with autograd where the pass is of a new kind."""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from thermoapps.natural_gradient.curvature.assembly import Owned, layer_rows, owned_parameters, unclaimed_reasons
from thermoapps.natural_gradient.curvature.backward import row_by_row
from thermoapps.natural_gradient.curvature.counting import MemoryLimit, TooManyRowsError, count
from thermoapps.natural_gradient.curvature.factor import CurvatureFactor, Together
from thermoapps.natural_gradient.curvature.graph import Graph
from thermoapps.natural_gradient.curvature.pooling import behind_pooling
from thermoapps.natural_gradient.curvature.precision import spacing, working_dtype
from thermoapps.natural_gradient.curvature.products import ProductRows
from thermoapps.natural_gradient.curvature.projections import with_projections
from thermoapps.natural_gradient.curvature.repetition import REFUSED, Pass
from thermoapps.natural_gradient.curvature.rows import Batch, CurvatureRows
from thermoapps.natural_gradient.curvature.sharing import behind_addition, spread_parameters
from thermoapps.natural_gradient.curvature.verification import (
    check_adjoint,
    check_coordinates,
    disagreeing,
    inseparable,
    told,
)
from thermoapps.natural_gradient.layers import UnsupportedLayerError, Use
from thermoapps.natural_gradient.layers.projection import Projection
from thermoapps.natural_gradient.layers.spread import Spread
from thermoapps.natural_gradient.losses import HessianRoot, Loss
from thermoapps.natural_gradient.losses.roots import Root

__all__ = ["Reader"]

AGAIN = 1 / 64
"""Share of passes of a known kind that are compared with autograd again: each costs a backward pass."""

SMALL = 1 << 26
"""Bytes that are taken without asking what is free, unless there is a limit."""

WORTH, CHEAPER, EXPECTED = 2 * 10**9, 2, 30
"""Operations up to which rows are formed wherever they fit; how many times cheaper products must be to be preferred
beyond; and how many products are expected for the first direction."""

REMEMBERED = 1024
"""Kinds of passes that are remembered."""


UNREPLAYED = nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention, Projection, Spread, nn.Embedding
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
    limit : MemoryLimit
        Most memory for rows and Gram matrix.
    gram : bool, optional
        Whether a Gram matrix will be formed.
    products : int, optional
        How many products with the curvature matrix are taken at most in the place of rows, if they will do.
    together : Together, optional
        Processes that must do alike.

    Attributes
    ----------
    expected : int
        Products that the next direction is expected to take: those of the last one by products.
    """

    def __init__(
        self,
        model: nn.Module,
        unsupported: str,
        limit: MemoryLimit,
        gram: bool = False,
        products: int | None = None,
        together: Together | None = None,
    ) -> None:
        self.together = together
        self.model, self.unsupported, self.limit = model, unsupported, limit
        self.gram, self.products = gram, products
        self.names = {id(parameter): name for name, parameter in model.named_parameters()}
        self.expected = EXPECTED
        self._random = random.Random(0)
        self._examined: dict[int, tuple[dict[int, str], frozenset[int]]] = {}

    def rows(
        self,
        outputs: Tensor,
        graph: Graph,
        uses: Sequence[Use],
        parameters: Sequence[Tensor],
        targets: Tensor,
        loss: Loss,
        data: int | None = None,
        made: Pass | None = None,
        freed: bool = False,
    ) -> CurvatureFactor:
        """Rows of a recorded pass, or products in their place where there would be too many.

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
        made : Pass, optional
            With what the model was called, if it was itself.
        freed : bool, optional
            Whether the graph will be freed before products are taken.

        Returns
        -------
        CurvatureFactor

        Raises
        ------
        TooManyRowsError
            Rows would take more memory than they may, and products will not do.
        UnsupportedLayerError
            Rows of some parameters cannot be formed, or were compared with autograd and are wrong.
        ValueError
            See `check_coordinates`.
        """
        # What is not finite has no curvature; a step from there is taken back.
        final = outputs.detach().to(working_dtype(parameters)).nan_to_num()
        terms = loss.count(final, targets)
        data = data or (uses[0].outputs[0].shape[:1] or [1])[0]  # the model's layers may be called without the model
        if not _flattened(outputs, uses, data):
            data = len(outputs)
        uses, owned = with_projections(outputs, uses, owned_parameters(self.model, uses, parameters))
        if self._by_products(uses, owned, data, final, targets, loss):
            return self._products(
                outputs, graph, uses, parameters, loss.product_root(final, targets), terms, made, freed
            )
        flat = root = loss.hessian_root(final, targets)
        if data < len(outputs):
            outputs, root = outputs.reshape(data, -1, *outputs.shape[1:]), root.regrouped(data)
        uses, owned = spread_parameters(outputs, behind_addition(outputs, uses), owned)
        generator = torch.Generator().manual_seed(self._random.getrandbits(63))
        kind = graph.signature(uses)
        examined = kind in self._examined
        if examined:
            refused, turned = dict(self._examined[kind][0]), self._examined[kind][1]
        else:
            refused, turned = self._refused(outputs, uses, parameters, owned, generator)
        uses = [use.with_data_first() if place in turned else use for place, use in enumerate(uses)]
        unasked = {id(p) for module, own in owned.items() if isinstance(module, UNREPLAYED) for p in own.values()}
        self._raise_if(refused, unasked)

        def formed() -> CurvatureRows:
            layers = layer_rows(outputs, behind_pooling(outputs, uses), root, owned, refused)
            self._raise_if(refused, unasked)
            if refused and self.unsupported != "gradient":
                left = {self.names[id(p)]: p for p in parameters if id(p) in refused}
                layers.append(row_by_row(outputs, left, root))
            return CurvatureRows(
                [Batch(layers, root.columns, outputs.shape[0])], parameters, terms, frozen=graph.frozen
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
                self._remember(kind, refused, turned)
        return rows

    def _products(
        self,
        outputs: Tensor,
        graph: Graph,
        uses: Sequence[Use],
        parameters: Sequence[Tensor],
        root: Root,
        terms: int,
        made: Pass | None,
        freed: bool,
    ) -> ProductRows:
        """Products through the graph, or through that of the same pass once more where it will not do."""
        if graph.once and made is None:
            raise UnsupportedLayerError(REFUSED)
        again = made is not None and (graph.once or freed)
        last = made.outputs_again(self.model, outputs) if made is not None and again else outputs
        rows = ProductRows(last, root, parameters, terms, frozen=graph.frozen and not again, keeps_graph=not again)
        kind = -graph.signature(uses)  # what is known of rows says nothing of products
        if kind not in self._examined or self._random.random() < AGAIN:
            generator = torch.Generator().manual_seed(self._random.getrandbits(63))
            check_adjoint(rows, spacing([*parameters, outputs]), generator)
            self._remember(kind, {}, frozenset())
        return rows

    def _by_products(
        self, uses: Sequence[Use], owned: Owned, data: int, outputs: Tensor, targets: Tensor, loss: Loss
    ) -> bool:
        """Whether products are to be taken in the place of rows, which are counted before they are formed."""
        columns, of_root = loss.root_size(outputs, targets)
        counted = count(uses, owned, columns * (len(outputs) // data), data, self.gram)
        itemsize = outputs.element_size()
        needed = counted.bytes(itemsize) + itemsize * of_root
        small = self.limit.limit is None and needed < SMALL
        granted = math.inf if small else self.limit.bytes(outputs.device)
        if self.products is not None:
            products = min(self.expected, self.products)
            dear = counted.by_rows > max(WORTH, CHEAPER * counted.by_products(products))
            return self._everywhere(dear or needed > granted)
        if needed > granted:
            raise TooManyRowsError(
                f"the curvature of this batch has {counted.rows:,} rows ({counted.columns:,} for each of {data} data), "
                f"which{' with their Gram matrix' if self.gram else ''} take {needed / 1e9:.3g} GB, and "
                f"{granted / 1e9:.3g} GB of memory may be taken. Pass solver=Krylov() or ConjugateGradient(), which "
                "need products only, curvature='monte_carlo' for sampled columns, a smaller batch, or a larger "
                "memory_limit"
            )
        return False

    def _everywhere(self, wanted: bool) -> bool:
        """What any of several processes wants."""
        if self.together is None:
            return wanted
        return bool(self.together.total(torch.tensor(float(wanted), device=next(self.model.parameters()).device)))

    def _refused(
        self,
        outputs: Tensor,
        uses: Sequence[Use],
        parameters: Sequence[Tensor],
        owned: Owned,
        generator: torch.Generator,
    ) -> tuple[dict[int, str], frozenset[int]]:
        """Parameters that no layer's rows can cover, by their ids, and uses that have their data second."""
        refused = unclaimed_reasons(outputs, uses, owned, {id(p): self.names[id(p)] for p in parameters})
        wrong, turned = inseparable(outputs, uses, generator)
        for name, reason in wrong.items():
            mixed = (id(p) for use in uses if use.name == name for p in owned[use.module].values())
            refused |= dict.fromkeys(mixed, reason)
        return refused, turned

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

    def _remember(self, kind: int, refused: dict[int, str], turned: frozenset[int]) -> None:
        if len(self._examined) >= REMEMBERED:
            self._examined.pop(next(iter(self._examined)))
        self._examined[kind] = refused, turned

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
    every = [output for use in uses for output in use.outputs if output.dim()]
    apart = any(output.shape[0] % length for output in every if output.dim() < 3 or output.shape[1] != length)
    return apart and length > data and length % data == 0
