"""What a build is known by, whatever its page says."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

PAGE = "report.html"


def identity_of(manifest: Mapping[str, Any]) -> str:
    """Return what a build is known by: a SHA-256 of its manifest, but for what is of its page.

    Records of a build name it so: the page changes with them, the build does not.

    Raises:
        KeyError, AttributeError: It is no manifest that ``read_build`` accepts.
    """
    rest = {
        key: {name: held for name, held in manifest[key].items() if name != PAGE}
        for key in ("files", "sizes")
    }
    return hashlib.sha256(json_lines({**manifest, **rest}).encode()).hexdigest()


def with_page(manifest: Mapping[str, Any], page: bytes) -> dict[str, Any]:
    """Return the manifest of the same build with another page."""
    files = {**manifest["files"], PAGE: hashlib.sha256(page).hexdigest()}
    return {**manifest, "files": files, "sizes": {**manifest["sizes"], PAGE: len(page)}}


def json_lines(data: Mapping[str, Any]) -> str:
    """Write JSON as the files of a build hold it: the same data are the same bytes."""
    return json.dumps(data, indent=1, sort_keys=True) + "\n"
