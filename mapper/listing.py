"""What there is to choose from: targets, published parts, passes."""

from dataclasses import asdict, replace
from typing import Any

from mapper.cost.components import at_node
from mapper.diagnostics import refuse
from passes import PIPELINE
from targets import list_parts, list_targets, load_parts, load_target, target_to_data


def show_targets(name: str | None) -> dict[str, Any]:
    """Return all targets, or every fact of one."""
    if name is not None:
        target = load_target(name)
        return {"schema": "spikeloom/targets/1", "target": target_to_data(target)}
    listed = [load_target(known) for known in list_targets()]
    return {
        "schema": "spikeloom/targets/1",
        "targets": [{"name": t.name, "summary": t.summary} for t in listed],
    }


def show_components(
    name: str | None = None, *, node_nm: float | None = None, voltage_v: float | None = None
) -> dict[str, Any]:
    """Return the lists of published parts, or the parts of one.

    With ``node_nm`` and ``voltage_v`` the parts are brought there; those that do not scale stay
    as they were published. Their own node and voltage say which they are.
    """
    if name is None:
        listed = [load_parts(known) for known in list_parts()]
        rows = [{"name": p.name, "summary": p.summary, "parts": len(p.parts)} for p in listed]
        return {"schema": "spikeloom/components/1", "lists": rows}
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
    return {"schema": "spikeloom/components/1", "list": asdict(replace(parts, parts=shown))}


def show_passes(name: str | None) -> dict[str, Any]:
    """Return the passes in the order they run, or one."""
    if name is not None:
        check_pass(name)
    chosen = [kind for kind in PIPELINE if name in (None, kind.name)]
    return {
        "schema": "spikeloom/passes/1",
        "passes": [
            {
                "name": kind.name,
                "exact": kind.exact,
                "summary": kind.summary(),
                "removes": [op.mnemonic for op in kind.gone],
                **({"text": kind.text()} if name else {}),
            }
            for kind in chosen
        ],
    }


def check_pass(name: str) -> None:
    """Refuse ``unknown-pass``."""
    known = [kind.name for kind in PIPELINE]
    if name not in known:
        raise refuse(
            "unknown-pass", f"no pass is named '{name}'", help=f"one of {', '.join(known)}"
        )
