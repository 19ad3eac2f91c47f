"""Store what every model compiles to, runs to and costs, and compare two versions of the compiler.

    python -m benchmarks.same_results MODELS --tree OLD --output old.json
    python -m benchmarks.same_results MODELS --tree NEW --against old.json

``MODELS`` has a folder for each model, with ``model.onnx`` and ``io.npz``; the bundled network
comes on top. Only the command line is used, so a version is measured whatever its modules are
called. For every model and target: digests of the hardware graph's constants, of its structure, of
outputs and traces of both backends; the cost; of what is refused, codes and messages. With
``--against``, every difference is printed, and the exit code is 1 if there is one.
"""

import argparse
import hashlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
BUNDLED = ROOT / "mapper" / "data" / "demo"

TARGETS = {
    "ideal-128": False,
    "adcless-64": True,
    "adcless-diff-64": False,
    "hpadc-sar5-64": True,
    "mixed-64": True,
}
"""One of each kind, and whether it is calibrated on the model's own input."""

BACKENDS = ("native", "numpy")
WORKERS = 2
TOTALS = {"energy_pj": "total", "latency_ns": "inference_pipelined", "area_um2": "total"}
"""Of the cost, what is stored as it is."""

Facts = dict[str, Any]
"""Values and digests by what they are of: ``constants/fc1.w``, ``cost/all``."""
Results = dict[str, Facts]
"""Facts by ``"model target"``; what the model is read as stands under ``"model inspect"``."""


class RefusedError(Exception):
    """The command line refused, or broke down."""


@dataclass(frozen=True, kw_only=True)
class Model:
    name: str
    file: Path
    inputs: Mapping[str, NDArray[Any]]
    """Time steps of one sample, under any number of leading axes."""


@dataclass(frozen=True, kw_only=True)
class CommandLine:
    """The command line of one tree."""

    command: list[str]
    tree: Path

    def ask(self, folder: Path, *arguments: object) -> Any:
        """Run in ``folder`` and return the JSON answer, in which the folder is called ``.``.

        Raises:
            RefusedError: There is none, or it has errors.
        """
        done = subprocess.run(
            [*self.command, *map(str, arguments), "--json"],
            cwd=folder,  # 'python -m' looks for modules there first
            env={**os.environ, "PYTHONPATH": str(self.tree)},
            capture_output=True,
            text=True,
        )
        try:
            answer = json.loads(done.stdout.replace(str(folder), "."))
        except ValueError:
            last = done.stderr.strip().rpartition("\n")[2]
            raise RefusedError(f"exit {done.returncode}, no JSON: {last}") from None
        if done.returncode:
            raise RefusedError("; ".join(f"{e['code']}: {e['message']}" for e in answer["errors"]))
        return answer


def models(folder: Path, only: str) -> Iterator[Model]:
    """Yield the bundled network and those of a folder, of whose names ``only`` is a part."""
    if only in "bundled":
        with np.load(BUNDLED / "recording.npz") as recording:
            first = {"x": recording["x"][:, 0]}
        yield Model(name="bundled", file=BUNDLED / "model.onnx", inputs=first)
    for file in sorted(folder.glob("*/model.onnx")):
        if only in file.parent.name:
            with np.load(file.with_name("io.npz")) as arrays:
                inputs = {key[3:]: arrays[key] for key in arrays.files if key.startswith("in_")}
            yield Model(name=file.parent.name, file=file, inputs=inputs)


def inspected(line: CommandLine, model: Model, recording: Path) -> Facts:
    """Return what ``inspect`` says, and write the model's input as a recording if it is read."""
    try:
        answer = line.ask(recording.parent, "inspect", model.file)
    except RefusedError as error:
        return {"refused": str(error)}
    arrays: dict[str, Any] = {}
    for value in answer["inputs"]:
        given = model.inputs[value["name"]].astype(np.float32)
        arrays[value["name"]] = given.reshape(-1, 1, *value["shape"])
    np.savez(recording, **arrays)
    return {"inspect": digest_of(answer)}


def measured(line: CommandLine, model: Model, target: str, recording: Path, folder: Path) -> Facts:
    """Compile, run on each backend and price one model on one target."""
    facts: Facts = {}
    build, readable = folder / "build", recording.exists()
    calibrate = ["--calibrate", recording] if TARGETS[target] and readable else []
    try:
        given = [model.file, "--target", target, "-o", build, *calibrate]
        facts["compile"] = digest_of(line.ask(folder, "compile", *given))
        facts |= facts_of_build(build)
        for backend in BACKENDS:
            facts |= facts_of_run(line, build, recording, backend)
        cost = line.ask(folder, "cost", build, "--activity", folder / "native.trace.npz")
        facts |= {f"cost/{total}": cost[total][part] for total, part in TOTALS.items()}
        facts["cost/all"] = digest_of(cost)
    except RefusedError as error:
        facts["refused"] = str(error)
    return facts


