"""A command that is killed at any change of the file system leaves its old output or the new one.

That is whole, the next command takes it, and the same command, given again, clears up.
"""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mapper.renames import is_leftover
from tests.crash.children import Children
from tests.files import DEMO_MODEL

Campaign = Callable[[Sequence[object], int], list[object]]
Held = dict[str, str]
"""The SHA-256 of each file."""
State = Held | None


@dataclass(frozen=True)
class Scene:
    """A command that writes ``out``, and what was there before.

    In arguments ``{out}`` is the output, ``{build}`` a build that stays, ``{die}`` a die of
    it, ``{one}`` and ``{two}`` recordings; ``{modern}`` is a model with attention, levels, packed
    groups, delays and a head for the host, ``{heads}`` a build of it.
    """

    name: str
    command: str
    """What is killed."""
    before: tuple[str, ...] = ()
    """Commands that made what is there; none for a first run."""
    reads: str = ""
    """The next command, which takes what is there; none for a file that people read."""
    output: str = "out"
    pieces: bool = False
    """Each file or build changes in a step of its own, as others have files in the folder."""
    often: bool = False
    """Files are written again and again: whichever is there is whole, and the run goes on."""
    once: bool = False
    """Given again, over what it wrote, it refuses."""
    sample: int = 1
    """Points of the sample; 0 where another scene of the sample is much the same."""


COMPILE = f"compile {DEMO_MODEL} --calibrate {{one}} -o {{out}} --target"
MODERN = "compile {modern} -o {out} --target"
COMPARE = f"compare {DEMO_MODEL} -o {{out}} --targets"
STUCK = "--device ideal --set cell.stuck_on=0.1"
DIE = f"die {{build}} {STUCK} --seed 1 -o {{out}}"
YIELD = f"yield {{build}} --input {{one}} {STUCK} -o {{out}}"
NEW_TARGET = "targets new -o {out} --node 28 --cell charge --readout sar4 --array"

