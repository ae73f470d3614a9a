"""Handwritten digits, and a small network for them."""

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def digits() -> TensorDataset:
    """1797 images of 64 pixels, and their labels."""
    images, labels = load_digits(return_X_y=True)
    return TensorDataset(torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels))


def batches() -> DataLoader:
    """The digits in shuffled batches of 64."""
    return DataLoader(digits(), batch_size=64, shuffle=True)


def network() -> nn.Sequential:
    """A perceptron with one hidden layer."""
    return nn.Sequential(nn.Linear(64, 50), nn.ReLU(), nn.Linear(50, 10))
