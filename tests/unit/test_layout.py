"""The shape of the project: facts are written down once. Imports are held by import-linter."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "devpi_warmup"


def test_verify_needs_no_library_of_the_engine() -> None:
    code = (
        "import sys, devpi_warmup.sessions\n"
        "engine = {'requests', 'resolvelib', 'rich', 'mousebender', 'tomli_w', 'filelock'}\n"
        "print(sorted(engine & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # filelock comes with nox's own virtualenv, and only if nox itself asked for it
    assert done.stdout.strip() in {"[]", "['filelock']"}


def test_the_noxfile_names_the_dependencies_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    block = re.search(r"^# /// script\n(.*?)^# ///$", noxfile, re.MULTILINE | re.DOTALL)
    assert block is not None
    script = tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.MULTILINE))
    assert script["dependencies"] == project["dependencies"]


def test_the_version_is_one() -> None:
    import devpi_warmup

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert devpi_warmup.__version__ == project["version"]


def test_both_readmes_have_the_same_commands() -> None:
    blocks = [
        re.findall(
            r"^```\w*\n(.*?)^```",
            (ROOT / name).read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )
        for name in ("README.md", "README.ko.md")
    ]
    assert blocks[0]
    commands = [
        [line.split("#")[0].strip() for block in found for line in block.splitlines()]
        for found in blocks
    ]
    assert commands[0] == commands[1]


def test_every_key_of_the_table_is_in_the_readme() -> None:
    from devpi_warmup.inputs import config

    for name in ("README.md", "README.ko.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for key in config.KEYS:
            assert f"`{key}`" in text, f"{key} is missing from {name}"
