"""A⁻¹ as a SciPy linear operator: A is programmed once, every application is a solve on the device."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse.linalg import LinearOperator

from thermolinalg._arrays import dtype_name, is_distributed, is_torch, to_numpy
from thermolinalg._autograd import wants_gradients
from thermolinalg._info import Info
from thermolinalg._validation import as_count, as_numpy, as_rng
from thermolinalg.devices import Device, Schedule
from thermolinalg.operators.read import ReadMatrix, read_matrix
from thermolinalg.primitives._devices import as_schedule
from thermolinalg.primitives._tolerance import MAXITER, read_rtol
from thermolinalg.primitives.solver import Solver

__all__ = ["ThermodynamicInverse"]


class ThermodynamicInverse(LinearOperator):  # type: ignore[misc]
    r"""The inverse of A, as a `scipy.sparse.linalg.LinearOperator` whose products are solves on a device.

    A is written into the device once, at the first product; many columns run side by side. Each product B ↦ X meets
    ‖b − A x‖ ≤ rtol ‖b‖ in every column, so the map is linear and symmetric up to rtol.

    Parameters
    ----------
    A : array_like, sparse array, LinearOperator or Operator, shape (d, d)
        Any square matrix; held as in `thermolinalg.solve`.
    assume_a : str, optional
        As in `thermolinalg.solve`.
    rtol : float, optional
        Relative residual of each product. Default: 1e-10 in double precision, 1e-5 in single.
    maxiter : int, optional
        Device runs per product at most.
    schedule : Schedule, optional
        Timetable of each run. Default: long enough to leave one tenth of the residual.
    device : Device, optional
        Default: an ideal overdamped `LangevinDevice`.
    rng : None, int or numpy.random.Generator, optional
        Source of randomness; None is fresh entropy.

    Attributes
    ----------
    info : Info or None
        Report of the last product, as `thermolinalg.solve` returns it.

    Raises
    ------
    LinAlgError
        At the first product, where A is singular or not positive definite.
    ValueError
        A is not square, or holds NaN or infinity; negative tolerances.

    Warns
    -----
    ThermodynamicWarning
        A product missed its tolerance; `info.success` is False.

    See Also
    --------
    thermolinalg.inv : The inverse as an array.

    Notes
    -----
    As ``M=`` of `cg` or `gmres` at a loose rtol it is a preconditioner that differs a little from product to product:
    methods that assume a fixed one then stall near that rtol. `thermolinalg.langevin` is made for that case.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.sparse.linalg import eigsh
    >>> from thermolinalg import ThermodynamicInverse
    >>> A = np.diag([2.0, 3.0, 5.0, 7.0])
    >>> inverse = ThermodynamicInverse(A)
    >>> np.allclose(inverse @ np.ones(4), [1 / 2, 1 / 3, 1 / 5, 1 / 7])
    True
    >>> np.allclose(eigsh(A, k=2, sigma=0, OPinv=inverse, return_eigenvectors=False), [2.0, 3.0])
    True
    """

    def __init__(
        self,
        A: Any,
        *,
        assume_a: str | None = None,
        rtol: float | None = None,
        maxiter: int = MAXITER,
        schedule: Schedule | None = None,
        device: Device | None = None,
        rng: Any = None,
    ) -> None:
        self._read: ReadMatrix = read_matrix(A, assume_a=assume_a, gradients=True)
        like = self._read.operator.like
        self.rtol = read_rtol(rtol, refine=True)
        self.maxiter = as_count(maxiter, "maxiter")
        self.schedule, self.rng = as_schedule(schedule), as_rng(rng)
        self.device = device
        self.info: Info | None = None
        self._prepared = Solver(self._read, device, self.rng)
        dtype = np.result_type(dtype_name(like), np.complex64 if self._read.is_complex else np.float32)
        super().__init__(dtype, self._read.shape)

    def matvec(self, x: Any) -> Any:
        """A⁻¹x of a vector; a tensor for a tensor."""
        return self._solve(x) if self._stays_tensor(x) else super().matvec(_read(x))

    def matmat(self, X: Any) -> Any:
        """A⁻¹X of a block of columns; a tensor for a tensor."""
        return self._solve(X) if self._stays_tensor(X) else super().matmat(_read(X))

    def rmatvec(self, x: Any) -> Any:
        """A⁻ᴴx of a vector; a tensor for a tensor."""
        return self._solve(x, adjoint=True) if self._stays_tensor(x) else super().rmatvec(_read(x))

    def rmatmat(self, X: Any) -> Any:
        """A⁻ᴴX of a block of columns; a tensor for a tensor."""
        return self._solve(X, adjoint=True) if self._stays_tensor(X) else super().rmatmat(_read(X))

    def dot(self, x: Any) -> Any:
        """A⁻¹x of a vector or block, or the product with another operator; a tensor for a tensor."""
        return self._solve(x) if self._stays_tensor(x) else super().dot(_read(x))

    def _stays_tensor(self, x: Any) -> bool:
        """Whether x is a tensor to stay one; for A of NumPy it becomes an array, unless that would lose gradients.

        Rows on several ranks stay where they are.
        """
        return is_distributed(x) or (is_torch(x) and (is_torch(self._read.operator.like) or wants_gradients(x)))

    def _matmat(self, b: np.ndarray) -> np.ndarray:
        return self._in_numpy(b, adjoint=False)

    def _rmatmat(self, b: np.ndarray) -> np.ndarray:
        return self._in_numpy(b, adjoint=True)

    def _rmatvec(self, b: np.ndarray) -> np.ndarray:
        return self._rmatmat(b.reshape(-1, 1)).ravel()  # SciPy 1.15 does not find it by itself

    def _in_numpy(self, b: np.ndarray, *, adjoint: bool) -> np.ndarray:
        if wants_gradients(self._read.graph):
            raise TypeError(
                "A requires gradients, which no NumPy array carries; pass tensors to @ or rmatmat, or pass A.detach()"
            )
        return to_numpy(self._solve(b, adjoint=adjoint))

    def _solve(self, b: Any, *, adjoint: bool = False) -> Any:
        solver = self._prepared.adjoint if adjoint else self._prepared
        x, self.info = solver.solve(
            b, rtol=self.rtol, maxiter=self.maxiter, schedule=self.schedule, rng=self.rng, return_info=True
        )
        return x


def _read(x: Any) -> Any:
    """Arrays of other libraries as those of NumPy."""
    return as_numpy(x, "b") if hasattr(x, "__array_namespace__") else x
