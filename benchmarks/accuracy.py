"""Accuracy of trained networks on ADC-less crossbars, with everything it is compared with.

    python -m benchmarks.accuracy --prepare --data FOLDER
    python -m benchmarks.accuracy --data FOLDER --work FOLDER [--task nmnist] [--pool cpu=2]
    python -m benchmarks.accuracy --table [--json]

Trains what is missing in the results folder: float -> quantised weights -> 5-bit ADC -> one bit
without and with retraining, the target from scratch in one jump, and controls of as many epochs.
A run that was stopped goes on where it was. ``--table`` writes ``docs/accuracy.md``.
"""

import argparse
import json
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from benchmarks import accuracy_table
from benchmarks.accuracy_data import prepare
from benchmarks.accuracy_pool import Pool, Schedule
from benchmarks.accuracy_settings import CHAINS, SETTINGS, TARGETS, Setting, jobs, small
from benchmarks.accuracy_work import Place

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "accuracy"


def main() -> None:
    args = _arguments()
    chosen = {task: _setting(task, args) for task in args.task}
    if args.table:
        _table(args)
    elif args.prepare:
        for setting in chosen.values():
            started = time.perf_counter()
            path = prepare(setting, args.data)
            size = path.stat().st_size / 1e6
            _say(f"{path}: {size:.1f} MB in {time.perf_counter() - started:.0f} s")
    elif not _train(args, chosen):
        sys.exit(1)


def _train(args: argparse.Namespace, chosen: dict[str, Setting]) -> bool:
    place = Place(
        results=args.output,
        work=args.work,
        data=args.data,
        settings=chosen,
        validate=args.validate,
    )
    schedule = Schedule(place, args.pool, _say, args.minutes)
    todo = list(jobs(args.task, args.targets, args.seeds, args.chains))
    finished = schedule.run(todo)
    for problem in schedule.failed:
        _say(problem.splitlines()[0])
    return finished


def _table(args: argparse.Namespace) -> None:
    results = accuracy_table.read(args.output)
    if args.json:
        print(json.dumps(accuracy_table.as_data(results), indent=1))
        return
    text = accuracy_table.as_markdown(results)
    if args.output == RESULTS:
        accuracy_table.write_into(HERE.parent / "docs" / "accuracy.md", text)
    print(text)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _setting(task: str, args: argparse.Namespace) -> Setting:
    setting = SETTINGS[task]
    if args.smoke:
        setting = small(setting)
    return replace(setting, **dict(args.set))


def _change(text: str) -> tuple[str, Any]:
    """Read ``KEY=VALUE`` as a field of a setting."""
    key, _, value = text.partition("=")
    kinds = {found.name: type(getattr(SETTINGS["nmnist"], found.name)) for found in fields(Setting)}
    del kinds["crossbars"]
    if key not in kinds:
        raise argparse.ArgumentTypeError(f"{key!r} is none of {', '.join(kinds)}")
    return key, kinds[key](value)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--task", action="append", choices=list(SETTINGS), help="all where none is named")
    add("--targets", type=_names, default=list(TARGETS), help="names with commas between")
    add("--seeds", type=_numbers, default=[0, 1, 2])
    add("--chains", type=_names, default=list(CHAINS), help=f"of {', '.join(CHAINS)}")
    add("--pool", type=Pool.parse, action="append", help="cpu=COUNT or cuda=COUNT:TASK,TASK")
    add("--jobs", type=int, default=1, help="processes, where there is no --pool")
    add("--device", choices=("cpu", "cuda"), default="cpu", help="where there is no --pool")
    add("--minutes", type=float, help="stop after so long")
    add("-o", "--output", type=Path, default=RESULTS, help="folder of results")
    add("--work", type=Path, default=Path("build/accuracy"), help="folder of checkpoints")
    add("--data", type=Path, default=Path("build/accuracy-data"), help="folder of data")
    add("--prepare", action="store_true", help="make the data")
    add("--validate", action="store_true", help="report on a fifth of the training recordings")
    add("--set", type=_change, action="append", default=[], help="KEY=VALUE of the settings")
    add("--smoke", action="store_true", help="settings of seconds")
    add("--table", action="store_true", help="print the table, and write it into the docs")
    add("--json", action="store_true")
    args = parser.parse_args()
    args.task = args.task or list(SETTINGS)
    args.pool = args.pool or [Pool(device=args.device, workers=args.jobs)]
    return args


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _numbers(text: str) -> list[int]:
    return [int(number) for number in _names(text)]


if __name__ == "__main__":
    main()