def facts_of_build(build: Path) -> Facts:
    """Return what describes the hardware graph of a build: constants by name, ops by kind."""
    hardware = json.loads((build / "mapping.json").read_text(encoding="utf-8"))["hardware"]
    kinds = Counter(str(op["op"]) for op in hardware["ops"])
    return {
        **{f"constants/{name}": digest for name, digest in digests(build / "weights.npz")},
        **{f"structure/{kind}": count for kind, count in kinds.items()},
        "structure/all": digest_of(hardware),
    }


def facts_of_run(line: CommandLine, build: Path, recording: Path, backend: str) -> Facts:
    """Return digests of the outputs of a run, of its trace and of its answer."""
    folder = build.parent
    output, trace = folder / f"{backend}.npz", folder / f"{backend}.trace.npz"
    given = [build, "--input", recording, "--output", output, "--backend", backend]
    answer = line.ask(folder, "run", *given, "--trace")
    return {
        **{f"{backend}/outputs/{name}": digest for name, digest in digests(output)},
        **{f"{backend}/trace/{name}": digest for name, digest in digests(trace)},
        f"{backend}/answer": digest_of(answer["outputs"]),
    }


def digests(path: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each array of a ``.npz`` file and a digest of type, shape and bytes."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    if path.name == "weights.npz":  # c0, c1, ... and their names as JSON
        names = json.loads(arrays.pop("names").tobytes())
        arrays = {name: arrays[f"c{k}"] for k, name in enumerate(names)}
    for name, array in arrays.items():
        yield name, f"{array.dtype.str}{list(array.shape)} {digest_of(array.tobytes())}"


def digest_of(data: Any) -> str:
    """Return a digest of bytes, or of JSON data."""
    text = data if isinstance(data, bytes) else json.dumps(data, sort_keys=True).encode()
    return hashlib.sha256(text).hexdigest()[:16]


def measure(line: CommandLine, chosen: list[Model], targets: list[str]) -> Results:
    """Measure every model on every target, a few processes at a time."""
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(WORKERS) as pool:
        folder = Path(name).resolve()
        recordings = {model.name: folder / f"{model.name}.npz" for model in chosen}

        def on(model: Model, target: str) -> tuple[str, Facts]:
            with tempfile.TemporaryDirectory(dir=folder) as own:
                facts = measured(line, model, target, recordings[model.name], Path(own))
                return f"{model.name} {target}", facts

        read = pool.map(inspected, [line] * len(chosen), chosen, recordings.values())
        results = {f"{name} inspect": facts for name, facts in zip(recordings, read, strict=True)}
        jobs = [pool.submit(on, model, target) for model in chosen for target in targets]
        started = time.monotonic()
        for done, job in enumerate(as_completed(jobs), 1):
            key, facts = job.result()
            results[key] = facts
            minutes = (time.monotonic() - started) / done * (len(jobs) - done) / 60
            print(f"{done} of {len(jobs)}, {minutes:.1f} min left: {key}", file=sys.stderr)
    return results


def differences(old: Results, new: Results) -> list[str]:
    """Return a line for each fact that differs, or that one of the two does not have."""
    was, now = ({(k, what): v for k in r for what, v in r[k].items()} for r in (old, new))
    pairs = {each: (was.get(each, "absent"), now.get(each, "absent")) for each in was | now}
    return [f"{k} {what}: {a} -> {b}" for (k, what), (a, b) in sorted(pairs.items()) if a != b]


def asked(results: Results, only: str, targets: list[str]) -> Results:
    """Return the part of earlier results that was measured again."""
    again = (*targets, "inspect")
    names = [(key, *key.split()) for key in results]
    return {key: results[key] for key, model, on in names if only in model and on in again}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", type=Path, help="folder of models")
    parser.add_argument("--tree", type=Path, default=ROOT, help="checkout to measure; this one")
    parser.add_argument("--command", default=f"{sys.executable} -m mapper", help="run in the tree")
    parser.add_argument("--output", type=Path, help="file to write")
    parser.add_argument("--against", type=Path, metavar="OLD", help="an earlier --output")
    parser.add_argument("--only", default="", metavar="TEXT", help="models with it in their names")
    parser.add_argument("--target", action="append", choices=TARGETS, help="all if none")
    args = parser.parse_args()
    line = CommandLine(command=shlex.split(args.command), tree=args.tree.resolve())
    chosen, targets = list(models(args.models.resolve(), args.only)), args.target or list(TARGETS)
    results = measure(line, chosen, targets)
    if args.output:
        stored = {"schema": "spikeloom/same-results/1", "results": results}
        args.output.write_text(json.dumps(stored, indent=1, sort_keys=True), encoding="utf-8")
    refusals = sum("refused" in facts for facts in results.values())
    print(f"{len(results)} answers, {refusals} of them refusals")
    if args.against:
        old = json.loads(args.against.read_text(encoding="utf-8"))["results"]
        found = differences(asked(old, args.only, targets), results)
        print("\n".join(found) or "all equal")
        sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
