"""Number the cases, run them one after the other, count the outcomes and keep the findings."""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.build_case import build_case
from tests.fuzz.drive import ROOT, Finding, Refused
from tests.fuzz.isolate import isolated
from tests.fuzz.nir_case import nir_case, nir_seeds
from tests.fuzz.npz_case import builds, npz_case
from tests.fuzz.onnx_case import onnx_case, seeds
from tests.fuzz.toml_case import toml_case

Case = Callable[[Random, Path, Path | None], str]

KINDS: dict[str, Case] = {
    "onnx": onnx_case,
    "toml": toml_case,
    "npz": npz_case,
    "build": build_case,
    "nir": nir_case,
}
WHEEL = ("onnx", "toml", "onnx", "npz", "onnx", "build", "onnx", "nir")
"""Which kind a case number has."""

SCHEMA = "spikeloom/fuzz/1"


def run_case(seed: int, number: int, folder: Path, extra: Path | None) -> dict[str, Any]:
    """Make and try one case in a process of its own; its files stay in ``folder``."""
    kind = WHEEL[number % len(WHEEL)]

    def work() -> dict[str, Any]:
        os.chdir(folder)
        try:
            return {"outcome": KINDS[kind](Random(f"{seed}/{number}"), folder, extra)}
        except Refused as refused:
            return {"outcome": f"refused: {refused.code}"}
        except Finding as found:
            return {"finding": str(found), "traceback": found.shown}

    return {"kind": kind, **isolated(work)}


def prepare(extra: Path | None) -> None:
    """Load and build once what every case needs; the children inherit it."""
    import onnxruntime  # noqa: F401

    seeds(extra)
    builds()
    with suppress(ImportError):
        nir_seeds(extra)


def campaign(
    seed: int, numbers: Sequence[int], extra: Path | None, keep: Path
) -> Iterator[dict[str, Any]]:
    """Run cases by number; yield each answer, and keep the files of findings."""
    prepare(extra)
    for number in numbers:
        with tempfile.TemporaryDirectory(prefix="fuzz") as made:
            folder = Path(made).resolve()
            began = time.monotonic()
            answer = run_case(seed, number, folder, extra)
            answer |= {"seed": seed, "case": number, "seconds": time.monotonic() - began}
            if "finding" in answer:
                _keep(answer, folder, keep / f"{answer['kind']}-{seed}-{number}")
        yield answer


def _keep(answer: dict[str, Any], folder: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(folder, place)
    (place / "finding.json").write_text(json.dumps(answer, indent=1))


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line, run, print; exit 1 where anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="cases to run (default 1000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=sorted(KINDS), help="cases of this kind alone")
    parser.add_argument("--case", type=int, help="run one case again, and say more")
    parser.add_argument("--extra", type=Path, default=ROOT.parent / "shared", help="more seeds")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="folder of findings")
    parser.add_argument("--json", action="store_true", help="print counts as JSON")
    args = parser.parse_args(arguments)
    extra = args.extra if args.extra.is_dir() else None
    numbers = [args.case] if args.case is not None else _numbers(args.count, args.kind)
    outcomes: Counter[tuple[str, str]] = Counter()
    slowest, findings = 0.0, []
    for answer in campaign(args.seed, numbers, extra, args.keep):
        outcome = "FINDING" if "finding" in answer else answer["outcome"]
        outcomes[answer["kind"], outcome] += 1
        slowest = max(slowest, answer["seconds"])
        if outcome == "FINDING":
            findings.append(answer)
            print(f"{answer['kind']} --case {answer['case']}: {answer['finding']}", file=sys.stderr)
        if args.case is not None:
            print(answer.get("traceback", ""), outcome, sep="\n", file=sys.stderr)
    _print(outcomes, findings, slowest, args)
    raise SystemExit(1 if findings else 0)


def _numbers(count: int, kind: str | None) -> list[int]:
    """Return the first ``count`` case numbers, or those of one kind."""
    found: list[int] = []
    number = 0
    while len(found) < count:
        if kind in (None, WHEEL[number % len(WHEEL)]):
            found.append(number)
        number += 1
    return found


def _print(
    outcomes: Counter[tuple[str, str]],
    findings: list[dict[str, Any]],
    slowest: float,
    args: argparse.Namespace,
) -> None:
    if args.json:
        counts: dict[str, dict[str, int]] = {}
        for (kind, outcome), times in sorted(outcomes.items()):
            counts.setdefault(kind, {})[outcome] = times
        data = {"schema": SCHEMA, "seed": args.seed, "cases": outcomes.total(), "counts": counts}
        print(json.dumps({**data, "slowest_s": slowest, "findings": findings}, indent=1))
        return
    for (kind, outcome), times in sorted(outcomes.items()):
        print(f"{kind:6} {outcome:40} {times:7}")
    print(f"{outcomes.total()} cases, {len(findings)} findings, slowest {slowest:.1f} s")
