"""What a wheel lets one import."""

from __future__ import annotations

import sys

from devpi_warmup.prove.install import importable

if sys.version_info >= (3, 11):
    pass
else:
    pass


def test_modules_that_can_be_imported() -> None:
    names = (
        "package/__init__.py",
        "package/deep/__init__.py",
        "package/deep/module.py",
        "compiled/__init__.cpython-313-x86_64-linux-gnu.so",
        "single.py",
        "fast.cpython-313-x86_64-linux-gnu.so",
        "win.cp313-win_amd64.pyd",
        "4f__mypyc.cpython-313-x86_64-linux-gnu.so",
        "namespace/part.py",
        "namespace/inner/__init__.py",
        "namespace/inner/deep.py",
        "tests/conftest.py",
        "tests/data/__init__.py",
        "data.txt",
        "hook.pth",
        "x-1.dist-info/METADATA",
        "x-1.data/purelib/pure/__init__.py",
        "x-1.data/scripts/run.py",
    )
    assert importable(names) == {
        "compiled",
        "fast",
        "namespace.inner",
        "namespace.part",
        "package",
        "pure",
        "single",
        "tests.data",
        "win",
    }
