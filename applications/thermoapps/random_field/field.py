"""Gaussian fields by their precision matrix, and the ways to make one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from thermoapps._reading import read_count, read_number
from thermoapps.random_field.determinants import Logarithm, holding, log_determinant
from thermoapps.random_field.grid import Grid
from thermoapps.random_field.matern import Matern
from thermoapps.random_field.observing import read_observations, read_real
from thermoapps.random_field.posterior import Posterior
from thermoapps.random_field.precisions import read_null_space, read_precision, refuse_indefinite, unit_adjacency

__all__ = ["GaussianField"]

IMPROPER = "it is improper as it stands: pass a basis as null_space=, or condition it on data that fix what is free"
"""What works for a singular precision."""


class GaussianField:
    r"""A Gaussian Markov random field x ~ N(0, Q⁻¹) with a sparse precision matrix Q.

    A device that holds Q has this law in equilibrium at temperature 1. Observations only change Q and the load, so that
    the posterior is such a device again (`condition`).

    A singular Q is an improper (intrinsic) prior: the field is free along its null space, until observations fix it.
    Its density is taken as (2π)^{-(n−r)/2} |Q|₊^{1/2} exp(−xᵀQx/2), with the product |Q|₊ of nonzero eigenvalues (Rue
    and Held 2005, section 3.2).

    Parameters
    ----------
    precision : array_like or sparse array, shape (n, n)
        Q, symmetric positive semidefinite.
    grid : Grid, optional
        Places of the nodes, which lets points be observed.
    null_space : array_like, shape (n, r), optional
        Basis of the null space of an improper Q; needed for `Posterior.log_evidence` only.

    Attributes
    ----------
    precision : scipy.sparse.csr_array
        Q, with further rows for the coefficients of a trend.
    size : int
        Number of nodes n.
    covariates : int
        Number of coefficients of a trend.

    Raises
    ------
    ValueError
        Q is not square, not symmetric or not finite; a grid of another size; a basis that is none of the null space.
    LinAlgError
        Q is indefinite (beyond 60 000 rows only its entries and their neighbours on the diagonal are compared).
    TypeError
        Entries that are not real numbers.

    See Also
    --------
    Grid, Posterior : Fields, where they live, and what is known of them.
    fit_matern, MaternFit : Parameters of a field.

    References
    ----------
    Rue and Held, Gaussian Markov Random Fields, 2005. Lindgren, Rue and Lindström, J. R. Stat. Soc. B 73 (2011).

    Examples
    --------
    >>> from thermoapps.random_field import GaussianField
    >>> field = GaussianField([[2.0, -1.0], [-1.0, 2.0]])
    >>> posterior = field.condition([1.0], noise=0.0, at=[0], rng=0)
    >>> posterior.mean.round(9), posterior.standard_deviation().round(9)
    (array([1. , 0.5]), array([0.        , 0.70710678]))
    """

    def __init__(self, precision: Any, *, grid: Grid | None = None, null_space: Any = None) -> None:
        self._hold(read_precision(precision), grid)
        if grid is not None and grid.size != self.size:
            raise ValueError(f"the grid has {grid.size} nodes, the precision {self.size} rows")
        refuse_indefinite(self.precision)
        if null_space is not None:
            self.null_space = read_null_space(null_space, self.precision)

    def _hold(self, precision: sp.csr_array, grid: Grid | None) -> None:
        """Take a precision that is known to be one."""
        self.precision = precision
        self.grid = grid
        self.size = self.precision.shape[0]
        self.covariates = 0
        self.null_space = np.zeros((self.size, 0))
        self.matern: Matern | None = None
        self._log_volume = 0.0
        self._base = self

    # -- constructors -------------------------------------------------------------------------------------------------

    @classmethod
    def on_grid(cls, grid: Grid | Any, *, kappa: float = 0.0, scale: float = 1.0, order: int = 1) -> GaussianField:
        r"""The field of precision (κ² I + L)^order / scale², L the Laplacian of nearest neighbours (in steps, no flux).

        Parameters
        ----------
        grid : Grid or tuple of int
            Or its shape.
        kappa : float, optional
            κ ≥ 0 in inverse steps; with 0 the field is free to shift as a whole.
        scale : float, optional
            Of the field, in units of the data.
        order : int, optional
            1 is a random walk, 2 is smooth.

        Returns
        -------
        GaussianField
        """
        grid = grid if isinstance(grid, Grid) else Grid(grid)
        field = cls.graph(unit_adjacency(grid), kappa=kappa, scale=scale, order=order)
        field.grid = grid
        return field

    @classmethod
    def graph(cls, adjacency: Any, *, kappa: float = 0.0, scale: float = 1.0, order: int = 1) -> GaussianField:
        r"""The field of precision (κ² I + L)^order / scale² on a graph, L = diag(W1) − W.

        Parameters
        ----------
        adjacency : array_like or sparse array, shape (n, n)
            W ≥ 0, symmetric; its diagonal does not matter.
        kappa : float, optional
            κ ≥ 0; with 0 every connected part is free to shift by itself.
        scale : float, optional
            Of the field, in units of the data.
        order : int, optional
            1 or more.

        Returns
        -------
        GaussianField

        Raises
        ------
        ValueError
            Negative weights, a matrix that is not symmetric, parameters out of range.
        """
        W = read_precision(adjacency, "adjacency")
        if W.nnz and W.data.min() < 0:
            raise ValueError("adjacency has negative weights; they are the strengths of links")
        kappa, scale = read_number(kappa, "kappa"), read_number(scale, "scale", positive=True)
        order = read_count(order, "order")
        W = sp.csr_array(W - sp.diags_array(W.diagonal()))
        degrees = np.asarray(W.sum(axis=1)).ravel()
        A = sp.csr_array(sp.diags_array(degrees + kappa**2) - W)
        Q = A
        for _ in range(order - 1):
            Q = A @ Q
        field = cls.__new__(cls)
        field._hold(read_precision((Q + Q.T) / (2 * scale**2)), None)
        if kappa == 0:
            count, labels = sp.csgraph.connected_components(W, directed=False)
            field.null_space = (labels[:, None] == np.arange(count)) / np.sqrt(np.bincount(labels))
        return field

    @classmethod
    def from_matern(cls, grid: Grid, *, range: float, standard_deviation: float = 1.0, alpha: int = 2) -> GaussianField:
        r"""A Matérn field on a grid as the solution of (κ² − Δ)^{α/2} x = W/τ (Lindgren, Rue and Lindström 2011).

        The smoothness is ν = α − d/2 and κ = √(8ν)/range, so that at the distance `range` the correlation is about
        0.14. Fields with ν < ½ (α = 1 in more than one dimension) take ν = ½ there; their variance is that of this
        spacing and has no limit for finer ones. No flux passes the edges: within a range of an edge the standard
        deviation rises, to √2 of itself on it and to 2 in a corner of the plane. Lay the grid wider than the data.

        Parameters
        ----------
        grid : Grid
            Of any dimension, with at least some five nodes in a range.
        range : float
            In units of the grid's coordinates.
        standard_deviation : float, optional
            Of the field far from the edges, in units of the data; exact for an infinite grid of this spacing.
        alpha : int, optional
            Order α ≥ 1.

        Returns
        -------
        GaussianField
        """
        if not isinstance(grid, Grid):
            raise TypeError(f"grid must be a Grid, got {grid!r}")
        matern = Matern(
            grid,
            read_number(range, "range", positive=True),
            read_number(standard_deviation, "standard_deviation", positive=True),
            read_count(alpha, "alpha"),
        )
        field = cls.__new__(cls)
        field._hold(matern.precision(), grid)
        field.matern = matern
        return field

    def with_trend(self, covariates: Any = None) -> GaussianField:
        r"""The field x + B β with coefficients β of unknown size (a flat prior), exactly, by augmentation.

        The nodes η = x + B β and the coefficients have the joint precision [[Q, −QB], [−BᵀQ, BᵀQB]], which is as sparse
        as Q but for the last rows. `Posterior.mean` and all else then hold the trend; `Posterior.coefficients` has β.

        Parameters
        ----------
        covariates : array_like, shape (n,) or (n, p), optional
            B at the nodes. Default: ones, an unknown mean.

        Returns
        -------
        GaussianField

        Raises
        ------
        ValueError
            Covariates of another length, not finite, or that depend on each other; a field that has a trend already.
        """
        if self.covariates:
            raise ValueError("the field has a trend already; pass all its covariates at once")
        B = np.ones((self.size, 1)) if covariates is None else read_real(covariates, "covariates")
        B = B[:, None] if B.ndim == 1 else B
        if B.ndim != 2 or B.shape[0] != self.size or B.shape[1] == 0:
            raise ValueError(f"covariates must have shape ({self.size}, p), got {np.shape(covariates)}")
        if not np.isfinite(B).all():
            raise ValueError("covariates hold NaN or infinity; they are needed at every node")
        sizes = np.abs(B).max(axis=0)
        basis, R = np.linalg.qr(B / np.where(sizes > 0, sizes, 1.0))
        diagonal = np.abs(np.diag(R))
        if len(diagonal) < B.shape[1] or (diagonal <= self.size * np.finfo(float).eps * diagonal.max()).any():
            raise ValueError("covariates depend on each other: their coefficients cannot be told apart")
        across = self.precision @ basis
        corner = basis.T @ across
        blocks = [[self.precision, -across], [-across.T, (corner + corner.T) / 2]]
        field = object.__new__(GaussianField)
        field.__dict__.update(vars(self))
        field.precision = sp.csr_array(sp.block_array([[sp.csr_array(block) for block in row] for row in blocks]))
        field.covariates = B.shape[1]
        p, r = B.shape[1], self.null_space.shape[1]
        field.null_space = np.block([[self.null_space, basis], [np.zeros((p, r)), np.eye(p)]])
        field.to_coefficients = np.linalg.inv(R) / sizes[:, None]
        field._log_volume = float(np.linalg.slogdet(field.to_coefficients)[1])
        field._base = self
        return field

    to_coefficients: np.ndarray = np.zeros((0, 0))

    # -- questions ----------------------------------------------------------------------------------------------------

    def condition(
        self,
        observations: Any,
        noise: Any = 0.0,
        *,
        at: Any = None,
        device: Any = None,
        M: Any = None,
        rng: Any = None,
        callback: Callable[..., Any] | None = None,
    ) -> Posterior:
        """The field given observations y = H x + noise.

        Parameters
        ----------
        observations : array_like, shape (m,)
            y; NaN marks missing ones. None at all is fine.
        noise : float or array_like, shape (m,), optional
            Standard deviations; 0 observes exactly.
        at : array_like, sparse array or LinearOperator, optional
            H: indices of nodes (m,), a mask (n,), points (m, d) within the grid, which are interpolated multilinearly,
            or rows (m, n). Default: all nodes in their order.
        device : thermolinalg.devices.Device, optional
            Default: an ideal overdamped `thermolinalg.LangevinDevice`.
        M : array_like, sparse array or LinearOperator, optional
            Approximate inverse of the posterior precision, as `thermolinalg.solve` takes it, where no factor of it
            fits; `field.matern.inverse(shift)` is one of a Matérn field with evenly spread data.
        rng : None, int or numpy.random.Generator, optional
            Source of randomness of the device; None is fresh entropy.
        callback : callable, optional
            Of the solve for the mean, as for `thermolinalg.solve`.

        Returns
        -------
        Posterior

        Raises
        ------
        ValueError
            Shapes that do not fit, points outside the grid, infinity, a negative noise, exact observations that
            contradict each other.
        TypeError
            Entries that are not real numbers.
        """
        observed = read_observations(observations, noise, at, self.size, self.grid)
        return Posterior(self, observed, device=device, M=M, rng=rng, callback=callback)

    def prior(self, *, device: Any = None, rng: Any = None) -> Posterior:
        """The field itself, with the methods of a `Posterior`: no observations."""
        return self.condition([], at=np.zeros(0, dtype=int), device=device, rng=rng)

    def sample(self, size: int | None = None, *, rng: Any = None) -> np.ndarray:
        """Draws (size, n) of the field, or one (n,); SingularError where it is improper."""
        return self.prior(rng=rng).sample(size)

    def log_determinant(self, method: str, *, atol: float, device: Any = None, rng: Any = None) -> Logarithm:
        """log|Q|₊ with respect to the flat measure on the null space and on coefficients of a trend."""
        if self._base is not self:
            inner = self._base.log_determinant(method, atol=atol, device=device, rng=rng)
            return inner.plus(Logarithm(2 * self._log_volume))
        if self.matern is not None:
            return Logarithm(value := self.matern.log_determinant(), rounding=1e-15 * (self.size + abs(value)))
        Q, N = self.precision, self.null_space
        volume = 0.0
        if N.shape[1]:
            # Without the rows of r nodes P, det Q_UU = |Q|₊ det(N_P)²/det(NᵀN).
            R, order = scipy.linalg.qr(N.T, mode="r", pivoting=True)
            rest = np.setdiff1d(np.arange(self.size), order[: N.shape[1]])
            Q = Q[rest][:, rest]
            volume = float(np.linalg.slogdet(N.T @ N)[1] - 2 * np.log(np.abs(np.diag(R))).sum())
        with holding("the precision of the field", IMPROPER):
            return log_determinant(sp.csr_array(Q), method, atol=atol, device=device, rng=rng).plus(Logarithm(volume))
