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
        "import sys, devpi_warmup.sessions.registration\n"
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
