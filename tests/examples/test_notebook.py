"""Ten minutes in Python: the example runs to its table, and the page about Python as it stands."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from tests.files import DEMO

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_ends_in_a_table_of_three_builds(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch", reason="needs the extra 'train'")
    script = ROOT / "examples" / "notebook" / "ten_minutes.py"
    options = ["-o", str(tmp_path / "out"), "--epochs", "1", "--recordings", "24"]
    monkeypatch.setattr(sys, "argv", [str(script), *options])
    runpy.run_path(str(script), run_name="__main__")
    table = capsys.readouterr().out.splitlines()[-4:]
    assert [line.split()[0] for line in table] == ["build", "5-bit-adc", "1-bit", "1-bit-trained"]
    assert (tmp_path / "out" / "trained.html").is_file()


def test_the_page_about_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "mapper" / "data"
    data.mkdir(parents=True)
    (data / "demo").symlink_to(DEMO)
    (block,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.DOTALL
    )
    (tmp_path / "shown.py").write_text(block, encoding="utf-8")
    names = runpy.run_path("shown.py")
    assert names["build"].verify(names["recording"]["x"]).bit_exact
    assert names["run"].accuracy(names["recording"]["labels"]) == 16 / 18  # as the demo says
    assert (tmp_path / "page.html").is_file()
