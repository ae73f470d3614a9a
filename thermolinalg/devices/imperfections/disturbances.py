"""What disturbs a device from outside, or in time: interference, 1/f noise, cold starts, a clock that jitters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from thermolinalg.devices.imperfections.sourced import Number, Part, Quantity, as_error, as_limit
from thermolinalg.simulation.shots import JUMPS

__all__ = ["Clock", "DriveFlicker", "Flicker", "Interference", "Shots", "Warming"]


@dataclass(frozen=True)
class Interference(Part):
    """A line, such as hum of the mains, that couples into nodes and readings.

    Parameters
    ----------
    amplitude : float or None
        Standard deviation over the nodes of u_i, the amplitude of a current u_i cos(ωt + φ) beside the load of each
        node, in units of the full range of a load; frozen. The phase φ is another one in each run.
    pickup : float or None
        Standard deviation over the nodes of v_i, the amplitude of v_i cos(ωt + φ) in their readings, likewise.
    frequency : float or None
        ω in 1/τ, positive where there is an amplitude or a pickup.

    See Also
    --------
    Amplifiers, Capacitors, Converter, Couplings, Flicker, Noise, Warming : Parts of `Imperfections`.

    Notes
    -----
    Voltages of dx = −(A x − b − u cos(ωt + φ)) dt + noise follow the line with the amplitudes |(A + iω)⁻¹u|. An average
    over a window T_w in equilibrium keeps sin(ωT_w/2)/(ωT_w/2) of that, which falls as 1/(ωT_w).
    """

    amplitude: Annotated[Number, Quantity("of full range")] = 0.0
    pickup: Annotated[Number, Quantity("of full range")] = 0.0
    frequency: Annotated[Number, Quantity("1/τ")] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_perfect and not self.known("frequency"):
            raise ValueError(f"frequency must be known and positive where a line couples in, got {self.frequency!r}")

    @property
    def is_perfect(self) -> bool:
        """Whether no line couples in, as far as it is known."""
        return not (self.known("amplitude") or self.known("pickup"))


@dataclass(frozen=True)
class Flicker(Part):
    """Noise of the readings whose spectrum falls as 1/f, independent from node to node and from run to run.

    Parameters
    ----------
    size : float or None
        Standard deviation, in units of the full range of a load.
    fastest, slowest : float
        τ_1 and τ_n, the correlation times in τ between which the spectrum falls as 1/f: it is flat below 1/(2πτ_n), and
        falls as 1/f² above 1/(2πτ_1). What is slower than τ_n is an offset.

    See Also
    --------
    Amplifiers, Capacitors, Converter, Couplings, Interference, Noise, Warming : Parts of `Imperfections`.

    Notes
    -----
    It is a sum of n Ornstein–Uhlenbeck processes, one for each octave: its autocovariance is
    c(t) = size²/n Σ e^{−t/τ_k}. An average of N readings, Δ apart, has the variance
    1/N² Σ_{lm} c((l − m)Δ), which hardly falls until NΔ exceeds τ_n.
    """

    size: Annotated[Number, Quantity("of full range")] = 0.0
    fastest: float = 1.0
    slowest: float = 1e6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.fastest <= self.slowest < float("inf"):
            raise ValueError(
                f"fastest and slowest must be 0 < fastest <= slowest, got {self.fastest} and {self.slowest}"
            )


@dataclass(frozen=True)
class DriveFlicker(Part):
    """Noise of the drive that falls as 1/f, beside its white noise; of its own in each run.

    Parameters
    ----------
    corner : float or None
        ω_c in 1/τ, the frequency at which it has the spectrum of the white noise, 2T; ω_c/ω of that elsewhere.
    fastest, slowest : float
        τ_1 < τ_n, the correlation times in τ between which the spectrum falls as 1/f, as for `Flicker`.

    See Also
    --------
    Amplifiers, Capacitors, Clock, Converter, Couplings, Flicker, Interference, Noise, Shots : Parts of `Imperfections`.

    Notes
    -----
    It is a sum of n Ornstein–Uhlenbeck currents into each node, of the variance σ² = 2T ω_c ln(r)/π each, where r is
    the ratio of neighbouring τ_k, 2 or a little less. A mode λ has the variance T/λ + σ² Σ_k 1/(λ(λ + 1/τ_k)), and its
    average over a window T_w ≫ 1/λ the variance (2T/T_w + σ² Σ_k 2(x_k − 1 + e^{−x_k})/x_k²)/λ², x_k = T_w/τ_k, which
    hardly falls until T_w exceeds τ_n.
    """

    corner: Annotated[Number, Quantity("1/τ")] = 0.0
    fastest: float = 1.0
    slowest: float = 1e6

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.fastest < self.slowest < float("inf"):
            raise ValueError(
                f"fastest and slowest must be 0 < fastest < slowest, got {self.fastest} and {self.slowest}"
            )


@dataclass(frozen=True)
class Warming(Part):
    """A device that warms up in each run, and is as it was designed only long after the start.

    Parameters
    ----------
    temperature : float or None
        ε_T: the temperature of the noise is T (1 + ε_T e^{−t/w}) a time t after the start of a run.
    conductance : float or None
        ε_G: all couplings are (1 + ε_G e^{−t/w}) G then.
    time : float or None
        w in τ, positive where anything changes.

    See Also
    --------
    Amplifiers, Capacitors, Converter, Couplings, Flicker, Interference, Noise : Parts of `Imperfections`.

    Notes
    -----
    A mode λ whose temperature alone changes has, from rest, the variance
    T (1 − e^{−2λt})/λ + 2 ε_T T (e^{−t/w} − e^{−2λt})/(2λ − 1/w). Where w is long, readings are those of the
    temperature and the conductances at their time.
    """

    temperature: Annotated[Number, Quantity("relative", as_error)] = 0.0
    conductance: Annotated[Number, Quantity("relative", as_error)] = 0.0
    time: Annotated[Number, Quantity("τ")] = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.is_perfect and not self.known("time"):
            raise ValueError(f"time must be known and positive where a device warms up, got {self.time!r}")

    @property
    def is_perfect(self) -> bool:
        """Whether nothing changes, as far as it is known."""
        return not (self.known("temperature") or self.known("conductance"))

    def excess(self, begin: float, duration: float) -> float:
        """Mean of ε_G e^{−t/w} over a window, ε_G w (e^{−t₀/w} − e^{−(t₀ + T_w)/w})/T_w.

        Parameters
        ----------
        begin, duration : float
            t₀ and T_w, in τ.

        Returns
        -------
        float
        """
        if not self.known("conductance"):
            return 0.0
        time = self.known("time")
        return -self.known("conductance") * math.exp(-begin / time) * math.expm1(-duration / time) * time / duration


@dataclass(frozen=True)
class Clock(Part):
    """The clock that tells when a reading is taken.

    Parameters
    ----------
    jitter : float or None
        Standard deviation δ in τ of each instant, independent from reading to reading. Readings have to be at least 8δ
        apart, and no instant is off by more than half their spacing.

    See Also
    --------
    Amplifiers, Capacitors, Converter, Couplings, Flicker, Interference, Noise, Warming : Parts of `Imperfections`.

    Notes
    -----
    In equilibrium a jitter leaves the mean and the covariance of readings as they are. Their autocovariance
    e^{−M Δ}Σ at a nominal distance Δ becomes e^{−M Δ} e^{M²δ²}Σ. Windows that integrate do not depend on it.
    """

    jitter: Annotated[Number, Quantity("τ")] = 0.0


@dataclass(frozen=True)
class Shots(Part):
    """A drive that is no white noise but shots: jumps at random times, of the same intensity.

    Parameters
    ----------
    rate : float or None
        ν, shots of each source per τ; infinite: Gaussian white noise.
    jumps : str
        Law of a jump J: ``"signs"``, ±|J| with equal chances; ``"normal"``; or ``"laplace"``.

    See Also
    --------
    Amplifiers, Capacitors, Clock, Converter, Couplings, Flicker, Interference, Noise, Warming : Other parts.

    Notes
    -----
    With ν E J² = 2T means and covariances are those of Gaussian noise (Campbell's theorem), and so is what averages
    scatter by. Fourth cumulants are not: in equilibrium, with the eigenvectors V of A,
    κ_ijkl = ν E J⁴ Σ_pqrs V_ip V_jq V_kr V_ls Σ_m V_mp V_mq V_mr V_ms/(λ_p + λ_q + λ_r + λ_s), so that a single node
    has the excess kurtosis λ E J⁴/(E J²)²/ν; E J⁴/(E J²)² is 1, 3 and 6.

    References
    ----------
    S. O. Rice, Mathematical analysis of random noise, Bell System Technical Journal 23 (1944) 282.
    """

    rate: Annotated[Number, Quantity("1/τ", as_limit)] = math.inf
    jumps: str = "signs"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.jumps not in JUMPS:
            raise ValueError(f"jumps must be one of {', '.join(map(repr, JUMPS))}, got {self.jumps!r}")
