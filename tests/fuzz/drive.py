"""Give a file to the command line and judge what comes back.

Allowed is success, or exit 1 with diagnostics: known codes, messages, no path of this machine, no
control characters. Everything else is a ``Finding``.
"""

import json
import re
import traceback
import warnings
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import mapper
from mapper import cli
from mapper.verify.result import NOTHING_COMPARED, PASSES

ROOT = Path(mapper.__file__).parent.parent
CODES = frozenset(
    re.findall(r"^\| `([a-z-]+)` \|", (ROOT / "docs" / "diagnostics.md").read_text(), re.M)
) - {"internal"}
_DIAGNOSTIC = re.compile(r"^error\[([a-z-]+)\]: ?(.*)$", re.M)
_OUT_OF_MEMORY = re.compile(r"unable to allocate|bad_?alloc|cannot allocate|MemoryError", re.I)


class Finding(Exception):  # noqa: N818  it is what the fuzzer looks for
    """A bug, with what shows it."""

    def __init__(self, what: str, shown: str = "") -> None:
        super().__init__(what)
        self.shown = shown


class Refused(Exception):  # noqa: N818  an answer, not an error
    """A diagnostic: the file was turned away as it should be."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def spikeloom(folder: Path, *args: str, forged: bool = False) -> dict[str, Any]:
    """Run a command in ``folder`` with ``--json`` and return its answer.

    A forged build may disagree with the passes it claims to come from, and ``verify`` must say so;
    its engines must agree all the same.

    Raises:
        Refused: It exits 1 with diagnostics.
        Finding: It does anything else that it should not.
    """
    runner = CliRunner(env={"SPIKELOOM_TRACEBACK": "1"})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        done = runner.invoke(cli.app, [*args, "--json"])
    where = f"{' '.join(args)}: "
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        shown = "".join(traceback.format_exception(done.exception)[-12:])
        raise Finding(f"{where}{type(done.exception).__name__}: {done.exception}"[:500], shown)
    for warning in warned:
        if issubclass(warning.category, RuntimeWarning):
            place = f"{Path(warning.filename).name}:{warning.lineno}"
            raise Finding(f"{where}warning on stderr: {warning.message}, {place}")
    _check_text(where, folder, done.stdout, done.stderr)
    answer = _strict_json(where, done.stdout) if done.stdout else {}
    if done.exit_code == 0:
        return answer
    if done.exit_code != 1:
        raise Finding(f"{where}exit {done.exit_code}", done.output)
    if answer.get("verdict") == NOTHING_COMPARED:
        return answer  # no claim: the only other engine cannot run the file
    if answer.get("bit_exact") is False:
        if forged and all(ring["name"] == PASSES for ring in _broken(answer)):
            return answer
        raise Finding(f"{where}{_broken_ring(answer)}", json.dumps(answer, indent=1)[:4000])
    raise Refused(_check_diagnostics(where, done.stderr, answer))


def _check_text(where: str, folder: Path, stdout: str, stderr: str) -> None:
    for text in (stdout, stderr):
        for path in {str(folder), str(folder.resolve()), str(ROOT), "/tmp/"}:
            if path in text:
                at = text.index(path)
                raise Finding(f"{where}shows the absolute path {text[at : at + 80]!r}")
    if bad := [c for c in stderr if not c.isprintable() and c != "\n"]:
        raise Finding(f"{where}control characters on stderr: {bad[:5]!r}", repr(stderr[:2000]))
    if found := _OUT_OF_MEMORY.search(stderr):
        raise Finding(f"{where}memory: {stderr[max(0, found.start() - 100) :][:300]!r}")


def _strict_json(where: str, text: str) -> dict[str, Any]:
    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    try:
        return json.loads(text, parse_constant=refuse)  # type: ignore[no-any-return]
    except ValueError as error:
        raise Finding(f"{where}stdout is not JSON: {error}", text[:2000]) from error


def _check_diagnostics(where: str, stderr: str, answer: dict[str, Any]) -> str:
    found = _DIAGNOSTIC.findall(stderr)
    errors = answer.get("errors", [])
    if not found or len(errors) != len(found):
        raise Finding(f"{where}{len(errors)} errors in JSON, {len(found)} on stderr", stderr[:2000])
    for code, message in found:
        if code not in CODES:
            raise Finding(f"{where}the code {code!r} is not documented", stderr[:2000])
        if not message.strip():
            raise Finding(f"{where}a {code!r} without a message", stderr[:2000])
    if len(stderr) > 20_000:
        raise Finding(f"{where}{len(stderr)} characters of diagnostics", stderr[:2000])
    return str(found[0][0])


def _broken(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [ring for ring in answer["rings"] if ring["status"] == "mismatch"]


def _broken_ring(answer: dict[str, Any]) -> str:
    ring = _broken(answer)[0]
    return f"WRONG: {ring['name']} {ring.get('reason')} {ring.get('first_mismatch')}"