SCENES = (
    Scene("compile", f"{COMPILE} adcless-64", (), "cost {out}", sample=0),
    Scene(
        "compile over a verified build",
        f"{COMPILE} adcless-64",
        (f"{COMPILE} ideal-128", "verify {out} --input {one}"),
        "cost {out}",
    ),
    Scene(
        "compile where folders cannot be exchanged",
        f"without-exchange {COMPILE} adcless-64",
        (f"{COMPILE} ideal-128",),
        "cost {out}",
        sample=0,
    ),
    Scene(
        "compile into an empty volume",
        f"on-a-volume {{out}} {COMPILE} adcless-64",
        ("make {out}",),
        "cost {out}",
        once=True,
        sample=0,
    ),
    Scene(
        "verify in a volume",
        "on-a-volume {out} verify {out} --input {two}",
        (f"{COMPILE} adcless-64", "verify {out} --input {one}"),
        "report {out}",
        sample=0,
    ),
    Scene(
        "verify",
        "verify {out} --input {two}",
        (f"{COMPILE} adcless-64", "verify {out} --input {one}"),
        "report {out}",
    ),
    Scene(
        "report", "report {build} --steps 2 -o {out}", ("report {build} -o {out}",), "", "p.html"
    ),
    Scene(
        "run",
        "run {build} --trace --input {two} --output {out}",
        ("run {build} --trace --input {one} --output {out}",),
        "cost {build} --activity {trace}",
        "y.npz",
        pieces=True,
    ),
    Scene(
        "compile what ends on the host",
        f"{MODERN} adcless-64 --calibrate {{modern_one}}",
        (f"{MODERN} ideal-128", "verify {out} --input {modern_one}"),
        "cost {out}",
    ),
    Scene(
        "compile over what ended on the host",
        f"{COMPILE} adcless-64",
        (f"{MODERN} adcless-64",),
        "cost {out}",
        sample=0,
    ),
    Scene(
        "verify what ends on the host",
        "verify {out} --input {modern_two}",
        (f"{MODERN} adcless-64", "verify {out} --input {modern_one}"),
        "report {out}",
        sample=0,
    ),
    Scene(
        "run what ends on the host",
        "run {heads} --trace --input {modern_two} --output {out}",
        ("run {heads} --trace --input {modern_one} --output {out}",),
        "cost {heads} --activity {trace}",
        "y.npz",
        pieces=True,
        sample=0,
    ),
    Scene(
        "die of what ends on the host",
        f"die {{heads}} {STUCK} --seed 2 -o {{out}}",
        (f"die {{heads}} {STUCK} --seed 1 -o {{out}}",),
        "cost {out}",
        sample=0,
    ),
    Scene(
        "export ONNX",
        f"export {DEMO_MODEL} -o {{out}}",
        ("export {other} -o {out}",),
        "inspect {out}",
        "model.onnx",
    ),
    Scene(
        "export NIR",
        "export {other} -o {out}",
        (),
        "inspect {out}",
        "model.nir",
    ),
    Scene(
        "compare over a comparison",
        f"{COMPARE} adcless-64,hpadc-flash5-64",
        (f"{COMPARE} hpadc-flash5-64,ideal-128",),
        "cost {out}/hpadc-flash5-64",
        sample=0,
    ),
    Scene(
        "compare where folders cannot be exchanged",
        f"without-exchange {COMPARE} adcless-64,hpadc-flash5-64",
        (f"{COMPARE} hpadc-flash5-64,ideal-128",),
        "compare {out}/hpadc-flash5-64",
        sample=0,
    ),
    Scene(
        "compare beside others' files",
        f"{COMPARE} adcless-64,hpadc-flash5-64",
        (f"{COMPARE} hpadc-flash5-64,adcless-64", "note {out}"),
        "cost {out}/hpadc-flash5-64",
        sample=0,
    ),
    Scene(
        "compare builds",
        "compare {build} -o {out} --steps 2",
        ("compare {build} -o {out}",),
        sample=0,
    ),
    Scene(
        "figures",
        "few-figures {build} -o {out} --columns 2",
        ("few-figures {build} -o {out}",),
        sample=0,
    ),
    Scene("die", f"die {{build}} {STUCK} --seed 2 -o {{out}}", (DIE,), "cost {out}", sample=0),
    Scene("calibrate", "calibrate {die} --samples {one} --place -o {out}", (DIE,), "cost {out}"),
    Scene("yield", f"{YIELD} --dies 3", (f"{YIELD} --dies 1",), often=True),
    Scene(
        "compare dies",
        f"compare {{build}} --input {{one}} {STUCK} --dies 2 -o {{out}}",
        (f"compare {{build}} --input {{one}} {STUCK} --dies 1 -o {{out}}",),
        often=True,
    ),
    Scene("targets new", f"{NEW_TARGET} 256x64", (), "targets {out}", "my.toml", once=True),
    Scene("demo", "quick-demo {out}", (f"{COMPILE} ideal-128",), ""),
    Scene("train", "train {out}", often=True),
)


def state(out: Path) -> dict[str, str] | None:
    """Return the hash of every file of the output, but for what killed runs leave."""
    if not out.parent.is_dir():
        return None
    files = [
        path
        for path in sorted(out.parent.rglob("*"))
        if path.is_file() and not any(is_leftover(part) for part in path.parts)
    ]
    held = {str(path.relative_to(out.parent)): path for path in files}
    return {name: told(path) for name, path in held.items()} or None


