"""Which engine runs, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial

import numpy as np

from thermolinalg._arrays import is_distributed
from thermolinalg.laws import LinearLaw
from thermolinalg.matrix_functions._blocks import product_operations
from thermolinalg.matrix_functions._fill import RUNS, SparsePrice
from thermolinalg.matrix_functions.base import Cost, Diagonalising, Engine
from thermolinalg.matrix_functions.chebyshev import ChebyshevEngine
from thermolinalg.matrix_functions.choice import Choice, Plan, Price
from thermolinalg.matrix_functions.dense import DenseEngine
from thermolinalg.matrix_functions.factorised import Factorised
from thermolinalg.matrix_functions.lanczos import LanczosEngine
from thermolinalg.matrix_functions.preconditioned import PreconditionedEngine
from thermolinalg.matrix_functions.rational import RationalEngine
from thermolinalg.matrix_functions.sparse_factor import cholmod
from thermolinalg.matrix_functions.spectrum import LARGE, LargeSpectrum, largest_eigenvalue, spectral_interval
from thermolinalg.matrix_functions.structures import exact_engine
from thermolinalg.operators import Dense, Normal, Operator, Sparse
from thermolinalg.operators.preconditioned import Preconditioned

__all__ = ["Choice", "Engines", "Price"]

SMALL = 128
"""Up to this size everything is one eigendecomposition of a matrix that fits the cache."""

FORMABLE = 1024
"""Up to this size an operator known by its products may be formed, at the price of d products."""

FORMABLE_NORMAL = 4096
"""Up to this size XᵀX is formed: one matrix product, cheaper than the products of a Krylov space."""

PROBE, PROBED = 40, 0.02
"""Products spent on the ends of an array's spectrum, to see whether a polynomial will do: at least, and per row."""

MOST_PRODUCTS = 4000
"""Such products at most for a large A: enough for condition numbers of a few hundred thousand."""

PRODUCT_WEIGHT = 10.0
"""A product with A moves memory; a flop in it costs about this many flops of a dense factorisation."""

SOFTEST = 8
"""Solves that a factor takes to find the smallest eigenvalue of A."""

ENDS_RTOL = 0.3
"""Bound of the residual at the ends of a large spectrum: the ends themselves are known two or three times as well."""

SHARE = 1e-3
"""Error of a mode, as a share of its noise, that the polynomials of a large sparse A may leave."""

FINE = 1e-6
"""The same where an eigendecomposition, which is exact, is within reach."""


