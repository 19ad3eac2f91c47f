"""Runs commands in forked children, and kills one at its n-th change of the file system.

A server imports everything once and forks for every command, so that a point costs what its command
does. The changes are the events of ``sys.addaudithook`` below one folder: files opened for writing
(once before, once when the file is empty), made, renamed and removed.
"""

import json
import os
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CHANGES = {
    "os.chmod",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "shutil.rmtree",
}
WRITES = os.O_WRONLY | os.O_RDWR


class Stop:
    """Counts changes below a folder, and kills the process at one of them; 0 lets it live."""

    def __init__(self, below: str, at: int) -> None:
        self.below, self.at, self.seen, self.on = below, at, 0, True
        sys.addaudithook(self)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if not self.on or not (event in CHANGES or event == "open"):
            return
        path = args[0]
        if isinstance(path, int) or not self._is_below(os.fsdecode(path)):
            return
        if event == "open":
            flags = args[2]
            if isinstance(flags, int) and flags & WRITES:
                self._count()
                self._count(path, flags)
        else:
            self._count()

    def _is_below(self, path: str) -> bool:
        """``shutil.rmtree`` gives names within an open folder, which is then one of ours."""
        return path.startswith(self.below) or not path.startswith("/")

    def _count(self, path: Any = None, flags: int = 0) -> None:
        self.seen += 1
        if self.seen == self.at:
            self.on = False
            if path is not None:
                os.open(path, flags)  # a file that was opened and has nothing in it yet
            os.kill(os.getpid(), signal.SIGKILL)


def _child(job: dict[str, Any]) -> None:
    os.dup2(job["said"], 1)
    os.dup2(job["said"], 2)
    if job["largest"]:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["largest"],) * 2)
    stop = Stop(job["below"], job["stop"])
    code = 0
    try:
        _run(job["args"])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    except BaseException as error:
        print(f"Raised {type(error).__name__}: {error}")
        code = 70
    stop.on = False
    sys.stdout.flush()
    sys.stderr.flush()
    os.write(job["counted"], str(stop.seen).encode())
    os._exit(code)


def _run(args: list[str]) -> None:
    from mapper import cli
    from tests.crash import actions

    if args[0] in actions.ACTIONS:
        actions.ACTIONS[args[0]](*map(Path, args[1:]))
        return
    sys.argv = ["spikeloom", *args]
    cli.main()


def serve() -> None:
    """Answer jobs, a line of JSON each, until there are no more."""
    from tests.crash.actions import warm_up

    warm_up()
    for line in sys.stdin:
        job = json.loads(line)
        if job["args"][0] == "train":
            import tests.training.test_trainer  # noqa: F401  # torch once, not in every child
        counted, job["counted"] = os.pipe()
        said, job["said"] = os.pipe()
        child = os.fork()
        if child == 0:
            _child(job)
        os.close(job["counted"])
        os.close(job["said"])
        with open(said, encoding="utf-8") as output, open(counted, encoding="utf-8") as number:
            told, seen = output.read(), number.read()
        _, status = os.waitpid(child, 0)
        answer = [os.waitstatus_to_exitcode(status), int(seen or -1), told]
        print(json.dumps(answer), flush=True)


@dataclass
class Done:
    """What became of a command."""

    code: int
    """Exit code; -9 where it was killed."""
    changes: int
    """How many it made; -1 where it was killed."""
    output: str


class Children:
    """The server, and the folder below which changes count."""

    def __init__(self, below: Path) -> None:
        self.below = below
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.children"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *args: object, stop: int = 0, largest: int = 0) -> Done:
        """Run a command, or an action of ``actions``.

        Args:
            args: As on the command line.
            stop: Kill it at this change; 0 lets it live.
            largest: Bytes of the largest file that it can write, as on a full disk; 0 for any.
        """
        job = {
            "args": [str(arg) for arg in args],
            "below": f"{self.below}/",
            "stop": stop,
            "largest": largest,
        }
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        print(json.dumps(job), file=self.server.stdin, flush=True)
        return Done(*json.loads(self.server.stdout.readline()))

    def close(self) -> None:
        self.server.communicate()


if __name__ == "__main__":
    serve()
