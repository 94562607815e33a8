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


def imported(code: str, names: set[str]) -> set[str]:
    """Which modules a piece of code has imported, of some."""
    code = f"{code}\nimport sys\nprint(*sorted({names} & {{*sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {*done.stdout.split()}


def test_verify_needs_no_library_of_the_engine() -> None:
    code = "import devpi_warmup.sessions.verify, devpi_warmup.sessions.registration"
    engine = {"requests", "resolvelib", "rich", "mousebender", "tomli_w", "filelock"}
    # filelock comes with nox's own virtualenv, and only if nox itself asked for it
    assert imported(code, engine) <= {"filelock"}


def test_listing_the_sessions_imports_none_of_them(tmp_path: Path) -> None:
    """What each needs is a third of a second of every ``nox -l``, in each shell that completes."""
    table = '[tool.devpi-warmup]\npythons = ["3.13"]\nplatforms = ["win_amd64"]\n'
    (tmp_path / "pyproject.toml").write_text(table)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.txt").write_text("six\n")
    code = f"import devpi_warmup, nox.registry\ndevpi_warmup.register({str(tmp_path)!r})\n"
    code += "assert 'Gather' in nox.registry.get()['warmup'].__doc__, 'it is not broken'"
    names = {path.stem for path in (PACKAGE / "sessions").glob("*.py")} - {"__init__"}
    every = {f"devpi_warmup.sessions.{name}" for name in names}
    listed = ("common", "matrix", "registration", "venvs")
    assert imported(code, every) == {f"devpi_warmup.sessions.{name}" for name in listed}


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
