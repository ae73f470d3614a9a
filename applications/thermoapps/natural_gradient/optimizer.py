"""Natural gradient descent as a PyTorch optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from thermoapps.natural_gradient.curvature.recording import Recorder
from thermoapps.natural_gradient.losses import Loss, as_loss, with_curvature
from thermoapps.natural_gradient.solvers import Solver, Woodbury
from thermoapps.natural_gradient.step.damping import Damping, as_damping
from thermoapps.natural_gradient.step.descent import Descent, Progress
from thermoapps.natural_gradient.step.given import Given
from thermoapps.natural_gradient.step.group_damping import admit_group_damping
from thermoapps.natural_gradient.step.replay import Closure
from thermoapps.natural_gradient.step.report import RefusedStepWarning, StepReport, warn_if_refused
from thermoapps.natural_gradient.step.updates import built_update, check_options

__all__ = ["NaturalGradient", "RefusedStepWarning"]


class NaturalGradient(Optimizer):
    """Natural gradient descent, θ ← θ − lr · d with (RᵀR + λI) d = g.

    g is the gradient of the mean loss over the batch and RᵀR its Gauss–Newton or Fisher matrix. A `solver` finds d,
    which takes the place of the gradient in an ordinary torch optimiser, `update`.

    Two loops are served; the model is called in training mode, and what is called in eval mode or without gradients
    leaves no trace:

        loss = opt.backward(model(inputs), targets)          loss = opt.step(lambda: (model(inputs), targets))
        opt.step()
        opt.zero_grad()

    `backward` stands where ``loss.backward()`` stood. It adds the gradient to ``.grad``, so that clipping works, and
    several calls before a step make one large batch. With a closure, the loss after the step is known too, which
    adaptive damping needs.

    Parameters
    ----------
    model : nn.Module
        The model. Hooks are installed on it until `close`.
    lr : float
        Step length. Default 0.1.
    damping : float, callable or Damping
        λ, λ as a function of the step, or a rule such as `LevenbergMarquardt`. Default 0.01.
    params : iterable of Tensor or of dict, optional
        What is trained, in the order of flat vectors, but for frozen ones; default: all of the model. Groups may have
        settings of `update` of their own, and (a warning says so) a ``damping``: then d = (RᵀR + diag(λ_g))⁻¹ g.
    solver : Solver, optional
        Default `Woodbury`, the exact direction.
    update : callable
        ``update(param_groups, lr=…)`` gives the torch optimiser that applies d. Default ``torch.optim.SGD``.
    momentum, weight_decay : float, optional
        For `update`. Decay acts beside d, not on the gradient.
    loss : Loss, str or callable
        As for `as_loss`. Default "cross_entropy".
    curvature : {"ggn", "monte_carlo", "empirical"}
        The Gauss–Newton matrix; the Fisher matrix from one drawn target for each datum; or the empirical Fisher matrix.
        More draws: ``loss=MonteCarloFisher(loss, samples)``.
    trust_region : float, optional
        Largest ½ pᵀRᵀR p of the change p of the parameters; longer steps are shortened.
    unsupported : {"raise", "row_by_row", "gradient"}
        As for `Recorder`.
    memory_limit : float, optional
        Most memory of this machine that the curvature rows of a batch and their Gram matrix may take, in bytes, or
        below 1 as a share of what is free; default half of that. Beyond it directions come from products with the
        curvature matrix where the solver has a way by products, else the batch is refused before any work.
    callbacks : iterable of callable
        Each is called with the `StepReport` after every step.

    Attributes
    ----------
    report : StepReport or None
        Of the last step.

    Raises
    ------
    TypeError
        Parameters in place of a model, what is no solver, or a setting that `update` does not take.
    ValueError
        A setting out of range.

    Warns
    -----
    RefusedStepWarning
        A step was taken back since something in it was not finite. Steps that the damping takes back are reported only.

    See Also
    --------
    TNGD, ThermodynamicKFAC : Optimisers.

    Examples
    --------
    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Linear(3, 1)
    >>> inputs = torch.randn(8, 3)
    >>> targets = inputs.sum(1, keepdim=True) + 1
    >>> opt = NaturalGradient(model, lr=1.0, damping=1e-3, loss="mse")
    >>> loss = opt.backward(model(inputs), targets)
    >>> opt.step()
    >>> bool(torch.nn.functional.mse_loss(model(inputs), targets) < 1e-4)  # one Newton step
    True
    """

    def __init__(
        self,
        model: nn.Module,
        lr: float = 0.1,
        damping: Damping | float | Callable[[int], float] = 0.01,
        *,
        params: Iterable[Any] | None = None,
        solver: Solver | None = None,
        update: Callable[..., Optimizer] = torch.optim.SGD,
        momentum: float | None = None,
        weight_decay: float | None = None,
        loss: Loss | str | Callable[[Tensor, Tensor], Tensor] = "cross_entropy",
        curvature: Literal["ggn", "monte_carlo", "empirical"] = "ggn",
        trust_region: float | None = None,
        unsupported: Literal["raise", "row_by_row", "gradient"] = "raise",
        memory_limit: float | None = None,
        callbacks: Iterable[Callable[[StepReport], object]] = (),
    ) -> None:
        if not isinstance(model, nn.Module):
            raise TypeError(
                f"model must be a torch.nn.Module, got {type(model).__name__}: curvature comes from its layers, "
                "so pass the model, and params= for a part of its parameters or for groups of them"
            )
        solver = Woodbury() if solver is None else solver
        self.loss = with_curvature(as_loss(loss), curvature)
        self.callbacks = list(callbacks)
        self.report: StepReport | None = None
        self._model, self._unsupported, self._memory_limit = model, unsupported, memory_limit
        self._progress = Progress()
        super().__init__(model.parameters() if params is None else params, {"lr": lr})
        inner = built_update(update, self.param_groups, lr, momentum, weight_decay)
        self._descent = Descent(solver, as_damping(damping), inner, trust_region)
        admit_group_damping(inner.param_groups, self.damping, solver)
        # One set of groups and one state: schedulers and checkpoints see those of `update`.
        self.param_groups, self.state, self.defaults = inner.param_groups, inner.state, inner.defaults
        self._given = Given(self._recorder(), self.loss)

    @property
    def solver(self) -> Solver:
        """Finds the direction."""
        return self._descent.solver

    @property
    def damping(self) -> Damping:
        """The rule for λ."""
        return self._descent.damping

    @property
    def update(self) -> Optimizer:
        """The torch optimiser that applies the direction."""
        return self._descent.update

    def _recorder(self) -> Recorder:
        return Recorder(
            self._model,
            self._every_parameter,
            unsupported=self._unsupported,
            keep_factors=self.solver.needs_factors,
            memory_limit=self._memory_limit,
            gram=self.solver.needs_gram,
            products=self.solver.most_products,
        ).attach()

    def close(self) -> None:
        """Remove the hooks from the model."""
        self._given.recorder.detach()

    @property
    def _every_parameter(self) -> list[Tensor]:
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Train more of the model's parameters; they come last in flat vectors, and the solver starts anew."""
        if not hasattr(self, "_given"):  # The base class fills its groups first.
            super().add_param_group(param_group)
            return
        check_options(param_group, self.update)
        admit_group_damping([param_group], self.damping, self.solver)
        self.update.add_param_group(param_group)
        self.close()
        self._given.recorder = self._recorder()

    # -- the loop ---------------------------------------------------------------------------------------------------

    def backward(
        self,
        outputs: Tensor,
        targets: Any,
        scaler: torch.amp.GradScaler | None = None,
        *,
        retain_graph: bool = False,
    ) -> Tensor:
        """``loss.backward()`` for the loss of the last pass of the model, and the curvature rows of that pass.

        Parameters
        ----------
        outputs : Tensor, shape (b, …)
            What the model returned in training mode, or the tensor of it that the loss takes. Under autocast it may be
            of lower precision than the parameters.
        targets : Tensor
            As the loss wants them.
        scaler : torch.amp.GradScaler, optional
            Its scale multiplies what is added to ``.grad``; go on with ``scaler.step(opt)``.
        retain_graph : bool, optional
            Keep the graph, for other terms of the loss that go backward through it later.

        Returns
        -------
        Tensor
            The loss of this batch, a detached scalar.

        Raises
        ------
        RuntimeError
            No pass was recorded, or it has been used up.
        UnsupportedLayerError, TooManyRowsError
            See `Recorder.rows`.
        """
        scale = 1.0
        if scaler is not None and scaler.is_enabled():
            scaler.scale(torch.zeros((), device=outputs.device))  # A scaler begins with its first use.
            scale = scaler.get_scale()
        return self._given.backward(outputs, targets, scale, retain_graph)

    def criterion(self, outputs: Tensor, targets: Any) -> Tensor:
        """The loss of the last pass of the model, for loops that go backward themselves.

        ``opt.criterion(outputs, targets).backward()`` leaves what ``opt.backward(outputs, targets)`` does. The loss may
        be scaled or added to others first; gradients of several backward passes before a step add up as they come.
        """
        return self._given.criterion(outputs, targets)

    def add_curvature(
        self, outputs: Tensor, targets: Any, loss: Loss | str | Callable[[Tensor, Tensor], Tensor] | None = None
    ) -> None:
        """Take the curvature of the last pass of the model into the next step, and leave ``.grad`` as it is.

        The step has the mean curvature over all data given since the last one, those of `backward` included, and the
        gradient of those that went backward: here, or by a plain ``backward`` of the loss, without any curvature.

        Parameters
        ----------
        outputs, targets, loss
            As for `backward`; another loss may be ``MonteCarloFisher("cross_entropy")``, one row for each datum.
        """
        self._given.add_curvature(outputs, targets, loss)

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Tensor | None:  # type: ignore[override]
        """One step on everything since the last one, or on what the closure gives.

        Parameters
        ----------
        closure : callable, optional
            Calls the model and returns ``(outputs, targets)``, or calls `backward` itself and returns anything else.
            It is called once with gradients, and after the step once more without them and with the same random
            numbers, for the loss after the step; `backward` and `zero_grad` then leave everything as it is.

        Returns
        -------
        Tensor or None
            With a closure, the loss before the step.

        Raises
        ------
        RuntimeError
            Nothing to step on, or no closure although the damping judges steps by the loss after them.
        """
        if closure is not None and not self._given.batch.parts:
            self.zero_grad()
        replayed = None if closure is None else self._given.run(closure)
        if replayed is None and (self.damping.judges or self._descent.line_search is not None):
            judge = self.damping if self.damping.judges else self._descent.line_search
            raise RuntimeError(
                f"{type(judge).__name__} judges a step by the loss after it; call step(closure) with a closure that "
                "returns (outputs, targets)"
            )
        start = self._given.start(replayed)
        self._progress, report = self._descent.step(start, self._progress)
        if replayed is not None:
            report.timings.forward = replayed.seconds
        if not start.rows.formed and report.solver is not None:
            self._given.recorder.learn(report.solver.iterations)
        self.report = report
        warn_if_refused(report)
        for callback in self.callbacks:
            callback(report)
        return None if replayed is None else start.gradient.new_tensor(start.loss)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, and the curvature rows that belong to them."""
        if not self._given.judging:
            super().zero_grad(set_to_none)
            self._given.forget()

    # -- checkpoints ------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """The state of the update, with the damping, the solver's state and the random generator of the loss."""
        generator = getattr(self.loss, "generator", None)
        own = self._progress.state_dict() | {
            "solver": self.solver.name,
            "generator": None if generator is None else generator.get_state(),
        }
        return super().state_dict() | {"natural_gradient": own}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up a run where `state_dict` left it, bit by bit, after the model's parameters have been loaded.

        Parameters
        ----------
        state_dict : dict
            Of an optimiser with the same groups and solver.

        Raises
        ------
        ValueError
            The state is of another optimiser or solver.
        """
        own = state_dict.get("natural_gradient")
        if own is None:
            raise ValueError("state_dict has no 'natural_gradient': it is not of a NaturalGradient optimiser")
        if own["solver_state"] is not None and own["solver"] != self.solver.name:
            raise ValueError(f"state_dict is of a run with solver={own['solver']}, this one has {self.solver.name}")
        super().load_state_dict(state_dict)
        self._progress = Progress.of(own)
        generator = getattr(self.loss, "generator", None)
        if generator is not None and own["generator"] is not None:
            generator.set_state(own["generator"].cpu())
        self.zero_grad()

    def __getstate__(self) -> dict[str, Any]:
        """The optimiser with its model, without what a loop has given since the last step."""
        kept = ("loss", "callbacks", "report", "defaults", "state", "param_groups")
        own = ("_model", "_unsupported", "_memory_limit", "_descent", "_progress")
        return {name: getattr(self, name) for name in kept + own} | {"_recorder_before": self._given.recorder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        before = state.pop("_recorder_before", None)
        super().__setstate__(state)
        self.update.__setstate__({"state": self.state, "param_groups": self.param_groups})
        if before is not None:
            before.detach()
            self._given = Given(self._recorder(), self.loss)
