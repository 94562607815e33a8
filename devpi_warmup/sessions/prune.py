"""The prune session: what nothing needs any more is listed, and removed on a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.crossing.prune import KEPT, prunable, prune
from devpi_warmup.errors import WarmupError
from devpi_warmup.sessions import arguments
from devpi_warmup.sessions.common import fail
from devpi_warmup.sessions.wholeness import check_whole
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    import nox

    from devpi_warmup.crossing.prune import Prunable
    from devpi_warmup.inputs.config import Config

YES = "--yes"


def session(session: nox.Session, config: Config) -> None:
    """List what nothing needs, and remove it where ``--yes`` says so."""
    yes = arguments.one_of(session, (YES,)) == YES
    wheelhouse = Wheelhouse.of(config)
    try:
        with console.never_silent(session.name), wheelhouse.held():
            coverage = Coverage(wheelhouse)
            check_whole(session, config, coverage, "prune")
            found = prunable(coverage)
            for file in found.files:
                last = f"last in state {file.last}" if file.last else "in no accepted state"
                print(f"{file.name}  {console.megabytes(file.size)}  {last}")  # noqa: T201
            if yes:
                prune(found.files, wheelhouse)
    except WarmupError as error:
        fail(session, str(error))
    print(console.spelled(_told(found, wheelhouse, yes=yes)), flush=True)  # noqa: T201


def _told(found: Prunable, wheelhouse: Wheelhouse, *, yes: bool) -> str:
    states = f"and none of the last {KEPT} accepted states ({', '.join(found.kept)})"
    asked = f"no lock of the manifest {states if found.kept else '(no state was accepted yet)'}"
    if not found.files:
        by = f"a lock, or by a state that has arrived ({', '.join(found.kept)})"
        needed = f"is needed by {by if found.kept else 'a lock'}"
        return f"nothing to prune: every wheel and sdist in {wheelhouse.shown}/ {needed}"
    count = f"{len(found.files)} file{'s' if found.files[1:] else ''}"
    what = f"{count}, {console.megabytes(found.size)}, which {asked} names"
    return f"removed: {what}" if yes else f"{what}; nox -s prune -- {YES} removes them"