def told(path: Path) -> str:
    """Return the hash of a file; of a training run without what depends on the clock."""
    content = path.read_bytes()
    if path.name == "metrics.jsonl":
        rows = [json.loads(line) for line in content.splitlines()]
        content = json.dumps([row | {"seconds": 0} for row in rows]).encode()
    elif path.suffix == ".pt":
        with zipfile.ZipFile(path) as archive:  # numbers of tensors, not the seconds beside them
            tensors = [name for name in sorted(archive.namelist()) if "/data/" in name]
            content = b"".join(map(archive.read, tensors))
    elif path.suffix == ".svg" and path.name == "curves.svg":
        content = b"drawn" if content.rstrip().endswith(b"</svg>") else content
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_a_killed_command_leaves_the_old_output_or_the_new_one(scene, children, fixed, campaign):
    if not campaign(range(1), scene.sample):
        pytest.skip("make test-all walks this one")
    walk = Walk(scene, children, fixed)
    old = walk.prepare()
    done = walk.run(scene.command)
    assert done.code == 0, done.output
    new = walk.state()
    assert new not in (None, old)
    walk.laid = walk.read()
    for point in campaign(range(1, done.changes + 1), scene.sample):
        walk.kill(int(point), old, new)


class Walk:
    """One scene, killed at one point after the other."""

    def __init__(self, scene: Scene, children: Children, fixed: dict[str, str]) -> None:
        self.scene, self.children = scene, children
        self.out = children.below / "place" / scene.output
        self.laid: tuple[State, ...] = ()
        self.kept = children.below.parent / "kept"
        trace = self.out.with_suffix(".trace.npz")
        self.names = {**fixed, "out": str(self.out), "trace": str(trace)}
        shutil.rmtree(self.kept, ignore_errors=True)
        shutil.rmtree(self.out.parent, ignore_errors=True)
        self.out.parent.mkdir()
        for line in scene.before:
            done = self.run(line)
            assert done.code == 0, done.output
        shutil.copytree(self.out.parent, self.kept)

    def run(self, line: str, stop: int = 0):
        args = [word.format(**self.names) for word in line.split()]
        return self.children.run(*args, stop=stop)

    def state(self) -> State:
        return state(self.out)

    def read(self) -> tuple[State, ...]:
        """Return old and new output as the next command leaves them: it may lay a page anew."""
        if not self.scene.reads:
            return ()
        left = []
        for ready in (self.state, self.prepare):
            if ready() is not None:
                done = self.run(self.scene.reads)
                assert done.code == 0, done.output
                left.append(self.state())
        return tuple(left)

    def prepare(self) -> State:
        shutil.rmtree(self.out.parent)
        shutil.copytree(self.kept, self.out.parent)
        return self.state()

    def kill(self, point: int, old: State, new: State) -> None:
        self.prepare()
        where = f"killed at change {point}"
        assert self.run(self.scene.command, stop=point).code == -9, where
        if self.scene.reads and (old is not None or self.state() is not None):
            read = self.run(self.scene.reads)
            assert read.code == 0, (where, read.output)
        now = self.state()
        if self.scene.often:
            pass  # the state was taken, so every file could be read
        elif self.scene.pieces:
            assert_pieces(now or {}, old or {}, new or {}, where)
        else:
            assert now in (old, new, *self.laid), (
                where,
                differences(now, old),
                differences(now, new),
            )
        if self.scene.once and now in (new, *self.laid[:1]):
            return
        again = self.run(self.scene.command)
        # Where the killed run had begun to put its files in place, the next one ends that first,
        # and finds what it would have written.
        ended = self.scene.once and self.state() == new
        assert again.code == 0 or ended, (where, again.output)
        assert self.state() == new, (where, differences(self.state(), new))
        left = [path for path in self.out.parent.rglob("*") if is_leftover(path.name)]
        assert left == [], where


def assert_pieces(now: Held, old: Held, new: Held, where: str) -> None:
    """Each file is the old or the new one, and the files of a build are of one build."""
    for name, digest in now.items():
        assert digest in (old.get(name), new.get(name)), (where, name)
    for place in {Path(name).parent for name in {*old, *new} if name.endswith("manifest.json")}:
        now_, old_, new_ = (within(held, place) for held in (now, old, new))
        assert now_ in (old_, new_), (where, place)


def within(held: Held, place: Path) -> Held:
    return {name: digest for name, digest in held.items() if Path(name).parent == place}


def differences(one: State, other: State) -> list[str]:
    a, b = one or {}, other or {}
    return sorted(name for name in {*a, *b} if a.get(name) != b.get(name))
