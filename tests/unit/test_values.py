"""Locks, the wheelhouse on disk, pip's settings: what is written, and when."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from devpi_warmup.errors import InvalidInputError, WarmupError, WheelhouseError
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.targets import Target
from devpi_warmup.process import Completed
from devpi_warmup.prove.install import importable
from devpi_warmup.resolve.lock_files import to_pylock
from devpi_warmup.wheelhouse.files import Wheelhouse, write_text
from devpi_warmup.wheelhouse.lock import Lock, install_command, uv_command

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

# Locks --------------------------------------------------------------------------------------


def test_the_text_of_a_lock(small: Lock) -> None:
    app, lib = small.pins
    id_ = small.target.id
    text = small.to_requirements("out/wheels")
    assert text.splitlines()[1:] == [
        "# Python 3.13: from 3.13.0.",
        "# Inside the gap, where out/wheels/ lies, with pip 20.3 or newer:",
        f"#   {install_command(id_, 'out/wheels')}",
        f"# or with uv 0.6 or newer: {uv_command(id_, 'out/wheels')}",
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


# The wheelhouse -----------------------------------------------------------------------------


def test_write_text_is_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "one")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(WheelhouseError, match="No space left on device"):
        write_text(path, "two")
    assert path.read_text() == "one"


def test_write_text_leaves_the_same_text_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.txt"
    write_text(path, "one")
    os.utime(path, ns=(1, 1))
    write_text(path, "one")
    assert path.stat().st_mtime_ns == 1


def test_a_new_run_clears_what_a_killed_one_left(tmp_path: Path) -> None:
    wheelhouse = Wheelhouse(tmp_path)
    wheelhouse.staging.mkdir()
    (wheelhouse.staging / "partial").touch()
    with wheelhouse.held():
        assert not list(wheelhouse.staging.iterdir())
    assert not wheelhouse.staging.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_wheelhouse(tmp_path: Path) -> None:
    folder = tmp_path / "wheelhouse"
    folder.mkdir()
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(WheelhouseError, match="cannot be written"), Wheelhouse(folder).held():
        pass


def test_a_wheelhouse_that_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wheelhouse"
    path.touch()
    with pytest.raises(WheelhouseError, match="cannot be written"), Wheelhouse(path).held():
        pass


# Settings of pip ----------------------------------------------------------------------------

LISTING = """\
:env:.find-links='/links'
:env:.timeout='60'
global.cert='/ca.pem'
global.index-url='https://u:p@devpi.example.com/simple'
global.no-binary=':all:'
global.timeout='15'
global.trusted-host='a.example.com\\nb.example.com:8443'
install.constraint='/c.txt'
install.user='true'
list.format='columns'
not a setting
global.broken=x y
"""


def test_settings_are_kept_or_named() -> None:
    found = pip_config.parse(LISTING)
    assert found.kept["cert"] == "/ca.pem"
    assert found.timeout == 60.0
    assert found.retries == 5
    assert found.trusted_hosts == {"a.example.com", "b.example.com:8443"}
    assert found.index_url == "https://u:p@devpi.example.com/simple"
    assert found.ignored == (
        "constraint (pip.conf)",
        "find-links (environment)",
        "index-url (pip.conf)",
        "no-binary (pip.conf)",
        "user (pip.conf)",
    )
    assert "u:p" not in repr(found)


def test_a_configuration_that_pip_cannot_read() -> None:
    def runner(argv, *, env, timeout=None):
        assert "PIP_QUIET" not in env
        return Completed(1, "", "ERROR: Configuration file contains invalid syntax")

    with pytest.raises(WarmupError, match="pip cannot read its own configuration: ERROR"):
        pip_config.read(runner, "python", {"PIP_QUIET": "3"})


def test_a_clean_environment() -> None:
    env = pip_config.clean_environment(
        {
            "PIP_TARGET": "x",
            "UV_INDEX": "x",
            "PYTHONPATH": "x",
            "VIRTUAL_ENV": "x",
            "HOME": "/home/me",
            "https_proxy": "http://proxy.example.com",
        }
    )
    assert env["PIP_CONFIG_FILE"] == os.devnull
    assert env["HOME"] == "/home/me"
    assert env["https_proxy"] == "http://proxy.example.com"
    assert not {"PIP_TARGET", "UV_INDEX", "PYTHONPATH", "VIRTUAL_ENV"} & env.keys()


# Modules of a wheel -------------------------------------------------------------------------


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


def test_errors_are_shown_with_their_hints() -> None:
    assert str(WarmupError("no", hint="yes")) == "no\n    hint: yes"
    assert str(InvalidInputError("wrong", [])) == "wrong:"
