"""Pictures of what a device does; every function takes ``ax=None`` and returns the Matplotlib Axes it drew on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.stats

from thermolinalg._arrays import to_numpy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["covariance", "error_against_time", "histogram", "spectrum", "trajectory"]

# Okabe and Ito's colours, told apart by all kinds of colour vision, and in print by their lightness.
BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)
GREY = "#555555"


def trajectory(
    times: Any,
    readings: Any,
    *,
    solution: Any = None,
    standard_deviation: Any = None,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    r"""Draw voltages relaxing to the solution.

    Parameters
    ----------
    times : array_like, shape (n,)
        Device time of each reading, in units of τ.
    readings : array_like, shape (n, k)
        Voltages of the nodes to draw; up to six keep the colours apart.
    solution : array_like, shape (k,), optional
        x* = A⁻¹b of these nodes, drawn dashed.
    standard_deviation : array_like, shape (k,), optional
        :math:`\sqrt{T (A^{-1})_{ii}}` of these nodes: the band in which two thirds of the readings lie in equilibrium.
    labels : sequence of str, optional
        Names of these nodes, written at the end of the lines.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        With the picture on it.

    Raises
    ------
    ImportError
        Matplotlib is missing.

    See Also
    --------
    covariance, error_against_time, histogram, spectrum : Pictures.

    Examples
    --------
    >>> import numpy as np
    >>> import thermolinalg as tla
    >>> from thermolinalg import plotting
    >>> A = tla.operators.Dense(np.array([[0.9, 0.1], [0.1, 0.4]]))
    >>> program = tla.LangevinDevice(loading=tla.AsWritten()).program(A)
    >>> schedule = tla.Schedule(burn_in=0.1, readings=200, spacing=0.1)
    >>> reading = program.readings(np.array([1.0, 2.0]), schedule, rng=np.random.default_rng(0))
    >>> ax = plotting.trajectory(0.1 * np.arange(1, 201), reading.value)
    >>> ax.get_xlabel()
    'device time (τ)'
    """
    ax = axes(ax)
    times, readings = _numbers(times, "times", 1), _numbers(readings, "readings", 2)
    if times.shape[0] != readings.shape[0]:
        raise ValueError(f"readings have {readings.shape[0]} rows where times have {times.shape[0]} entries")
    for i, column in enumerate(readings.T):
        colour = CYCLE[i % len(CYCLE)]
        ax.plot(times, column, color=colour, linewidth=0.9, label="voltage" if i == 0 else None)
        if solution is not None:
            mean = float(solution[i])
            ax.axhline(mean, color=colour, linestyle="--", linewidth=1.6, label="solution x*" if i == 0 else None)
            if standard_deviation is not None:
                width = float(standard_deviation[i])
                band = "x* ± standard deviation" if i == 0 else None
                ax.axhspan(mean - width, mean + width, color=colour, alpha=0.12, linewidth=0, label=band)
        if labels is not None:
            end = column[-1] if solution is None else float(solution[i])
            ax.annotate(
                labels[i],
                (1.0, end),
                xycoords=("axes fraction", "data"),
                xytext=(4, 0),
                color=colour,
                textcoords="offset points",
                va="center",
                fontsize=9,
                annotation_clip=False,
            )
    ax.set_xlim(times[0], times[-1])
    return finish(ax, "Voltages relax to the solution", "device time (τ)", "voltage", legend=solution is not None)


def error_against_time(
    durations: Any, errors: Any, *, eigenvalues: Any = None, temperature: float = 1.0, ax: Axes | None = None
) -> Axes:
    r"""Draw the error of time averages against the averaging time, beside its law.

    The law is :math:`E\|\bar x - x^*\|^2 = (2T/T_w)\,\mathrm{tr}\,A^{-2}`, for windows in equilibrium that are long
    compared with the slowest relaxation time.

    Parameters
    ----------
    durations : array_like, shape (n,)
        Averaging times T_w, in units of τ.
    errors : array_like, shape (n,) or (n, m)
        Error norms of m runs each.
    eigenvalues : array_like, shape (d,), optional
        Of A as the device holds it; draws the law.
    temperature : float, optional
        T of the device.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        With the picture on it.

    Raises
    ------
    ImportError
        Matplotlib is missing.

    See Also
    --------
    histogram, spectrum, trajectory, covariance : Pictures.

    Examples
    --------
    >>> from thermolinalg import plotting
    >>> ax = plotting.error_against_time([10.0, 1000.0], [0.9, 0.1], eigenvalues=[1.0, 2.0])
    >>> ax.get_xscale(), ax.get_yscale()
    ('log', 'log')
    """
    ax = axes(ax)
    durations = _numbers(durations, "durations", 1)
    errors = np.asarray(errors, dtype=float).reshape(durations.shape[0], -1)
    ax.loglog(
        np.repeat(durations, errors.shape[1]), errors.ravel(), "o", color=SKY, markersize=3.5, alpha=0.6, label="runs"
    )
    if errors.shape[1] > 1:
        root = np.sqrt(np.mean(errors**2, axis=1))
        ax.loglog(durations, root, "o", color=BLUE, markersize=7, markeredgecolor="white", label="root mean square")
    if eigenvalues is not None:
        law = np.sqrt(2 * temperature * np.sum(_numbers(eigenvalues, "eigenvalues", 1) ** -2.0) / durations)
        ax.loglog(durations, law, color=RED, linewidth=1.8, label=r"law  $\sqrt{2T\,\mathrm{tr}\,A^{-2}/T_w}$")
    return finish(ax, "The error falls as the law says", "averaging time $T_w$ (τ)", "error ‖x̄ − x*‖")


def spectrum(
    eigenvalues: Any,
    *,
    device_range: tuple[float, float] | None = None,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the eigenvalues of A, largest first; called again on the same Axes it adds another spectrum.

    Parameters
    ----------
    eigenvalues : array_like, shape (d,)
        Of A, in 1/τ where the device holds A as it is.
    device_range : tuple of float, optional
        Smallest and largest eigenvalue that the device resolves, shaded.
    label : str, optional
        Name of the matrix in the legend.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        With the picture on it.

    Raises
    ------
    ImportError
        Matplotlib is missing.

    See Also
    --------
    trajectory, covariance, error_against_time, histogram : Pictures.

    Examples
    --------
    >>> from thermolinalg import plotting
    >>> plotting.spectrum([0.1, 0.5, 1.0], device_range=(0.1, 1.0)).get_ylabel()
    'eigenvalue λ (1/τ)'
    """
    ax = axes(ax)
    values = np.sort(_numbers(eigenvalues, "eigenvalues", 1))[::-1]
    if device_range is not None:
        low, high = device_range
        name = f"device range: slowest mode {1 / low:.3g} τ, fastest {1 / high:.3g} τ"
        ax.axhspan(low, high, color=GREEN, alpha=0.12, linewidth=0, label=name)
    colour = CYCLE[len(ax.lines) % len(CYCLE)]
    marker = "o" if values.shape[0] <= 100 else None
    rank = np.arange(1, values.shape[0] + 1)
    ax.plot(rank, values, color=colour, linewidth=1.6, marker=marker, markersize=3, label=label)
    ax.set_xscale("log")
    if values[-1] > 0:
        ax.set_yscale("log")
    title = f"Spectrum: condition {values[0] / values[-1]:.3g}" if values[-1] > 0 else "Spectrum"
    legend = label is not None or device_range is not None
    return finish(ax, title, "rank of the eigenvalue", "eigenvalue λ (1/τ)", legend=legend)


