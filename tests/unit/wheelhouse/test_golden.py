"""Locks, byte for byte: what git shows of them must be a change of the pins, not of the tool.

``WRITE_GOLDEN=1`` writes them anew.
"""

from __future__ import annotations

import os
from pathlib import Path

from catalogue import Catalogue, Resolve
from projects import ROOT

from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.wheelhouse.files import Wheelhouse

GOLDEN = ROOT / "tests" / "golden"
TARGETS = (("3.9", "manylinux2014_x86_64"), ("3.13.2", "win32"), ("3.13t", "macosx_14_0_arm64"))


def fill(catalogue: Catalogue) -> None:
    catalogue.add(
        "web-app",
        "2.1",
        requires=(
            "lib[fast]>=1",
            "colorama; sys_platform == 'win32'",
            "old; python_full_version < '3.9.3'",
            "machine; platform_machine == 'x86'",
        ),
        requires_python=">=3.9.2",
    )
    for tag in ("cp39-cp39-manylinux2014_x86_64", "cp313-cp313t-macosx_11_0_arm64", "py3-none-any"):
        catalogue.add("lib", "1.5", tag=tag, requires=("extra; extra == 'fast'",), extras=("fast",))
    for name in ("colorama", "old", "machine", "extra"):
        catalogue.add(name, "1.0")


def test_the_locks_are_the_same_bytes(
    catalogue: Catalogue, lock: Resolve, fetcher: Fetcher, wheelhouse: Wheelhouse
) -> None:
    fill(catalogue)
    for python, platform in TARGETS:
        found = lock("web-app", "lib<2", constraints=("extra<2",), python=python, platform=platform)
        for pin in found.pins:
            fetcher.naming.published(pin.file)
        write_lock(found, wheelhouse)
    written = {path.name: path.read_bytes() for path in (wheelhouse.path / "locks").iterdir()}
    if os.environ.get("WRITE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        for name, data in written.items():
            Path(GOLDEN, name).write_bytes(data)
    assert len(written) == 3 * len(TARGETS)
    assert written == {path.name: path.read_bytes() for path in GOLDEN.iterdir()}
