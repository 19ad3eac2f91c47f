"""What there is to choose from: targets, devices, published parts, passes."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from mapper.cost.components import at_node
from mapper.diagnostics import MappingError, printable, refuse
from mapper.notebook import html_table
from passes import PIPELINE, Pass
from passes.options import options_of, unknown_pass
from targets import (
    PartList,
    Target,
    list_parts,
    list_targets,
    load_parts,
    load_target,
    target_to_data,
    toml_of,
)
from targets.devices import (
    Device,
    Imperfections,
    device_names,
    is_shipped,
    load_device,
    shipped_device_text,
)

TARGETS_SCHEMA = "spikeloom/targets/1"
DEVICES_SCHEMA = "spikeloom/devices/1"
COMPONENTS_SCHEMA = "spikeloom/components/1"
PASSES_SCHEMA = "spikeloom/passes/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetList:
    """All targets that come with the compiler."""

    targets: tuple[Target, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom targets``."""
        rows = [{"name": target.name, "summary": target.summary} for target in self.targets]
        return {"schema": TARGETS_SCHEMA, "targets": rows}

    def __repr__(self) -> str:
        return printable(f"TargetList({', '.join(target.name for target in self.targets)})")

    def _repr_html_(self) -> str:
        rows = ((target.name, target.summary) for target in self.targets)
        return html_table("targets", ("target", "what it is"), rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFacts:
    """Every fact of one target."""

    target: Target
    toml: str = ""
    """A file to start another target from, which loads to this one; empty where not asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom targets NAME``."""
        facts = {"schema": TARGETS_SCHEMA, "target": target_to_data(self.target)}
        return {**facts, "toml": self.toml} if self.toml else facts


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceList:
    """All devices that come with the compiler."""

    devices: tuple[Device, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom devices``."""
        return {"schema": DEVICES_SCHEMA, "devices": [_device_row(d) for d in self.devices]}

    def __repr__(self) -> str:
        return printable(f"DeviceList({', '.join(device.name for device in self.devices)})")

    def _repr_html_(self) -> str:
        rows = ((d.name, d.kind, yes(d.verified), d.summary) for d in self.devices)
        return html_table("devices", ("device", "kind", "verified", "what it is"), rows)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """Every fact of one device and, with a target, what it does there in counts."""

    device: Device
    counts: tuple[Imperfections, ...] = ()
    """One for each macro of the target."""
    toml: str = ""
    """A file to start another device from; empty where not asked for."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom devices NAME``."""
        answer = {
            "schema": DEVICES_SCHEMA,
            "device": self.device.to_data(),
            "digest": self.device.digest,
            **{key: held for key, held in _device_row(self.device).items() if key in COVERAGE},
            "unverified": list(self.device.unverified),
        }
        if self.counts:
            answer["counts"] = [asdict(found) for found in self.counts]
        return {**answer, "toml": self.toml} if self.toml else answer


COVERAGE = ("verified", "covered", "not_covered")


def _device_row(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "kind": device.kind,
        "summary": device.summary,
        "verified": device.verified,
        "covered": list(device.covered),
        "not_covered": list(device.not_covered),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class PartLists:
    """The lists of published parts."""

    lists: tuple[PartList, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom targets --components``."""
        rows = [{"name": p.name, "summary": p.summary, "parts": len(p.parts)} for p in self.lists]
        return {"schema": COMPONENTS_SCHEMA, "lists": rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The published parts of one list."""

    parts: PartList

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom targets --components NAME``."""
        return {"schema": COMPONENTS_SCHEMA, "list": asdict(self.parts)}


@dataclass(frozen=True, slots=True, kw_only=True)
class PassList:
    """Passes in the order they run, or one with its text."""

    passes: tuple[type[Pass], ...]
    detailed: bool
    """One pass was asked for: its text belongs to the answer."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON of ``spikeloom passes``."""
        return {"schema": PASSES_SCHEMA, "passes": [self._row(kind) for kind in self.passes]}

    def _row(self, kind: type[Pass]) -> dict[str, Any]:
        row = {
            "name": kind.name,
            "exact": kind.exact,
            "summary": kind.summary(),
            "removes": [op.mnemonic for op in kind.gone],
        }
        if not self.detailed:
            return row
        return row | {
            "text": kind.text(),
            "needs": [fact.text for fact in kind.needs],
            "options": [
                {"name": option.name, "type": option.type, "default": option.default}
                for option in options_of(kind)
            ],
        }

    def __repr__(self) -> str:
        return printable(f"PassList({', '.join(kind.name for kind in self.passes)})")

    def _repr_html_(self) -> str:
        rows = ((k.name, yes(k.exact), k.summary()) for k in self.passes)
        return html_table("passes", ("pass", "exact", "what it does"), rows)


def yes(said: bool) -> str:
    """Write a verdict in a table."""
    return "yes" if said else "no"


def targets_there_are() -> TargetList:
    """Return all targets."""
    return TargetList(targets=tuple(load_target(known) for known in list_targets()))


def facts_of_target(name: str, *, toml: bool = False) -> TargetFacts:
    """Return every fact of a target, by its name or the path of its file; ``toml`` as a file, too.

    Raises:
        MappingError: with everything that is wrong with the name or with the file.
    """
    return TargetFacts(target=load_target(name), toml=toml_of(name) if toml else "")


def devices_there_are() -> DeviceList:
    """Return all devices."""
    return DeviceList(devices=tuple(map(load_device, device_names())))


def facts_of_device(
    name: str,
    *,
    target: str | None = None,
    corner: str = "nominal",
    age: float | None = None,
    settings: Mapping[str, float] | None = None,
    toml: bool = False,
) -> DeviceFacts:
    """Return every fact of a device, by its name or the path of its file.

    Args:
        name: The device.
        target: A target; what the device does in each of its macros is in the answer then.
        corner: At which ends of its facts: ``best``, ``nominal`` or ``worst``.
        age: Of the chip, in seconds; None: as programmed.
        settings: Facts to replace, as ``{"cell.sigma": 0.1}``.
        toml: Whether the answer has a file to start another device from.

    Raises:
        MappingError: with everything that is wrong with a name, a file or a setting.
    """
    device = load_device(name).at(corner).with_set(settings or {})
    macros = () if target is None else load_target(target).macros
    text = device.text if toml else ""
    if toml and is_shipped(device):
        text = shipped_device_text(device.name)
    return DeviceFacts(
        device=device, counts=tuple(device.on(macro, age) for macro in macros), toml=text
    )


def parts_there_are() -> PartLists:
    """Return the lists of published parts."""
    return PartLists(lists=tuple(load_parts(known) for known in list_parts()))


def parts_of(name: str, *, node_nm: float | None = None, voltage_v: float | None = None) -> Parts:
    """Return the parts of one list.

    With ``node_nm`` and ``voltage_v`` the parts are brought there; those that do not scale stay
    as they were published. Their own node and voltage say which they are.

    Raises:
        MappingError: ``unknown-components``, or ``scaling-range`` where a part cannot be brought
            there.
    """
    if (node_nm is None) != (voltage_v is None):
        raise refuse(
            "scaling-range",
            f"a node and a supply go together, got node {node_nm} and voltage {voltage_v}",
            help="give both --node and --voltage",
        )
    parts = load_parts(name)
    shown = parts.parts
    if node_nm is not None and voltage_v is not None:
        shown = tuple(
            part if part.scaling == "none" else at_node(part, node_nm, voltage_v) for part in shown
        )
    return Parts(parts=replace(parts, parts=shown))


def passes_there_are(name: str | None = None) -> PassList:
    """Return the passes in the order they run, or one.

    Raises:
        MappingError: ``unknown-pass``.
    """
    if name is not None:
        check_pass(name)
    chosen = tuple(kind for kind in PIPELINE if name in (None, kind.name))
    return PassList(passes=chosen, detailed=name is not None)


def check_pass(name: str) -> None:
    """Refuse ``unknown-pass``."""
    if problem := unknown_pass(name):
        raise MappingError([problem])
