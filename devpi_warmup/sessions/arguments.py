"""What stands after ``--`` of a session, as a value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import takewhile
from typing import TYPE_CHECKING

from packaging.utils import InvalidName, canonicalize_name

from devpi_warmup.resolve.kept import Upgrade

if TYPE_CHECKING:
    from collections.abc import Container

    import nox

UPGRADE = "--upgrade"
SINCE, SBOM = "--since", "--sbom"
FROM_SOURCE = "--from-source"


def nothing(session: nox.Session) -> None:
    """Refuse whatever there is."""
    one_of(session, ())


def one_of(session: nox.Session, known: tuple[str, ...]) -> str:
    """Return the one word that was given, or "".

    :param known: those that the session takes
    """
    words = session.posargs
    others = [word for word in words if word not in known] or words[1:]
    if others:
        takes = f"{' or '.join(known)} and nothing else" if known else "nothing"
        session.error(
            f"{session.name} takes {takes} after --: {' '.join(others)}\n"
            "    hint: what to warm up stands in [tool.devpi-warmup] and the requirement files"
        )
    return words[0] if words else ""


@dataclass(frozen=True)
class Asked:
    """What a report is to show beside what it always does.

    :param since: the manifest of another state, as it was typed, or ""
    :param bills: the ids of cells that have a bill of materials of their own, beside that of the
        wheelhouse; None where none is wanted
    """

    since: str = ""
    bills: tuple[str, ...] | None = None


def report(session: nox.Session, ids: Container[str]) -> Asked:
    """Return what a report is to show.

    :param ids: of the cells that there are
    """
    words, asked = list(session.posargs), Asked()
    while words:
        word = words.pop(0)
        if word == SINCE and words and words[0]:
            asked = replace(asked, since=words.pop(0))
        elif word == SBOM:
            cells = list(takewhile(lambda one: not one.startswith("-"), words))
            del words[: len(cells)]
            if others := [cell for cell in cells if cell not in ids]:
                session.error(f"{SBOM} takes ids of cells, as plan prints them: {' '.join(others)}")
            asked = replace(asked, bills=tuple(cells))
        else:
            session.error(
                f"{session.name} takes {SINCE} MANIFEST and {SBOM} [CELL …] after --: {word}"
            )
    return asked


def upgrade(session: nox.Session) -> Upgrade:
    """Return which pins of the last locks are not to stay."""
    if not session.posargs:
        return Upgrade()
    first, *names = session.posargs
    if first.startswith(f"{UPGRADE}="):
        session.error(f"write {UPGRADE} {first.partition('=')[2]}, with a blank")
    if first != UPGRADE:
        session.error(
            f"{session.name} takes {UPGRADE} [PROJECT …] and nothing else after --: {first}\n"
            "    hint: what to warm up stands in [tool.devpi-warmup] and the requirement files"
        )
    try:
        projects = frozenset(canonicalize_name(name, validate=True) for name in names)
    except InvalidName:
        session.error(
            f"{UPGRADE} takes names of projects: {' '.join(names)}\n"
            "    hint: a version stands in the requirement files or the constraints"
        )
    return Upgrade(everything=not names, projects=projects)
