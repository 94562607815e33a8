"""``devpi-warmup warmup -p 3.13``: nox with the noxfile of this package, for this folder.

That noxfile has no script block, so nox never looks for something to install.
"""

from __future__ import annotations

import sys
from itertools import takewhile
from pathlib import Path

import nox

from devpi_warmup import __version__

NAME = "devpi-warmup"
ROOT = Path.cwd()  # nox changes to the folder of its noxfile
_NOXFILE = Path(__file__).with_name("noxfile.py")
# With one of these nox knows what to do without the name of a session.
_SELECTING = frozenset({"-k", "--keywords", "-t", "--tags", "-s", "-e", "--session", "--sessions"})
_LIST = frozenset({"-l", "--list", "--list-sessions"})
_HELP = frozenset({"-h", "--help"})
_USAGE = f"""\
usage: {NAME} SESSION [SESSION ...] [options of nox] [-- arguments]

  {NAME} warmup              every target of [tool.devpi-warmup] in ./pyproject.toml
  {NAME} warmup -p 3.13      every platform of one Python
  {NAME} -k "warmup and windows"
  {NAME} -l                  every session there is; {NAME} alone says the same

Every option of nox can be used: nox --help lists them."""


def _selections(options: list[str]) -> list[tuple[str, bool]]:
    """Return each option that selects sessions, and whether it names any."""
    found = []
    for place, option in enumerate(options):
        name, equals, value = option.partition("=")
        if name in _SELECTING:
            after = takewhile(lambda word: not word.startswith("-"), options[place + 1 :])
            found.append((name, any(word.strip() for word in ([value] if equals else after))))
    return found


def main() -> None:
    """Run nox; see the usage.

    :raises SystemExit: with the exit status of nox; 2 where no session is named
    """
    names = list(takewhile(lambda argument: not argument.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(names) :]
    before = list(takewhile(lambda option: option != "--", options))
    if _HELP & {*before}:
        print(_USAGE)  # noqa: T201
        return
    if not names and options == ["--version"]:
        print(f"{NAME} {__version__}")  # noqa: T201
        return
    selections = _selections(before)
    selected = ["--session", *names] if names else []
    if not names and not options:
        selected = ["--list"]
    elif not (names or selections or _LIST & {*before}):
        print(f"{_USAGE}\n\n{NAME}: name a session, such as {NAME} warmup", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    if empty := [name for name, names_any in selections if not names_any]:
        print(f"{NAME}: {empty[0]} selects nothing", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    envdir = ["--envdir", str(ROOT / ".nox")]
    sys.argv = [NAME, "--noxfile", str(_NOXFILE), *envdir, *selected, *options]
    nox.main()
