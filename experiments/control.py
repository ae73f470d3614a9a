"""Masses on springs to be held still, and a value function to be learned from what they did, with a known best gain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy.linalg
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Plant:
    """x′ = A x + B u, each step of which costs ‖x‖² + ‖u‖²."""

    A: np.ndarray
    B: np.ndarray

    def best_gain(self) -> np.ndarray:
        """K of the best policy u = −K x, by the discrete Riccati equation."""
        states, actions = self.B.shape
        P = scipy.linalg.solve_discrete_are(self.A, self.B, np.eye(states), np.eye(actions))
        return np.linalg.solve(np.eye(actions) + self.B.T @ P @ self.B, self.B.T @ P @ self.A)

    def transitions(self, count: int, seed: int) -> tuple[Tensor, Tensor]:
        """(x, u, x′) side by side for Gaussian x and u, and what the steps cost."""
        draws = np.random.default_rng(seed)
        x, u = (draws.standard_normal((count, size)) for size in self.B.shape)
        inputs = np.hstack([x, u, x @ self.A.T + u @ self.B.T])
        return torch.tensor(inputs), torch.tensor((x**2).sum(1) + (u**2).sum(1))[:, None]


def masses(count: int, interval: float = 0.5) -> Plant:
    """Equal masses in a row between springs, with a little friction and a motor each, whose force lasts an interval."""
    springs = np.eye(count, k=1) + np.eye(count, k=-1) - 2 * np.eye(count)
    both = np.zeros((3 * count, 3 * count))  # d/dt of places, speeds and forces
    both[:count, count : 2 * count] = np.eye(count)
    both[count : 2 * count] = np.hstack([springs, -0.1 * np.eye(count), np.eye(count)])
    exponential = scipy.linalg.expm(interval * both)
    return Plant(exponential[: 2 * count, : 2 * count], exponential[: 2 * count, 2 * count :])


class BellmanResidual(nn.Module):
    """Q(x, u) − min Q(x′, ·) for a quadratic form Q in states and actions: for that of the best policy, a step's cost.

    Its exact Gauss–Newton step of full length is a step of policy iteration.
    """

    def __init__(self, states: int, actions: int) -> None:
        super().__init__()
        self.states, size = states, states + actions
        self.entries = nn.Parameter(torch.eye(size) + 0.02 * torch.randn(size, size))

    def forward(self, inputs: Tensor) -> Tensor:
        acted, after = inputs[:, : -self.states], inputs[:, -self.states :]
        form, gain = self._form_and_gain()
        value = form[: self.states, : self.states] - form[: self.states, self.states :] @ gain
        return ((acted @ form) * acted).sum(1, keepdim=True) - ((after @ value) * after).sum(1, keepdim=True)

    def _form_and_gain(self) -> tuple[Tensor, Tensor]:
        form = (self.entries + self.entries.T) / 2
        return form, torch.linalg.solve(form[self.states :, self.states :], form[self.states :, : self.states])

    @torch.no_grad()
    def gain(self) -> np.ndarray:
        """K of the policy u = −K x that it takes for the best."""
        return self._form_and_gain()[1].numpy()


PLANTS = {"two masses": partial(masses, 2), "three masses": partial(masses, 3)}
