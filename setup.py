"""The native kernels: optional, so that an install without a compiler still works, on NumPy.

Everything else about the package is in pyproject.toml.
"""

import os
from pathlib import Path

from setuptools import Extension, setup

SOURCES = Path("mapper/kernels/csrc")
FLAGS = ["-O3", "-fwrapv", "-fno-strict-aliasing", "-ffp-contract=off", "-fvisibility=hidden"]

setup(
    ext_modules=[
        Extension(
            "mapper.kernels._core",
            sources=[str(path) for path in sorted(SOURCES.glob("*.c"))],
            depends=[str(path) for path in sorted(SOURCES.glob("*.h"))],
            extra_compile_args=FLAGS + os.environ.get("SPIKELOOM_CFLAGS", "").split(),
            extra_link_args=os.environ.get("SPIKELOOM_CFLAGS", "").split(),
            py_limited_api=True,
            optional=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
