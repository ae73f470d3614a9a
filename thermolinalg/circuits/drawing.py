"""A picture of an array of integrators: sources on the left, couplings in the middle, amplifiers on the right."""

from __future__ import annotations

from typing import Any

import numpy as np

from thermolinalg.circuits.integrators import IntegratorArray

__all__ = ["schematic"]

POSITIVE, NEGATIVE = "#1f4e9c", "#c1272d"

LABELLED = 6
"""Nodes up to which every resistor has its value beside it."""


def schematic(circuit: IntegratorArray, ax: Any = None) -> Any:
    """Draw a circuit: row i is the virtual ground of node i, column j the output of node j.

    A resistor is a disc at a crossing, its area the conductance; it is red where it comes from the inverted output.

    Parameters
    ----------
    circuit : IntegratorArray
    ax : matplotlib.axes.Axes, optional
        Default: those of a new figure.

    Returns
    -------
    matplotlib.axes.Axes

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> ax = schematic(IntegratorArray([[2.0, -1.0], [-1.0, 3.0]]))
    >>> ax.get_title()
    'IntegratorArray: 2 nodes, 4 + 2 resistors, 2 capacitors, 2 op-amps, 2 inverters, 0 noise sources; τ = 3 µs'
    """
    d, R = len(circuit.matrix), circuit.resistors
    if ax is None:
        import matplotlib.pyplot as plt

        _, ax = plt.subplots(figsize=(2.5 + 0.9 * d, 1.2 + 0.8 * d), layout="constrained")
    for i in range(d):
        y = -i
        ax.plot([-1, d], [y, y], color="#444444", linewidth=1, zorder=1)
        ax.text(-1.1, y, f"{1e3 * circuit.sources[i]:.3g} mV", ha="right", va="center", fontsize=8)
        ax.fill([d, d, d + 0.6], [y - 0.3, y + 0.3, y], facecolor="white", edgecolor="#444444", zorder=2)
        ax.text(d + 0.7, y, f"$x_{{{i}}}$", va="center", fontsize=9)
        ax.plot([i, i], [0.6, 0.4 - d], color="#bbbbbb", linewidth=1, zorder=0)
        ax.text(i, 0.7, f"$x_{{{i}}}$", ha="center", fontsize=9)
    for i, j in np.argwhere(circuit.matrix):
        color = POSITIVE if circuit.matrix[i, j] > 0 else NEGATIVE
        ax.scatter(j, -i, s=160 * R.min() / R[i, j], color=color, zorder=3)
        if d <= LABELLED:
            ax.text(j + 0.12, -i + 0.12, f"{R[i, j] / 1e3:.3g} kΩ", fontsize=7, color=color)
    ax.set_title(str(circuit), fontsize=8)
    ax.set_axis_off()
    return ax
