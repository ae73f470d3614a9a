"""What a conversion takes, by the figures of merit that converters are compared with."""

from __future__ import annotations

from thermolinalg._validation import as_count, as_positive
from thermolinalg.hardware.quantity import Quantity

__all__ = ["conversion_energy"]

WALDEN = 2.2e-15
"""Walden's figure of merit in J per conversion step: the best converters of 2013, which few reach."""

SCHREIER = 175.0
"""Schreier's figure of merit in dB, where thermal noise sets the energy; 10 dB less is ten times as much."""

STEPS_COUNT = 12
"""Bits up to which the steps count, and above which noise does: each rule is the larger one on its side, roughly."""


def conversion_energy(bits: int, *, walden: float = WALDEN, schreier: float = SCHREIER) -> Quantity:
    r"""Energy of one analog-to-digital conversion by its effective bits.

    Up to 12 bits :math:`\mathrm{FOM}_W 2^b`, above :math:`\tfrac12 10^{(\mathrm{SNDR} - \mathrm{FOM}_S)/10}` with
    SNDR = 6.02 b + 1.76 dB.

    Parameters
    ----------
    bits : int
        Effective ones, at least 1.
    walden : float, optional
        FOM_W in J per conversion step.
    schreier : float, optional
        FOM_S in dB.

    Returns
    -------
    Quantity
        In J.

    Raises
    ------
    ValueError
        Less than one bit, or a figure of merit that is not positive.

    See Also
    --------
    Bill, Item, Quantity, as_hardware : Prices and what is charged.

    References
    ----------
    R. H. Walden, IEEE J. Sel. Areas Commun. 17, 539 (1999); R. Schreier, G. C. Temes, Understanding Delta-Sigma Data
    Converters (2005). 2.2 fJ: the survey at converterpassion.wordpress.com; 175 dB is an assumption.

    Examples
    --------
    >>> print(conversion_energy(8))
    563.2 fJ (2.2 fJ per step, the best of converterpassion's survey of 2013, times 2^8)
    >>> print(conversion_energy(16))
    10.16 nJ (Schreier's figure of merit, 175 dB by assumption, at 16 bits)
    """
    bits = as_count(bits, "bits")
    walden, schreier = as_positive(walden, "walden"), as_positive(schreier, "schreier")
    if bits <= STEPS_COUNT:
        best = "the best of converterpassion's survey of 2013" if walden == WALDEN else "as given"
        return Quantity(walden * 2.0**bits, "J", f"{1e15 * walden:g} fJ per step, {best}, times 2^{bits}")
    energy = 0.5 * 10 ** ((6.02 * bits + 1.76 - schreier) / 10)
    told = "by assumption" if schreier == SCHREIER else "as given"
    return Quantity(energy, "J", f"Schreier's figure of merit, {schreier:g} dB {told}, at {bits} bits")