@dataclass
class Engines:
    """The engines of one operator, built when first needed and kept.

    Parameters
    ----------
    operator : Operator
        Symmetric positive semidefinite.
    largest : float, optional
        Its largest eigenvalue, where it is known already.

    See Also
    --------
    SingularEngine, SingularEngines, Diagonalising, Engine : Protocols and choices of engines.
    """

    operator: Operator
    largest: float | None = None
    _built: dict[str, Engine] = field(default_factory=dict, init=False, repr=False)

    def interval(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue, from the cheapest engine that knows them."""
        return self._engine(self._home()).interval()

    def largest_eigenvalue(self) -> float:
        """Largest eigenvalue, by the engine that A's size makes at once, or from a few products."""
        if self._large:
            return self._ends.largest()
        return self.interval()[1] if self._up_to(SMALL) else largest_eigenvalue(self.operator)

    def shifted(self, operator: Operator, mu: float) -> Engines | None:
        """The engines of `operator` = A + μI where an eigendecomposition of A is at hand, which then serves both."""
        engine = self._built.get("eigh")
        if not isinstance(engine, DenseEngine):
            return None
        other = Engines(operator)
        other._built["eigh"] = engine.shifted(operator, mu)
        return other

    def choose(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Choice:
        """The engine for these outputs of a law, for blocks of so many columns.

        Parameters
        ----------
        law : LinearLaw
            What is simulated.
        outputs : sequence of str
            Which of its outputs are asked for.
        columns : int
            Of each block.

        Returns
        -------
        Choice
            The engine, and why.
        """
        plan = self._plan(law, outputs, columns)
        return Choice(self._engine(plan), plan.reason, plan.cost)

    def price(self, law: LinearLaw, outputs: Sequence[str], columns: int = 1) -> Price:
        """What `choose` would choose and what that would spend; an eigendecomposition is priced, not computed.

        Parameters
        ----------
        law, outputs, columns
            As for `choose`.

        Returns
        -------
        Price
        """
        plan = self._plan(law, outputs, columns)
        built = self._built.get(plan.key) if plan.cost is None else None
        return Price(plan.name, plan.reason, plan.cost if built is None else built.cost(law, outputs, columns))

    def modes(self) -> Choice:
        """The engine that has the eigenvectors of A, for results that are as large as A itself.

        Returns
        -------
        Choice
            The engine, and why.
        """
        if (exact := self._known) is not None and isinstance(engine := self._engine(exact), Diagonalising):
            return Choice(engine, exact.reason, exact.cost)
        plan = self._eigh("correlated readings of all nodes together are drawn mode by mode: one eigendecomposition")
        return Choice(self._engine(plan), plan.reason)

    # -- one plan each ------------------------------------------------------------------------------------------------

    def _engine(self, plan: Plan) -> Engine:
        if plan.key not in self._built:
            self._built[plan.key] = plan.build()
        return self._built[plan.key]

    def _plan(self, law: LinearLaw, outputs: Sequence[str], columns: int) -> Plan:
        if (exact := self._known) is not None:
            return exact
        if isinstance(self.operator, Preconditioned):
            engine = self._engine(self._preconditioned)
            assert isinstance(engine, PreconditionedEngine)
            return self._preconditioned if engine.draws(law, outputs) else self._plain._plan(law, outputs, columns)
        if not self._is_array():
            return self._products(law, outputs, columns)
        if "eigh" in self._built:
            return self._eigh("its eigendecomposition is at hand")
        spared = self._instead_of_a_factor(law, outputs, columns)
        if spared is not None:
            return spared
        # Nothing is factorised for a run too short for any spectrum.
        worth = "factorised" in self._built or law.equilibrium(math.inf) is not None
        if worth and self._engine(self._factorisation).supports(law):
            return self._factorisation
        return self._eigh_or_products(law, outputs, columns)

    def _eigh(self, reason: str, cost: Cost | None = None) -> Plan:
        return Plan("eigh", DenseEngine.name, lambda: DenseEngine(self.operator), reason, cost)

    def _is_array(self) -> bool:
        """Whether A is an array, or a normal operator that is cheap to form as one."""
        formable = isinstance(self.operator, Normal) and self._up_to(FORMABLE_NORMAL)
        return formable or isinstance(self.operator, (Dense, Sparse))

    @cached_property
    def _known(self) -> Plan | None:
        """The plan that A's structure or size makes at once."""
        if (rule := exact_engine(self.operator)) is not None:
            return Plan("exact", rule.name, partial(rule.build, self.operator), rule.reason)
        if not self._up_to(SMALL):
            return None
        d = self.operator.shape[0]
        return self._eigh(f"A is small ({d}): one eigendecomposition serves every run", DenseEngine.price(d))

    @cached_property
    def _preconditioned(self) -> Plan:
        """The plan of averages in equilibrium where M ≈ A⁻¹ is given."""
        assert isinstance(self.operator, Preconditioned)
        build = partial(PreconditionedEngine, self.operator, self.largest)
        return Plan("preconditioned", PreconditionedEngine.name, build, "M makes solves with a perturbed load short")

    @cached_property
    def _plain(self) -> Engines:
        """The engines of A without M, for what is no solve."""
        assert isinstance(self.operator, Preconditioned)
        return Engines(self.operator.operator, self.largest)

    def _home(self) -> Plan:
        """The engine that a default run uses."""
        if (exact := self._known) is not None:
            return exact
        if isinstance(self.operator, Preconditioned):
            return self._preconditioned
        if "eigh" in self._built:
            return self._eigh("its eigendecomposition is at hand")
        if self._large and "factorised" not in self._built and self._chebyshev_engine().spectrum().settled:
            return self._chebyshev("products with A tell the ends of its spectrum", None)
        return self._factorisation if self._is_array() else self._lanczos("A is known by its products only")

    @cached_property
    def _large(self) -> bool:
        """Whether A is met by products first: a sparse array whose factor has to earn its price, or too large a map."""
        if isinstance(self.operator, Sparse):
            return self.operator.shape[0] >= LARGE
        return not self._up_to(FORMABLE) and not self._is_array() and self._known is None

    def _up_to(self, most: int) -> bool:
        """Whether A is so small; one on several ranks is never formed, whatever its size."""
        return self.operator.shape[0] <= most and not is_distributed(self.operator.like)

    @cached_property
    def _ends(self) -> LargeSpectrum:
        """The ends of its spectrum."""
        return LargeSpectrum(self.operator)

    @cached_property
    def _sparse_price(self) -> SparsePrice:
        assert isinstance(self.operator, Sparse)
        return SparsePrice(self.operator.matrix)

    @property
    def _factor_price(self) -> Cost:
        """Cost of a factor of an array, sparse ones by the estimate of what it fills in."""
        if not isinstance(self.operator, Sparse):
            return Factorised.price(self.operator.shape[0])
        once = self._sparse_price.cost
        return Cost(once.setup + SOFTEST * once.per_column, once.per_column, memory=once.memory)

    def _instead_of_a_factor(self, law: LinearLaw, outputs: Sequence[str], columns: int) -> Plan | None:
        """Products with a large sparse A, as long as they take less than its factor would, or a solve with it."""
        if not self._large or "factorised" in self._built:
            return None
        engine = self._chebyshev_engine()
        if not engine.spectrum().settled or engine.degree(law, outputs) is None:
            return None
        price = engine.cost(law, outputs, columns)
        spent = engine.n_matvec * product_operations(self.operator) + price.total(columns)
        if law.rough:
            spent = max(spent, RUNS * price.total(columns))
        factor = None if self._sparse_price.exceeds(spent) else self._factor_price
        if factor is not None and price.per_column > factor.per_column and spent > factor.setup:
            return None
        return self._chebyshev(f"{price.products} products with A cost less than a sparse factor", price)

    @cached_property
    def _factorisation(self) -> Plan:
        """The plan of an array's runs in equilibrium."""
        kind = "sparse LDLᵀ" if (sparse := isinstance(self.operator, Sparse)) else "Cholesky"
        by = " by CHOLMOD" if sparse and cholmod() else ""
        reason = f"windows in equilibrium need one factorisation{by}, not an eigendecomposition"
        return Plan(
            "factorised",
            f"factorised ({kind})",
            lambda: Factorised(self.operator, self.largest),
            reason,
            self._factor_price,
        )

    def _eigh_or_products(self, law: LinearLaw, outputs: Sequence[str], columns: int) -> Plan:
        """Runs that a factor of A does not serve: an eigendecomposition, products, or factors of shifted A."""
        direct, chebyshev = DenseEngine.price(self.operator.shape[0]), self._chebyshev_engine()
        price = chebyshev.cost(law, outputs, columns)
        reason = "short runs need functions of every eigenvalue: one eigendecomposition"
        plan, best = self._eigh(reason, direct), direct.total(columns)
        if chebyshev.degree(law, outputs) is not None and PRODUCT_WEIGHT * price.total(columns) < best:
            reason = f"{price.products} products with A cost less than its eigendecomposition"
            plan, best = self._chebyshev(reason, price), PRODUCT_WEIGHT * price.total(columns)
        # Products that were paid for already count: factors that serve all further runs cost no more than those.
        spent = best + PRODUCT_WEIGHT * chebyshev.n_matvec * product_operations(self.operator)
        if not isinstance(self.operator, Sparse) or self._sparse_price.exceeds(spent / PRODUCT_WEIGHT):
            return plan
        if (rational := self._rational_engine) is None:
            return plan
        shifted = rational.cost(law, outputs, columns)
        if PRODUCT_WEIGHT * shifted.total(columns) >= spent or PRODUCT_WEIGHT * shifted.per_column * columns >= best:
            return plan
        reason = f"{shifted.products} shifted factors of A cost less than {price.products} products or its eigenvectors"
        return Plan("rational", rational.name, lambda: rational, reason, shifted)

    @cached_property
    def _rational_engine(self) -> RationalEngine | None:
        """Shifted inverses, on the interval that a factor of A tells; None where A is singular."""
        assert isinstance(self.operator, Sparse)
        try:
            interval = self._engine(self._factorisation).interval()
        except np.linalg.LinAlgError:
            return None
        return RationalEngine(self.operator, interval, self._sparse_price, share=SHARE if self._large else FINE)

    def _products(self, law: LinearLaw, outputs: Sequence[str], columns: int) -> Plan:
        d = self.operator.shape[0]
        chebyshev = self._chebyshev_engine()
        degree = chebyshev.degree(law, outputs)
        if self._large and chebyshev.hides(law, outputs):
            reason = f"A is known by its products only; {degree} of them are exact to its noise"
            return self._chebyshev(reason, chebyshev.cost(law, outputs, columns))
        if (degree is None and self._up_to(LARGE)) or (degree is not None and degree > d and self._up_to(FORMABLE)):
            reason = f"forming A takes {d} products, fewer than a polynomial would need"
            return self._eigh(reason, DenseEngine.price(d))
        lanczos = self._engine(self._lanczos(""))
        prices = chebyshev.cost(law, outputs, columns), lanczos.cost(law, outputs, columns)
        if degree is not None and prices[0].total(columns) < prices[1].total(columns):
            reason = f"A is known by its products only; a polynomial of degree {degree} is enough"
            return self._chebyshev(reason, prices[0])
        return self._lanczos("A is known by its products only; Krylov spaces adapt to its spectrum", prices[1])

    def _chebyshev(self, reason: str, cost: Cost | None) -> Plan:
        return Plan("chebyshev", ChebyshevEngine.name, self._chebyshev_engine, reason, cost)

    def _chebyshev_engine(self) -> ChebyshevEngine:
        if "chebyshev" not in self._built:
            interval, share = None, SHARE if self._large else None
            if self._large:
                interval = self._ends.interval(ENDS_RTOL, MOST_PRODUCTS, self._within_reach)
            elif self._is_array():
                interval = spectral_interval(self.operator, max_steps=max(PROBE, int(PROBED * self.operator.shape[0])))
            self._built["chebyshev"] = ChebyshevEngine(self.operator, interval, share=share)
        engine = self._built["chebyshev"]
        assert isinstance(engine, ChebyshevEngine)
        return engine

    def _within_reach(self, condition: float) -> bool:
        """Whether polynomials may do at this condition number at least: a search must not cost what it may spare."""
        return not self._is_array() or self._sparse_price.reaches(condition)

    def _lanczos(self, reason: str, cost: Cost | None = None) -> Plan:
        def build() -> Engine:
            return LanczosEngine(self.operator, self._chebyshev_engine().spectrum())

        return Plan("lanczos", LanczosEngine.name, build, reason, cost)
