"""Which device dies of a target are of: the one that the user names, or the target's own."""

from collections.abc import Mapping
from pathlib import Path

from mapper.diagnostics import refuse
from targets.devices.device import Device
from targets.devices.load import load_device
from targets.schema import Target


def chosen_device(
    target: Target,
    device: str | Path | Device | None = None,
    settings: Mapping[str, float] | None = None,
) -> Device:
    """Return the device of a target's chips, with what the user sets of it.

    Args:
        target: Its macros name the device unless the user does.
        device: A device, its name or its file; None: the target's own.
        settings: Facts to replace, ``{"cell.sigma": 0.1}``.

    Raises:
        MappingError: ``no-device`` where the target names none, or several; what is wrong with a
            file or a setting; ``device-levels`` where cells do not hold the levels of a macro.
    """
    found = device
    if found is None:
        found = _own(target)
    elif not isinstance(found, Device):
        found = load_device(found)
    for macro in target.macros:
        found.check_levels(macro)
    return found.with_set(settings or {})


def _own(target: Target) -> Device:
    named = {macro.device.digest: macro.device for macro in target.macros if macro.device}
    if len(named) == 1 and all(macro.device for macro in target.macros):
        return next(iter(named.values()))
    names = ", ".join(device.name for device in named.values())
    said = f"its macros name {names}, and not all the same" if named else "none of its macros does"
    raise refuse(
        "no-device",
        f"target '{target.name}' does not say which device it is made of: {said}",
        loc=target.name,
        help="name one with --device; 'spikeloom devices' lists them",
    )
