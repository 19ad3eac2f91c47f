"""The build folder: what ``compile`` writes, and how a folder is read back and trusted.

``mapping.json`` holds the hardware graph, the network it came from, the target and the options;
``weights.npz`` the integers, ``source.npz`` the trained numbers and calibration recordings. The
other files are generated from these and regenerated, byte for byte, before a folder is used.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapper import __version__
from mapper.build.die import PREFIX as _DIE_PREFIX
from mapper.build.die import check_die, die_arrays, die_entry, read_die
from mapper.build.files import changed, check_files, listed, read_json
from mapper.build.host import host_entry, read_host, write_host
from mapper.build.model import Build
from mapper.build.owned import others_in_build, told
from mapper.build.page import PAGE, identity_of, json_lines
from mapper.build.rules import integer_problems, placement_problems, shared_problems
from mapper.build.told import calibration_entry, pass_entry, read_calibration, read_pass, whole
from mapper.diagnostics import MappingError, refuse
from mapper.ir.core import Array, Graph
from mapper.ir.noise import recorded_inputs
from mapper.ir.serialize import from_json, load, to_json
from mapper.ir.verify import graph_problems
from mapper.ir.weights import load_constants, save_constants
from mapper.presented import presented_entry, read_presented
from mapper.renames import is_leftover, recover, resolved
from mapper.writing import check_renamable, written_aside
from passes.ran import NONE, PassOptions
from targets import target_from_data, target_to_data

if TYPE_CHECKING:
    from mapper.report import Evidence

SCHEMA = "spikeloom/mapping/1"
WITH_OPTIONS = "spikeloom/mapping/2"
"""Of a build whose passes were not all left at their defaults."""
OF_DIE = "spikeloom/mapping/3"
"""Of a die, whatever its passes; the hardware graph is that of the die."""

MANIFEST = "manifest.json"
MANIFEST_SCHEMA = "spikeloom/manifest/1"
DEMO_SCHEMA = "spikeloom/demo/1"
RECORD = "verification.json"
"""What ``verify`` found, kept in the folder beside the files that the manifest lists: it names the
build it is of (``mapper.verify.record``)."""

ACTIVITY = "activity.npz"
"""What was active in the last run on a recording, kept likewise (``mapper.verify.activity``)."""

_SAMPLE_PREFIX = "sample/"
_MOST_WEIGHT_BITS = 16


def write_build(
    build: Build,
    folder: Path,
    evidence: "Evidence | None" = None,
    records: Callable[[str], Mapping[str, bytes]] | None = None,
) -> None:
    """Write the folder at once or not at all: beside it first, then put in its place.

    Args:
        build: What to write.
        folder: Where to.
        evidence: What the page says beyond the mapping; nothing where None.
        records: Called with the build's identity, gives further files by name: where that is from.

    Raises:
        MappingError: ``output-exists`` where the folder holds something that is not a build.
    """
    from mapper.report import render_report  # who reads a folder needs none

    check_replaceable(folder)
    with written_aside(folder) as aside:
        _write_data(build, aside)
        for name, content in programs(build).items():
            (aside / name).write_bytes(content)
        page = build.page if evidence is None else build.report(evidence)
        (aside / PAGE).write_text(render_report(page), encoding="utf-8")
        manifest = _manifest(build, aside)
        (aside / MANIFEST).write_text(json_lines(manifest), encoding="utf-8")
        for name, content in ({} if records is None else records(identity_of(manifest))).items():
            (aside / name).write_bytes(content)


def check_replaceable(folder: Path) -> None:
    """Refuse an output path that cannot be replaced, or whose content is not ours to replace.

    Raises:
        MappingError: ``output-exists``.
        OSError: It is a mount point.
    """
    recover(folder)
    if not folder.exists():
        return
    others = others_in(folder) if folder.is_dir() else None
    if others is None:
        raise refuse(
            "output-exists",
            "this is not an empty folder, nor one that spikeloom wrote",
            loc=str(folder),
            help="choose another -o, or remove it",
        )
    if others:
        raise refuse(
            "output-exists",
            f"spikeloom did not write {told(others)}, which would be deleted with what it wrote",
            loc=str(folder),
            help="move that elsewhere, or choose another -o",
        )
    check_renamable(folder)


def others_in(folder: Path) -> list[str] | None:
    """Return what a folder holds beside a build or the demo; None where it is neither, nor empty.

    A build in a folder of the demo is of the demo, what is beside it in there is not.
    """
    if _has_mark(folder, MANIFEST, MANIFEST_SCHEMA):
        return others_in_build(folder, read_json(folder / MANIFEST), (RECORD, ACTIVITY))
    names = sorted(path.name for path in folder.iterdir() if not is_leftover(path.name))
    if not _has_mark(folder, "demo.json", DEMO_SCHEMA):
        return None if names else []
    targets = read_json(folder / "demo.json").get("targets")
    if not isinstance(targets, list) or not targets:
        return None
    builds = [row.get("target") for row in targets if isinstance(row, dict)]
    found: list[str] = []
    for name in names:
        if name in builds and _has_mark(folder / name, MANIFEST, MANIFEST_SCHEMA):
            inside = others_in(folder / name)
            found += [name] if inside is None else [f"{name}/{other}" for other in inside]
        elif name != "demo.json":
            found.append(name)
    return found


def _has_mark(folder: Path, name: str, schema: str) -> bool:
    with suppress(MappingError):
        return read_json(folder / name).get("schema") == schema
    return False


def _write_data(build: Build, folder: Path) -> None:
    (folder / "mapping.json").write_text(json_lines(_mapping(build)), encoding="utf-8")
    save_constants(build.hardware, folder / "weights.npz")
    samples = {f"{_SAMPLE_PREFIX}{name}": array for name, array in build.samples.items()}
    drawn = die_arrays(build.die, build.hardware)
    source = replace(build.network, constants={**build.network.constants, **samples, **drawn})
    save_constants(source, folder / "source.npz")
    write_host(build.epilogue, folder)


def _mapping(build: Build) -> dict[str, Any]:
    return {
        "schema": _schema(build),
        "hardware": to_json(build.hardware),
        "network": to_json(build.network),
        "target": target_to_data(build.target),
        "weight_bits": build.weight_bits,
        "passes": [pass_entry(run) for run in build.passes],
        **_options(build),
        **presented_entry(build.presented),
        **calibration_entry(build),
        **host_entry(build.epilogue),
        **die_entry(build.die, build.hardware),
        "source": dict(build.source),
    }


def _schema(build: Build) -> str:
    if build.die is not None:
        return OF_DIE
    return WITH_OPTIONS if build.options else SCHEMA


def _options(build: Build) -> dict[str, Any]:
    """Return the entry for options of passes; none where all have their defaults."""
    given = {name: dict(options) for name, options in build.options.items()}
    return {"options": given} if given else {}


def programs(build: Build) -> dict[str, bytes]:
    """Return the content of every program by name; the same build gives the same bytes."""
    return {
        "executor.py": build.executor.encode(),
        "cost.py": build.cost.encode(),
        "lowered.onnx": build.lowered,
    }


def other_page(folder: Path) -> MappingError:
    """Refuse a build whose page is not what its files give: someone is about to open it."""
    return changed(folder, [PAGE], "is not what mapping.json and the records give")


def identity(folder: Path) -> str:
    """Return what the build in a folder is known by; see ``identity_of``."""
    return identity_of(read_json(folder / MANIFEST))


def check_page(folder: Path, output: Path | None, *, asked: bool) -> None:
    """Refuse a page that would change the build's own, which its hashes fix."""
    if output is None and asked:
        raise _inside(folder, "a page without -o", "the page")
    if output is not None and resolved(output).parent == resolved(folder):
        raise _inside(folder, f"a page to '{output.name}' in the build folder", "the page")


