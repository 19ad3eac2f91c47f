"""What there is to choose from: targets, published parts, passes."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from mapper.cost.components import at_node
from mapper.diagnostics import MappingError, refuse
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

TARGETS_SCHEMA = "spikeloom/targets/1"
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
        return f"TargetList({', '.join(target.name for target in self.targets)})"

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
        return f"PassList({', '.join(kind.name for kind in self.passes)})"

    def _repr_html_(self) -> str:
        rows = ((k.name, "yes" if k.exact else "no", k.summary()) for k in self.passes)
        return html_table("passes", ("pass", "exact", "what it does"), rows)


def targets_there_are() -> TargetList:
    """Return all targets."""
    return TargetList(targets=tuple(load_target(known) for known in list_targets()))


def facts_of_target(name: str, *, toml: bool = False) -> TargetFacts:
    """Return every fact of a target, by its name or the path of its file; ``toml`` as a file, too.

    Raises:
        MappingError: with everything that is wrong with the name or with the file.
    """
    return TargetFacts(target=load_target(name), toml=toml_of(name) if toml else "")


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
