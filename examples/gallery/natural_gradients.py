"""Natural gradients against SGD.

Handwritten digits, a perceptron with one hidden layer, the same first weights and the same batches for both. The
direction of TNGD is read from a simulated device after 20 τ; that of SGD is the gradient, with momentum, at the best of
three rates. Steps are compared, not seconds: those of TNGD cost more.
"""

import sys

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from thermoapps.natural_gradient import TNGD
from thermolinalg.plotting import BLUE, ORANGE, finish

images, labels = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels))


def losses(optimiser):
    """Training loss of each step of two epochs."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
    opt = optimiser(model)
    seen = []
    for _ in range(2):
        for inputs, targets in DataLoader(data, batch_size=64, shuffle=True, drop_last=True):
            opt.zero_grad()
            if isinstance(opt, TNGD):
                loss = opt.backward(model(inputs), targets)
            else:
                loss = nn.functional.cross_entropy(model(inputs), targets)
                loss.backward()
            opt.step()
            seen.append(loss.item())
    return seen


rates = (0.03, 0.1, 0.3)
sgd = min((losses(lambda m, lr=lr: torch.optim.SGD(m.parameters(), lr, momentum=0.9)) for lr in rates), key=sum)
tngd = losses(lambda model: TNGD(model, lr=0.1, damping=0.01, time=20.0))

figure, ax = plt.subplots(figsize=(6.4, 4.0), layout="constrained")
ax.semilogy(sgd, color=ORANGE, label="SGD, momentum 0.9")
ax.semilogy(tngd, color=BLUE, label="TNGD")
finish(ax, "Two epochs of digits", "steps", "loss of the batch")
figure.savefig(sys.argv[1] if sys.argv[1:] else "natural_gradients.png")