def histogram(readings: Any, *, mean: float, variance: float, ax: Axes | None = None) -> Axes:
    """Draw the readings of one node against their law N(x*, T A⁻¹).

    Parameters
    ----------
    readings : array_like, shape (n,)
        Voltages of the node in equilibrium.
    mean : float
        x* of this node.
    variance : float
        T (A⁻¹) of this node, its diagonal entry.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        With the picture on it.

    Raises
    ------
    ImportError
        Matplotlib is missing.

    See Also
    --------
    spectrum, trajectory, covariance, error_against_time : Pictures.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg import plotting
    >>> readings = np.random.default_rng(0).normal(1.0, 2.0, 1000)
    >>> plotting.histogram(readings, mean=1.0, variance=4.0).get_xlabel()
    'voltage'
    """
    ax = axes(ax)
    readings = _numbers(readings, "readings", 1)
    deviation = float(variance) ** 0.5
    ax.hist(
        readings,
        bins="auto",
        density=True,
        color=SKY,
        edgecolor="white",
        linewidth=0.4,
        label=f"{len(readings):,} readings",
    )
    grid = np.linspace(mean - 4.2 * deviation, mean + 4.2 * deviation, 400)
    ax.plot(grid, scipy.stats.norm.pdf(grid, mean, deviation), color=RED, linewidth=2, label="law N(x*, T A⁻¹)")
    ax.axvline(mean, color=GREY, linestyle="--", linewidth=1.4, label="solution x*")
    return finish(ax, "Readings follow the Gaussian law", "voltage", "density")


