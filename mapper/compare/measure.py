"""What is known of each build of a comparison, and the answer that puts them side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

from mapper.build.folder import write_build
from mapper.build.make import make_build, trained_firing
from mapper.build.model import Build
from mapper.build.summary import CompileSummary
from mapper.compare.compared import Compared
from mapper.compare.equal import equal_columns
from mapper.compare.iso import iso
from mapper.compare.rates import frame_rates, one_has_adcs
from mapper.compare.result import ComparedBuild, Comparison
from mapper.cost import (
    Activity,
    costs_along,
    measure,
    price,
    priceable,
    priced_design,
    priced_readouts,
    ratio_waterfall,
    skipped,
    steps_between,
    waterfall,
)
from mapper.cost.estimate import checked_steps
from mapper.executor import engine
from mapper.frontend import Imported
from mapper.ir.assignment import UNASSIGNED, Assignment
from mapper.ir.core import Array
from mapper.ir.firing import firing_of
from mapper.ir.identity import digest, digest_of_arrays
from mapper.proportions import Paired
from mapper.recordings import Recording, to_codes
from mapper.report.comparison.data import PairedSides, RatioWay, difference_table
from mapper.report.comparison.designs import Kind
from mapper.report.references import works_behind
from mapper.verify.activity import recorded_on
from mapper.verify.answers import classes, judged, right_answers, score_of
from mapper.verify.known import write_known
from mapper.verify.result import Verification
from targets import Preset, Target, Work, load_preset, target_to_data


def build_on(
    target: Target,
    imported: Imported,
    weight_bits: int | None,
    recording: Recording | None,
    *,
    source: Mapping[str, str],
    assignment: Assignment | None = None,
    steps: int = 1,
    spread_steps: bool | None = None,
) -> Compared:
    """Compile a network for a target and, with recordings, run it and count its spikes."""
    reals = None if recording is None else recording.inputs
    build = make_build(
        imported,
        target,
        weight_bits,
        reals,
        source=source,
        assignment=assignment,
        spread_steps=spread_steps,
    )
    assert build is not None  # nothing stopped the passes
    compared = Compared(build=build, steps=checked_steps(steps))
    return compared if recording is None else measured(compared, recording)


def measured(compared: Compared, recording: Recording) -> Compared:
    """Run a build on recordings: count its spikes and, with labels, its right answers."""
    build = compared.build
    graph = build.hardware
    codes = to_codes(graph, recording.inputs, recording.where)
    ran = engine.run(graph, codes, trace=True, generated=build)
    labels = build.deciding.wanted(recording.arrays, recording)
    answers = build.deciding.of(ran.outputs)
    firing = firing_of(graph, ran.counts, codes, ran.outputs)
    firing = judged(firing, classes(answers), labels)
    return replace(
        compared,
        activity=measure(graph, ran.counts, build.counts.levels),
        right=None if labels is None else right_answers(answers, labels),
        firing=firing,
        source_firing=trained_firing(build.network, recording.inputs) if firing.findings else None,
        taken=recording.taken,
        ran=recorded_on(build, ran, recording),
    )


def write_compared(
    compared: Compared,
    folder: Path,
    found: Verification | None = None,
    files: Mapping[str, str] | None = None,
) -> None:
    """Write a build that was made for a comparison, with what was counted and verified of it."""
    if compared.ran is None or not isinstance(compared.activity, Activity):
        write_build(compared.build, folder)
        return
    write_known(compared.build, folder, (compared.ran, compared.activity), found, files)


def side_by_side(
    found: Sequence[Compared],
    preset: Preset,
    warnings: Sequence[str] = (),
    same: Kind | None = None,
) -> Comparison:
    """Put what was made or read side by side.

    Args:
        found: The builds.
        preset: What to assume of the chips.
        warnings: What else has to be known.
        same: What is to be made equal, besides.
    """
    whole = steps_between(load_preset("paper"), load_preset("physical"))
    targets = [one.build.target for one in found]
    way = priceable(whole, targets)
    left = dict.fromkeys(text for target in targets if (text := skipped(whole, target)))
    costs = [costs_along(one.build.counts, one.activity, one.steps, way) for one in found]
    names = [one.title for one in found]
    rows = [row_of(one, preset) for one in found]
    return Comparison(
        network=", ".join(dict.fromkeys(one.build.hardware.name for one in found)),
        activity=_activity_of(found, preset),
        preset=preset.name,
        builds=tuple(
            replace(row, way=waterfall(way, along)) for row, along in zip(rows, costs, strict=True)
        ),
        differences=difference_table(names, [_facts(one.build) for one in found]),
        warnings=(
            *warnings,
            *_collapsed(found, preset),
            *(f"left out of the waterfalls: {text}" for text in left),
            *_notes(found),
            *_beyond(rows),
            *_paced(preset),
        ),
        ways=tuple(
            RatioWay(
                target=names[place],
                over=names[base],
                steps=ratio_waterfall(way, costs[base], costs[place]),
            )
            for base, place in combinations(range(len(found)), 2)  # the later over the earlier
            if one_has_adcs(found[base].build.target, found[place].build.target)
            if not found[base].incomparable and not found[place].incomparable
        ),
        equal_columns=equal_columns(found, [row.cost for row in rows], preset),
        frame_rates=frame_rates(found, [row.cost for row in rows], preset),
        iso=None if same is None else iso(same, found, [row.cost for row in rows], preset),
        pairs=_pairs(found),
        works=_works(found, preset),
    )


def _works(found: Sequence[Compared], preset: Preset) -> tuple[Work, ...]:
    """Return the works behind all builds, under every preset that is shown."""
    shown = (preset, load_preset("paper"), load_preset("physical"))
    works = {
        work.key: work
        for one in found
        for assumed in shown
        for work in works_behind(one.build.target, assumed)
    }
    return tuple(works[key] for key in sorted(works))


def row_of(compared: Compared, preset: Preset) -> ComparedBuild:
    """Return what a comparison says of one build; the way between presets is left out."""
    build, verified = compared.build, compared.verified
    known = None if verified is None else verified.found
    right = None if compared.right is None else score_of(compared.right)
    if right is None and known is not None:
        right = known.score
    share = right.share if right is not None else None if known is None else known.accuracy
    cost = price(build.counts, compared.activity, compared.steps, preset)
    return ComparedBuild(
        summary=CompileSummary(build=build),
        cost=cost,
        activity=_activity_of([compared], preset),
        accuracy=share,
        score=right,
        firing=compared.firing,
        incomparable=compared.incomparable,
        warnings=(*compared.warnings, *cost.warnings),
        priced=_priced(build, preset),
        name=compared.name,
        recording=compared.taken,
        verified=verified,
    )


def _beyond(rows: Sequence[ComparedBuild]) -> Iterator[str]:
    """Say which builds are beyond a limit of silicon."""
    yield from (f"{row.title}: {text}" for row in rows for text in row.cost.warnings)


def _paced(preset: Preset) -> Iterator[str]:
    """Say what the waterfalls are of where the table is of another pace."""
    if preset.every_ms is not None:
        yield (
            f"an inference every {preset.every_ms:g} ms: energies have the leakage of whole chips "
            "in between; the ways from paper to physical are back to back, and designs of other "
            "columns that are slower are left out"
        )


def _pairs(found: Sequence[Compared]) -> tuple[PairedSides, ...]:
    """Set the answers of every two builds to the same samples against each other."""
    return tuple(
        PairedSides(target=other.title, over=one.title, counts=_paired(other.right, one.right))
        for place, one in enumerate(found)
        for other in found[place + 1 :]
        if one.right is not None and other.right is not None
        if one.right.shape == other.right.shape
    )


def _paired(first: Array, second: Array) -> Paired:
    return Paired(
        both=int((first & second).sum()),
        first_only=int((first & ~second).sum()),
        second_only=int((~first & second).sum()),
        neither=int((~first & ~second).sum()),
    )


def _activity_of(found: Sequence[Compared], preset: Preset) -> str:
    """Say which spikes the costs are of."""
    if preset.activity == "random":
        return "random"
    kinds = dict.fromkeys(
        "measured" if isinstance(one.activity, Activity) else f"density {one.activity:g}"
        for one in found
    )
    return " or ".join(kinds)


def _facts(build: Build) -> dict[str, object]:
    """Return everything builds may differ in: what was compiled, how, and for which hardware."""
    return {
        "model": dict(build.source),
        "network SHA-256": digest(replace(build.network, assignment=UNASSIGNED)),
        "weight bits": build.weight_bits,
        "passes": " ".join(str(run) for run in build.passes if run.options) or "defaults",
        "counts": "steps" if build.network.assignment.spread_steps else "planes",
        "layers": {n: asdict(choice) for n, choice in build.network.assignment.layers.items()},
        "calibration": digest_of_arrays(build.samples) if build.samples else "none",
        "mapping SHA-256": digest(build.hardware),
        **target_to_data(build.target),
    }


def _notes(found: Sequence[Compared]) -> list[str]:
    """Say what a reader of the ratios has to know."""
    notes = [f"{one.title}: {text}" for one in found for text in one.warnings]
    left = [one.title for one in found if one.incomparable]
    if left:
        notes.append(f"not comparable, and in no ratio, front or waterfall: {', '.join(left)}")
    models = {one.build.source.get("sha256"): one.build.source.get("file") for one in found}
    if len(models) > 1:
        names = ", ".join(sorted(map(str, models.values())))
        notes.append(f"the builds are of {len(models)} models ({names}): ratios compare these, too")
    lengths = sorted({_length(one) for one in found})
    if len(lengths) > 1:
        told = ", ".join(map(str, lengths))
        notes.append(f"inferences are of {told} time steps: ratios are not of equal work")
    if len({isinstance(one.activity, Activity) for one in found}) > 1:
        notes.append("activity is measured in some builds and assumed in others")
    known = [one.verified for one in found if one.verified and one.verified.found]
    if len({one.files.get("input") for one in known}) > 1 and not any(
        one.right is not None for one in found
    ):
        notes.append("the builds were verified on different recordings: so is their accuracy")
    notes += [
        f"{one.name} is not bit-exact: see its verification"
        for one in found
        if one.verified and one.verified.found and not one.verified.found.bit_exact
    ]
    return notes


def _length(compared: Compared) -> int:
    activity = compared.activity
    return activity.steps if isinstance(activity, Activity) else compared.steps


def _collapsed(found: Sequence[Compared], preset: Preset) -> list[str]:
    """Warn of different targets that are one design to the preset: their ratio says nothing."""
    designs: dict[object, list[Compared]] = {}
    for one in found:
        counts = one.build.counts
        key = repr(priced_design(counts.target, preset, counts.layers))
        designs.setdefault(key, []).append(one)
    return [
        text for alike in designs.values() if len(alike) > 1 for text in _collapse(alike, preset)
    ]


_UNPRICED = ("name", "summary", "provenance")


def _collapse(alike: Sequence[Compared], preset: Preset) -> Iterator[str]:
    facts = [target_to_data(one.build.target) for one in alike]
    named = [f"{one.title}" for one in alike]
    table = difference_table(named, facts)
    apart = [row[0] for row in table.rows if row[0].rpartition(".")[2] not in _UNPRICED]
    if not apart:
        return  # one target, under two names at most
    priced = ", ".join(dict.fromkeys(_priced(alike[0].build, preset).values()))
    other = "" if preset.adc == "as-built" else "; --preset as-built prices each as it is"
    yield (
        f"{' and '.join(named)} are one design to preset {preset.name} ({priced}), so their "
        f"costs are the same: {', '.join(apart[:4])} is not priced{other}"
    )


def _priced(build: Build, preset: Preset) -> dict[str, str]:
    """Return the readouts that are priced of the macro kinds that layers are on."""
    known = priced_readouts(build.target, preset)
    used = {layer.macro for layer in build.counts.layers}
    return {name: words for name, words in known.items() if name in used}