def check_outside(output: Path, what: str) -> None:
    """Refuse to write into a build folder, or below one."""
    place = resolved(output)
    for folder in (place, *place.parents):
        if _has_mark(folder, MANIFEST, MANIFEST_SCHEMA):
            raise _inside(folder, f"{what} to '{output}' in the build folder", what)


def _inside(folder: Path, attempt: str, what: str) -> MappingError:
    return refuse(
        "report-output",
        f"{attempt} would change the build, whose files are fixed by their hashes",
        loc=str(folder),
        help=f"write {what} elsewhere with -o",
    )


def _manifest(build: Build, folder: Path) -> dict[str, Any]:
    return {
        "schema": MANIFEST_SCHEMA,
        "version": __version__,
        "target": build.target.name,
        "weight_bits": build.weight_bits,
        **_options(build),
        "calibrated": bool(build.samples),
        "source": dict(build.source),
        **listed(folder),
    }


def read_build(folder: Path, *, compared: bool = True) -> Build:
    """Read a build folder, which may come from someone else, and trust nothing in it.

    Every file must have the hash of the manifest, and every program the bytes that this version
    generates from ``mapping.json``; none of them is executed. The page is no program, so its hash
    is enough: who shows it to someone calls ``mapper.verify.known.check_own_page``.

    Args:
        folder: The folder.
        compared: Whether programs are generated and compared. Who runs the graph and nothing else
            needs none of them: their hashes are enough then.

    Raises:
        MappingError: ``not-a-build``, ``build-changed``, ``build-version``, ``bad-mapping`` or
            ``bad-weights``.
    """
    recover(folder)
    place = _inode(folder)
    try:
        return _read_checked(folder, compared)
    except (MappingError, OSError):
        if _inode(folder) == place:
            raise
    return _read_checked(folder, compared)  # half of it was read when another run replaced it


def _inode(folder: Path) -> int | None:
    return folder.stat().st_ino if folder.exists() else None


