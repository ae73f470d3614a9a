"""Devices that other packages bring, by name."""

from __future__ import annotations

from importlib.metadata import entry_points

from thermolinalg.devices.protocols import Device

__all__ = ["GROUP", "installed_devices", "named_device"]

GROUP = "thermolinalg.devices"
"""The entry points under which a package registers its devices."""


def installed_devices() -> tuple[str, ...]:
    """Names of the devices that installed packages register, for ``device="name"``.

    A package registers a device, or what makes one without arguments, under an entry point:

    .. code-block:: toml

        [project.entry-points."thermolinalg.devices"]
        chip = "my_package:ChipDevice"

    Returns
    -------
    tuple of str
        In alphabetical order.

    See Also
    --------
    RemoteDevice : A chip at the end of a line.

    Examples
    --------
    >>> from thermolinalg.devices import installed_devices
    >>> isinstance(installed_devices(), tuple)
    True
    """
    return tuple(sorted(entry_points(group=GROUP).names))


def named_device(name: str) -> Device:
    """The device that a package has registered under a name.

    Parameters
    ----------
    name : str

    Returns
    -------
    Device

    Raises
    ------
    TypeError
        None is registered under that name; the message lists those that are.
    """
    known = entry_points(group=GROUP)
    if name not in known.names:
        names = ", ".join(installed_devices()) or "none"
        raise TypeError(
            f"device must be None or have a method program(operator), such as LangevinDevice(); not {name!r}, which is "
            f"no name of a registered device either (registered: {names})"
        )
    made: Device = known[name].load()
    device: Device = made() if isinstance(made, type) or not callable(getattr(made, "program", None)) else made  # type: ignore[operator]
    return device
