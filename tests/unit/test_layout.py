"""The shape of the project: imports run one way, and facts are written down once."""

from __future__ import annotations

import ast
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
# A newcomer reads from the top to the bottom; a module imports only what stands above it.
ORDER = (
    "__init__", "errors", "platform_hints", "targets", "patches", "process", "wheelhouse",
    "config", "requirements", "ambient", "credentials", "connection", "transport", "warmth",
    "bases", "index", "devpi", "wheels", "members", "gather", "lock", "finder",
    "candidates", "explain", "others", "unfit", "resolve", "pipshim", "referee", "pipjudge", "judge", "manifest", "coverage",
    "journal", "install", "serve", "server", "report", "warmup", "moving", "sessions",
)  # fmt: skip


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("devpi_warmup"):
            module = (node.module or "").removeprefix("devpi_warmup").lstrip(".")
            own = {f"{alias.name}.py" for alias in node.names}
            names = {name[:-3] for name in own if (PACKAGE / name).exists()}
            found |= {module} if module else names or {"__init__"}
    return found


def test_every_module_has_its_place() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == set(ORDER)


def test_the_package_says_in_which_order_to_read_it() -> None:
    import devpi_warmup

    named = re.findall(r"``(\w+)``", devpi_warmup.__doc__ or "")
    assert tuple(named) == ORDER[1:]


def test_imports_run_one_way() -> None:
    for place, module in enumerate(ORDER):
        wrong = imports(PACKAGE / f"{module}.py") - set(ORDER[:place])
        assert not wrong, f"{module} imports {wrong}, which stands below it"


def test_only_sessions_knows_nox() -> None:
    for module in ORDER:
        text = (PACKAGE / f"{module}.py").read_text(encoding="utf-8")
        assert bool(re.search(r"^import nox", text, re.MULTILINE)) == (module == "sessions")


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
    from devpi_warmup import config

    for name in ("README.md", "README.ko.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for key in (*config._LISTS, *config._STRINGS, *config._BOOLEANS):
            assert f"`{key}`" in text, f"{key} is missing from {name}"
