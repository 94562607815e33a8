"""Locks: what is written, and what reads it."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from packaging.pylock import Pylock

from devpi_warmup.inputs.targets import Target
from devpi_warmup.resolve.lock_files import to_pylock
from devpi_warmup.wheelhouse.lock import (
    Lock,
    LockError,
    install_command,
    read_lock,
    uv_command,
)

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_the_text_of_a_lock(small: Lock) -> None:
    app, lib = small.pins
    id_ = small.target.id
    text = small.to_requirements("out/wheels")
    assert text.splitlines()[1:] == [
        "# Python 3.13: from 3.13.0.",
        "# Inside the gap, where out/wheels/ lies, with pip 20.3 or newer:",
        f"#   {install_command(id_, 'out/wheels')}",
        f"# or with uv 0.6.17 or newer: {uv_command(id_, 'out/wheels')}",
        "app==1.0 \\",
        f"    --hash=sha256:{app.sha256}",
        "    # via -r main.txt",
        "lib==2.0 \\",
        f"    --hash=sha256:{lib.sha256}",
        "    # via app",
    ]


def test_the_command_names_the_page_of_the_lock_alone() -> None:
    assert install_command("cp39-win32", "wheelhouse") == (
        "pip install --no-index --find-links wheelhouse/locks/cp39-win32.html --require-hashes "
        "-r wheelhouse/locks/cp39-win32.txt"
    )


def test_a_lock_with_other_letters_names_its_encoding(small: Lock) -> None:
    """Some releases of pip read it in the locale's encoding without."""
    assert not small.to_requirements("wheelhouse").startswith("# -*-")
    pins = tuple(replace(pin, via=("-r 요구사항.txt",)) for pin in small.pins)
    text = replace(small, pins=pins).to_requirements("wheelhouse")
    assert text.startswith("# -*- coding: utf-8 -*-\n")


def test_a_pylock_names_files_beside_it_and_its_environment(small: Lock) -> None:
    pylock = Pylock.from_dict(tomllib.loads(to_pylock(small)))
    (environment,) = pylock.environments or ()
    assert environment.evaluate(dict(small.target.markers))
    assert not environment.evaluate(dict(Target("3.13", "win_amd64").markers))
    selected = list(
        pylock.select(environment=small.target.markers, tags=small.target.tags)  # type: ignore[arg-type]
    )
    assert [str(package.name) for package, _ in selected] == ["app", "lib"]
    wheel = selected[1][1]
    assert wheel.path == "../lib-2.0-cp313-cp313-manylinux_2_28_x86_64.whl"
    assert wheel.size == small.pins[1].size
    assert str(pylock.requires_python) == ">=3.13.0"


def test_a_lock_is_read_back(small: Lock) -> None:
    korean = replace(small.pins[0], via=("-r 요구사항.txt", "lib"), extras=("a", "b-c"))
    lock = replace(small, pins=(korean, *small.pins[1:]))
    read = read_lock(lock.to_requirements("wheelhouse"))
    assert [(p.project, p.version, p.sha256, p.extras, p.via) for p in read] == [
        (p.project, p.version, p.sha256, p.extras, p.via) for p in lock.pins
    ]
    assert read_lock("# nothing\n") == ()


@pytest.mark.parametrize(
    "text", ["six\n", "six==1 \\\n", "six==1\n    --hash=sha256:x\n", "-r x\n"]
)
def test_what_is_not_a_lock(text: str) -> None:
    with pytest.raises(LockError, match="not a pin with its hash"):
        read_lock(text)