def covariance(estimate: Any, inverse: Any, *, ax: Axes | None = None) -> Axes:
    """Draw a covariance read from the device (below the diagonal) beside the inverse it estimates (above).

    Parameters
    ----------
    estimate : array_like, shape (d, d)
        Covariance of the readings divided by T.
    inverse : array_like, shape (d, d)
        A⁻¹.
    ax : matplotlib.axes.Axes, optional
        Where to draw; default: a new figure.

    Returns
    -------
    matplotlib.axes.Axes
        With the picture on it; where both agree it is symmetric.

    Raises
    ------
    ImportError
        Matplotlib is missing.

    See Also
    --------
    error_against_time, histogram, spectrum, trajectory : Pictures.

    Examples
    --------
    >>> import numpy as np
    >>> from thermolinalg import plotting
    >>> plotting.covariance(np.eye(3), np.eye(3)).get_xlabel()
    'node'
    """
    ax = axes(ax)
    estimate, inverse = _numbers(estimate, "estimate", 2), _numbers(inverse, "inverse", 2)
    if estimate.shape != inverse.shape:
        raise ValueError(f"estimate and inverse must have one shape, got {estimate.shape} and {inverse.shape}")
    both = np.tril(estimate) + np.triu(inverse, k=1)
    # Diagonals dwarf the rest of most inverses; the scale is that of the entries beside them.
    beside = np.abs(inverse[~np.eye(len(inverse), dtype=bool)])
    largest = float(np.quantile(beside, 0.99)) if beside.size else 0.0
    largest = largest or float(np.abs(both).max()) or 1.0
    image = ax.imshow(both, cmap="PuOr", vmin=-largest, vmax=largest, interpolation="nearest")
    ax.plot([-0.5, len(both) - 0.5], [-0.5, len(both) - 0.5], color=GREY, linewidth=0.8)
    ax.figure.colorbar(image, ax=ax, shrink=0.85, extend="both")
    ax = finish(ax, "Below: read from the device; above: A⁻¹", "node", "node", legend=False)
    ax.grid(visible=False)
    return ax


def pyplot() -> Any:
    """Matplotlib's pyplot, imported when the first picture is drawn."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("plotting needs Matplotlib; install it with: pip install 'thermolinalg[plot]'") from error
    return pyplot


def axes(ax: Axes | None) -> Axes:
    """The Axes to draw on."""
    return pyplot().subplots(figsize=(6.4, 4.4), layout="constrained")[1] if ax is None else ax


def _numbers(x: Any, name: str, ndim: int) -> np.ndarray:
    """x as a NumPy array of so many dimensions, not empty."""
    array = np.asarray(to_numpy(x), dtype=float)
    if array.ndim != ndim or array.size == 0:
        raise ValueError(f"{name} must have {ndim} dimension(s) and not be empty, got shape {array.shape}")
    return array


def finish(ax: Axes, title: str, xlabel: str, ylabel: str, *, legend: bool = True) -> Axes:
    """Title, labels with units, a quiet grid and no needless frame."""
    ax.set_title(title, loc="left", fontweight="bold", fontsize=11)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.grid(visible=True, color="#dddddd", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    if legend:
        ax.legend(frameon=False, fontsize=9)
    return ax
