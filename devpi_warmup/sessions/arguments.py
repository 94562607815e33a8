"""What stands after ``--`` of a session, as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.utils import InvalidName, canonicalize_name

from devpi_warmup.resolve.kept import Upgrade

if TYPE_CHECKING:
    import nox

UPGRADE = "--upgrade"
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