def _read_checked(folder: Path, compared: bool) -> Build:
    manifest = read_json(folder / MANIFEST)
    if manifest.get("version") != __version__:  # before the files, whose form may be another
        raise refuse(
            "build-version",
            f"compiled by version {manifest.get('version')}, this is {__version__}",
            loc=str(folder),
            help="compile the model again",
        )
    left = {path.name for path in folder.iterdir() if is_leftover(path.name)}
    check_files(folder, manifest, {MANIFEST, RECORD, ACTIVITY, *left})
    build = _read_data(folder)
    if not compared:
        return build
    others = [
        name for name, content in programs(build).items() if (folder / name).read_bytes() != content
    ]
    if others:
        raise changed(folder, others, "is not what mapping.json gives")
    return build


def _read_data(folder: Path) -> Build:
    path = folder / "mapping.json"
    data = read_json(path)
    where = str(path)
    source = load_constants(folder / "source.npz")
    try:
        if data["schema"] not in (SCHEMA, WITH_OPTIONS, OF_DIE):
            known = f"{SCHEMA!r}, {WITH_OPTIONS!r} or {OF_DIE!r}"
            raise ValueError(f"schema {data['schema']!r}, expected {known}")
        of_die = data["schema"] == OF_DIE
        if of_die != ("die" in data):
            raise ValueError(f"schema {data['schema']!r} with{'out' * of_die} an entry 'die'")
        samples, source = _apart(source, _SAMPLE_PREFIX)
        drawn, trained = _apart(source, _DIE_PREFIX) if of_die else ({}, source)
        told, dead = read_calibration(data.get("calibration"))
        options = _read_options(_held_options(data), where)
        hardware = from_json(data["hardware"], load_constants(folder / "weights.npz"), where)
        build = Build(
            hardware=hardware,
            network=from_json(data["network"], trained, where),
            target=target_from_data(data["target"], loc=where),
            weight_bits=whole("weight_bits", data["weight_bits"], _MOST_WEIGHT_BITS),
            passes=tuple(read_pass(run, options) for run in data["passes"]),
            samples=samples,
            source={name: load(str, text) for name, text in data["source"].items()},
            presented=read_presented(
                data.get("presented"), [value.name for value in recorded_inputs(hardware)]
            ),
            told=told,
            dead=dead,
            epilogue=read_host(data, folder, hardware),
            die=read_die(data["die"], drawn, hardware, where) if of_die else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise refuse("bad-mapping", f"cannot be read: {error}", loc=where) from error
    _check_graphs(build, where)
    if build.die is not None:
        check_die(build.die, hardware, build.target, folder)
    return build


def _held_options(data: Mapping[str, Any]) -> Mapping[str, Mapping[str, object]]:
    """Return the entry for options; a die may have none, what is no die is numbered by it."""
    if data["schema"] == OF_DIE:
        return data.get("options", {})  # type: ignore[no-any-return]  # checked by who reads it
    return data["options"] if data["schema"] == WITH_OPTIONS else {}


def _read_options(data: Mapping[str, Mapping[str, object]], where: str) -> PassOptions:
    """Check options that a file has; the commands that wrote it take no others."""
    if not data:
        return NONE
    from passes.options import checked  # which imports every pass

    try:
        return checked(data)
    except MappingError as error:
        message = error.diagnostics[0].message
        raise refuse("bad-mapping", f"cannot be read: {message}", loc=where) from error


def _apart(source: Mapping[str, Array], prefix: str) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the arrays whose names start so, without that, and the others."""
    named = {n.removeprefix(prefix): a for n, a in source.items() if n.startswith(prefix)}
    return named, {n: a for n, a in source.items() if not n.startswith(prefix)}


def _check_graphs(build: Build, where: str) -> None:
    chips = [build.hardware] if build.die is None else [build.die.ideal, build.hardware]
    for graph, integers in ((build.network, False), *((chip, True) for chip in chips)):
        if problem := graph_problem(graph, integers=integers):
            raise refuse("bad-mapping", f"the graph breaks a rule: {problem}", loc=where)
    for chip in chips:
        if problem := next(shared_problems(build.network, chip, build.samples), ""):
            raise refuse("bad-mapping", f"the mapping is not of its network: {problem}", loc=where)
        if problem := next(placement_problems(chip, build.target), ""):
            raise refuse("bad-mapping", f"this is no mapping onto the target: {problem}", loc=where)
    if build.die is not None and (problem := next(build.die.problems(build.target), "")):
        raise refuse("bad-mapping", f"no die can be drawn from this: {problem}", loc=where)


def graph_problem(graph: Graph, *, integers: bool) -> str:
    """Return the first rule that a graph of a file breaks, or that ``integers`` are wanted."""
    problems = graph_problems(graph)
    return next(problems, "") or next(integer_problems(graph) if integers else iter(()), "")
