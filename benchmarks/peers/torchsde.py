"""torchsde: Euler and the stochastic Runge–Kutta method SRK, with diagonal noise."""

from __future__ import annotations

import torch
import torchsde

from benchmarks.peers.base import Estimator, Stepper, reading_times
from benchmarks.problems import Array, Window


class _LinearSDE(torch.nn.Module):
    """dx = −(A x − b) dt + sqrt(2T) dW, as torchsde asks for it: a batch of one row."""

    noise_type = "diagonal"
    sde_type = "ito"

    def __init__(self, window: Window) -> None:
        super().__init__()
        self.A, self.b = torch.from_numpy(window.A), torch.from_numpy(window.b)
        self.noise = torch.full((1, window.size), (2 * window.temperature) ** 0.5, dtype=torch.float64)

    def f(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Drift."""
        return self.b - x @ self.A

    def g(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Diagonal of the noise matrix."""
        return self.noise


class TorchSDEEuler(Stepper):
    """Its BrownianInterval is fastest when told the step (dt=…), which lets it build its tree at once."""

    name = "torchsde euler"
    method = "sdeint(method='euler'), BrownianInterval(dt=step), no gradients"
    rule = "euler"
    levy_area = "none"

    def path(self, window: Window) -> Estimator:
        """See `Stepper.path`."""
        sde, times = _LinearSDE(window), torch.from_numpy(reading_times(window))
        start = torch.zeros(1, window.size, dtype=torch.float64)

        def path(seed: int) -> Array:
            noise = torchsde.BrownianInterval(
                0.0,
                float(times[-1]),
                size=start.shape,
                dtype=torch.float64,
                entropy=seed,
                dt=self.step,
                levy_area_approximation=self.levy_area,
            )
            with torch.no_grad():
                states = torchsde.sdeint(sde, start, times, bm=noise, method=self.rule, dt=self.step)
            return states[:, 0].numpy()

        return path


class TorchSDESRK(TorchSDEEuler):
    """Strong order 1.5 for additive noise; asks for the space-time Lévy area."""

    name = "torchsde srk"
    method = "sdeint(method='srk'), BrownianInterval(dt=step, space-time Lévy area), no gradients"
    rule = "srk"
    levy_area = "space-time"
