"""The preconditioned engine: a window in equilibrium is a solve with a perturbed load, and M ≈ A⁻¹ makes it short."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from thermolinalg._arrays import Array, column_norms, namespace, product, standard_normal
from thermolinalg.laws import InversePolynomial, LinearLaw
from thermolinalg.laws._linear import Coefficients
from thermolinalg.matrix_functions._blocks import product_operations
from thermolinalg.matrix_functions._truncation import ROUGH_LOAD, ROUGH_NOISE
from thermolinalg.matrix_functions.base import Cost, Recent
from thermolinalg.matrix_functions.spectrum import largest_eigenvalue, negative_curvature, rounding, steps_to_show
from thermolinalg.operators.preconditioned import Preconditioned

__all__ = ["PreconditionedEngine"]

SHARE = 1e-3
"""What a solve may leave of a load, as a share of the noise that the load is perturbed with, mode by mode."""

NOISELESS = 1e-10
"""The same relative to the load, where there is no noise."""

ROUNDED = 1e-14
"""Residuals relative to the load below which rounding would be all that changes."""

MOST = 1000
"""Steps of a solve; a preconditioner that needs more is none."""

ENDS_RTOL = 0.3
"""Bound of the residual at the lower end of the spectrum: the end itself is known two or three times as well."""

MOST_OF_SOFTEST = 4000
"""Steps towards that end at most."""

SYMMETRIC = 1e-3
"""Asymmetry of M that shortens nothing and is forgiven: flexible directions do not rest on symmetry to rounding."""


class PreconditionedEngine:
    """Inverse polynomials Σ_k c_k A^{-k} of A by flexible conjugate gradients with M ≈ A⁻¹.

    The average over a window in equilibrium is A⁻¹(b + σz) with white noise z (Papandreou and Yuille's
    perturb-and-optimise): a solve need only be exact to a part of σ.

    Parameters
    ----------
    operator : Preconditioned
        A, symmetric positive definite, and M.
    largest : float, optional
        The largest eigenvalue of A, where it is known already.

    Attributes
    ----------
    steps : int
        Of the longest solve of the last call.

    See Also
    --------
    LanczosEngine : Without a preconditioner.

    References
    ----------
    Y. Notay, Flexible conjugate gradients, SIAM J. Sci. Comput. 22, 1444 (2000), doi:10.1137/S1064827599362314;
    A. Knyazev, Toward the optimal preconditioned eigensolver, SIAM J. Sci. Comput. 23, 517 (2001).
    """

    name = "preconditioned"

    def __init__(self, operator: Preconditioned, largest: float | None = None) -> None:
        self.operator, self.steps = operator, 10
        self._largest = largest
        self._forms: Recent[Coefficients | None] = Recent()

    # -- what it is ----------------------------------------------------------------------------------------------------

    @cached_property
    def _interval(self) -> tuple[float, float]:
        largest = largest_eigenvalue(self.operator) if self._largest is None else self._largest
        return self._softest(largest), largest

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of A, to some per cent."""
        return self._interval

    def eigenvalues(self) -> None:
        """Unknown."""
        return

    def cost(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Cost:
        """Cost of a solve that takes as many steps as the last one; that of M is not known and not counted."""
        d = self.operator.shape[0]
        per_column = self.steps * (product_operations(self.operator) + 10.0 * d)
        return Cost(0.0, per_column, self.steps, 48.0 * d * columns)

    def supports(self, law: LinearLaw) -> bool:
        """Whether all outputs are inverse polynomials without roots."""
        return self.draws(law, law.outputs)

    def draws(self, law: LinearLaw, outputs: Sequence[str]) -> bool:
        """Whether these outputs are."""
        form = self._form(law)
        rows = [] if form is None else [form[law.outputs.index(name)] for name in outputs]
        return bool(rows) and not any(f is not None and f.half for row in rows for f in row)

    def _form(self, law: LinearLaw) -> Coefficients | None:
        """The law in equilibrium."""
        return self._forms(law, lambda: law.equilibrium(self._interval[0]))

    # -- what it does --------------------------------------------------------------------------------------------------

    def apply(self, law: LinearLaw, inputs: Sequence[Array | None], outputs: Sequence[str]) -> list[Array]:
        """The named outputs of the law, Σ_j f_ij(A) V_j.

        Parameters
        ----------
        law : LinearLaw
        inputs : sequence of (array or None)
            Blocks V_j of shape (d, k), or (d, 1) to be shared by all columns; None is zero.
        outputs : sequence of str

        Returns
        -------
        list of array

        Raises
        ------
        LinAlgError
            A has negative curvature.
        ValueError
            M is not positive definite or no approximation of A⁻¹, or the law has roots or is not one of equilibrium.
        """
        form = self._form(law)
        if form is None or not self.draws(law, outputs):
            raise ValueError("the preconditioned engine serves averages over windows in equilibrium only")
        self.steps = 0
        return [self._horner(law, form[law.outputs.index(name)], inputs) for name in outputs]

    def _horner(self, law: LinearLaw, row: Sequence[InversePolynomial | None], inputs: Sequence[Array | None]) -> Array:
        """Σ_j Σ_k c_jk A^{-k} V_j, with as small a residual in each solve as the noise of the result hides."""
        used = [(n, f.coefficients, v) for n, f, v in zip(law.inputs, row, inputs, strict=True) if f and v is not None]
        normal, smallest = law.normal_inputs(), self._interval[0]
        noise = max((abs(c[1]) for name, c, _ in used if name in normal and len(c) > 1), default=0.0)
        if law.rough:
            share = ROUGH_NOISE if all(name in normal for name, _, _ in used) else ROUGH_LOAD
            noise *= share * self.operator.shape[0] ** 0.5
        else:
            noise *= SHARE
        total: Array | None = None
        for power in reversed(range(max((len(c) for _, c, _ in used), default=0))):
            if total is not None:
                total = self.solve(total, noise * smallest**power)
            for _, c, v in used:
                if power < len(c) and c[power] != 0:
                    total = c[power] * v if total is None else total + c[power] * v
        like = self.operator.like
        if total is not None:
            return total
        return namespace(like).zeros((self.operator.shape[0], 1), dtype=like.dtype, device=like.device)

    def solve(self, b: Array, tolerance: float = 0.0) -> Array:
        """A⁻¹ B for a block (d, k), with residuals of norm `tolerance`, or as small as can be."""
        xp, sizes = namespace(b), column_norms(b)
        targets = xp.maximum(0 * sizes + tolerance, (ROUNDED if tolerance else NOISELESS) * sizes)
        x, r, p, q, pq, steps = xp.zeros_like(b), b + 0.0, 0 * b, 0 * b, 1.0, 0
        active = sizes > targets
        while bool(active.any()):
            if steps == MOST:
                left = float((column_norms(r) / sizes).max())
                raise ValueError(
                    f"M approximates A⁻¹ too poorly: {MOST} preconditioned steps left {left:.2g} of a load; pass a "
                    "better M, or leave it out"
                )
            z = self.operator.apply_inverse(r)
            rz = _dots(r, z)
            _refuse_indefinite(rz, active, sizes)
            p = z - (_dots(z, q) / pq) * p
            q = self.operator.apply(p)
            pq = xp.where(active, _dots(p, q), 1.0)
            if bool((pq <= 0).any()):
                raise negative_curvature(float((pq / _dots(p, p)).min()), self._interval[1])
            alpha = xp.where(active, _dots(r, p) / pq, 0.0)
            x, r, steps = x + alpha * p, r - alpha * q, steps + 1
            active = active & (column_norms(r) > targets)
        self.steps = max(self.steps, steps)
        return x

    def _softest(self, largest: float) -> float:
        """The smallest eigenvalue of A: steepest descent of vᵀAv/vᵀv along M r and the last step."""
        A, like = self.operator, self.operator.like
        v = standard_normal(np.random.default_rng(A.shape[0]), (A.shape[0], 1), like)
        v = v / column_norms(v)
        basis, images = [v], [A.apply(v)]
        before, last, stiffest, fewest = np.inf, None, 0.0, 0.0
        zero = rounding(A.shape[0], largest, float(namespace(like).finfo(like.dtype).eps))
        for step in range(MOST_OF_SOFTEST):
            value = _dot(basis[0], images[0])
            r = images[0] - value * basis[0]
            if value < -4 * zero * A.shape[0] ** 0.5:
                raise negative_curvature(value, largest)
            rests = before - value <= ENDS_RTOL**2 * value and float(column_norms(r)[0]) <= ENDS_RTOL * value
            if rests and not fewest:
                # The spectrum of M A tells how soon a mode that is softer still would have shown itself.
                fewest = 1 + steps_to_show(A.shape[0], value * _dot(basis[0], A.apply_inverse(basis[0])), stiffest)
            if value <= zero or (rests and step >= fewest):
                break
            before, w = value, A.apply_inverse(r)
            _refuse_indefinite(_dots(r, w), column_norms(r) > 0, column_norms(r))
            if last is not None:
                _refuse_asymmetric(last, (r, w))
            image, last = A.apply(w), (r, w)
            stiffest = max(stiffest, _dot(w, image) / _dot(r, w))
            basis, images = _orthonormal([basis[0], w, *basis[1:]], [images[0], image, *images[1:]])
            small = np.array([[_dot(u, image) for image in images] for u in basis])
            weights = np.linalg.eigh((small + small.T) / 2)[1][:, 0]
            basis, images = _moved(basis, weights), _moved(images, weights)
        return value if value > zero else 0.0


def _dot(u: Array, v: Array) -> float:
    """Inner product of two vectors (d, 1)."""
    return float(product(u.T, v)[0, 0])


def _dots(u: Array, v: Array) -> Array:
    """Inner products (k,) of the columns of two blocks."""
    return np.einsum("ij,ij->j", u, v) if type(u) is np.ndarray else namespace(u).sum(u * v, axis=0)


def _orthonormal(basis: list[Array], images: list[Array]) -> tuple[list[Array], list[Array]]:
    """The span of the basis in order, orthonormal, with its products with A; what depends on others is left out."""
    kept: list[Array] = []
    kept_images: list[Array] = []
    for u, image in zip(basis, images, strict=True):
        size = float(column_norms(u)[0])
        for _ in range(2):
            for w, other in zip(kept, kept_images, strict=True):
                share = _dot(w, u)
                u, image = u - share * w, image - share * other
        left = float(column_norms(u)[0])
        if left > 1e-6 * size:
            kept.append(u / left)
            kept_images.append(image / left)
    return kept, kept_images


def _moved(vectors: list[Array], weights: np.ndarray) -> list[Array]:
    """The combination of these weights, and the part of it that is not along the first vector."""
    rest = sum(
        (float(c) * v for c, v in zip(weights[2:], vectors[2:], strict=True)), start=float(weights[1]) * vectors[1]
    )
    return [float(weights[0]) * vectors[0] + rest, rest]


def _refuse_indefinite(products: Array, active: Array, sizes: Array) -> None:
    """ValueError where rᵀM r ≤ 0 for a residual that is not zero."""
    if bool((active & ~(products > 0)).any()):
        raise ValueError(
            f"M is not positive definite: a residual r of norm {float(sizes.max()):.3g} has rᵀ M r = "
            f"{float(products.min()):.3g}; pass an M that is, or leave it out"
        )


def _refuse_asymmetric(first: tuple[Array, Array], second: tuple[Array, Array]) -> None:
    """ValueError where r₁ᵀ M r₂ and r₂ᵀ M r₁ differ."""
    (r, w), (s, u) = first, second
    one, other, scale = _dot(r, u), _dot(s, w), (_dot(r, w) * _dot(s, u)) ** 0.5
    if abs(one - other) > SYMMETRIC * scale:
        raise ValueError(
            f"M is not symmetric: rᵀ M s and sᵀ M r differ by {abs(one - other) / scale:.2g} of their size; pass a "
            "symmetric M (a symmetric smoother), or leave it out"
        )
