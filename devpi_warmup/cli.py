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
_ENOUGH = ("-k", "--keywords", "-t", "--tags", "-s", "--session", "-e", "-l", "--list")
_HELP = frozenset({"-h", "--help"})
_USAGE = f"""\
usage: {NAME} SESSION [SESSION ...] [options of nox] [-- arguments]

  {NAME} warmup              every target of [tool.devpi-warmup] in ./pyproject.toml
  {NAME} warmup -p 3.13      every platform of one Python
  {NAME} -k "warmup and windows"
  {NAME} -l                  every session there is; {NAME} alone says the same

Every option of nox can be used: nox --help lists them."""


def main() -> None:
    """Run nox; see the usage.

    :raises SystemExit: with the exit status of nox; 2 where no session is named
    """
    names = list(takewhile(lambda argument: not argument.startswith("-"), sys.argv[1:]))
    options = sys.argv[1 + len(names) :]
    if _HELP & {*options}:
        print(_USAGE)  # noqa: T201
        return
    if not names and options == ["--version"]:
        print(f"{NAME} {__version__}")  # noqa: T201
        return
    selected = ["--session", *names] if names else []
    if not names and not options:
        selected = ["--list"]
    elif not names and not any(option.startswith(_ENOUGH) for option in options):
        sys.exit(f"{_USAGE}\n\n{NAME}: name a session, such as {NAME} warmup {' '.join(options)}")
    envdir = ["--envdir", str(ROOT / ".nox")]
    sys.argv = [NAME, "--noxfile", str(_NOXFILE), *envdir, *selected, *options]
    nox.main()
