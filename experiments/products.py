"""How near a direction comes to the natural gradient for so many products with the curvature matrix."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from common import options, pyplot, read, save, write
from data import load_data, one_convolution

from thermoapps.natural_gradient import ConjugateGradient, EulerMaruyama, Woodbury, curvature_rows

BATCH, STEPS, COUNTS = 64, 50, (1, 2, 5, 10, 20, 50, 100, 200, 500)


def measure(folder: Path | None, damping: float) -> dict[str, Any]:
    """Relative errors after some products, for a network that has made a few steps of Adam."""
    x, y = load_data(folder).first(STEPS * BATCH + BATCH)
    torch.manual_seed(0)
    model = one_convolution(x.shape[-1])
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    for inputs, labels in zip(x.split(BATCH), y.split(BATCH), strict=True):
        adam.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), labels).backward()
        adam.step()
    model = model.double()
    rows, gradient, _ = curvature_rows(model, x[:BATCH].double(), y[:BATCH], "cross_entropy")
    exact = Woodbury().direction(rows, gradient, damping)[0]
    largest = damping + float(torch.linalg.eigvalsh(rows.gram())[-1])
    best = 2 / (largest + damping)  # of all constant steps, which the ends of the spectrum allow

    def error(solver: Any) -> float:
        return float((solver.direction(rows, gradient, damping)[0] - exact).norm() / exact.norm())

    lines = {
        "conjugate gradients": [error(ConjugateGradient(count, progress=0.0)) for count in COUNTS],
        f"device stepped by {best:.2g} τ, the best of all": [
            error(EulerMaruyama(best * count, best)) for count in COUNTS
        ],
    }
    return {"condition": largest / damping, "products": list(COUNTS), "errors": lines}


def draw(results: dict[str, Any], path: Path) -> None:
    plt = pyplot()
    figure, axes = plt.subplots(1, len(results), figsize=(10.5, 4), layout="constrained", sharey=True)
    for ax, (damping, found) in zip(axes, results.items(), strict=True):
        for (name, errors), color in zip(found["errors"].items(), ("#5aa9e6", "#c1272d"), strict=True):
            ax.plot(found["products"], errors, color=color, marker="o", markersize=3, label=name)
        ax.set(xscale="log", yscale="log", xlabel="products with the curvature matrix", ylim=(1e-6, 2))
        ax.set_title(f"λ = {damping}, condition number {found['condition']:.0f}", loc="left", fontsize=10)
        ax.legend(frameon=False, fontsize=8, loc="lower left")
    axes[0].set(ylabel="distance from the natural gradient, relative")
    save(figure, path)
    plt.close(figure)


def main() -> None:
    given = options(__doc__)
    path = given.results / "products.json"
    if not given.draw:
        write({"by damping": {f"{damping:g}": measure(given.data, damping) for damping in (0.01, 0.1)}}, path)
    draw(read(path)["by damping"], given.pictures / "experiments-products.png")


if __name__ == "__main__":
    main()
