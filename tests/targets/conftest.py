"""What tests of targets share."""

from pathlib import Path

import pytest

from targets import Target, load_target

SMALL = Path(__file__).with_name("small.toml")


@pytest.fixture
def edited(tmp_path):
    """Load the small target with one text replaced by another."""

    def load(old: str, new: str) -> Target:
        text = SMALL.read_text()
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        path = tmp_path / "adc.toml"
        path.write_text(text.replace(old, new))
        return load_target(path)

    return load
