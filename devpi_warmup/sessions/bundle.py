"""The bundle session: what crosses the gap, in one folder; whole, or what is new."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from devpi_warmup import console, process
from devpi_warmup.crossing import accepted, base, bootstrap, bundle, contents
from devpi_warmup.crossing.head import Head
from devpi_warmup.crossing.state import SHORT
from devpi_warmup.errors import WarmupError
from devpi_warmup.sessions.common import fail
from devpi_warmup.sessions.wholeness import check_licences, check_whole
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    from collections.abc import Sequence

    import nox

    from devpi_warmup.inputs.config import Config

SINCE, CHUNK, ACCEPTED = "--since", "--chunk-size", "--accepted"
_SIZE = re.compile(r"(?P<number>[1-9]\d{0,9})(?P<unit>[KMG])(?:i?B)?", re.IGNORECASE)
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}  # bytes
_SMALLEST = 64 << 10  # bytes; there are not 10^9 parts
_NAMED = 5  # files by name
_FAT32 = (4 << 30) - 1  # bytes; "4G" is what people say of it


@dataclass(frozen=True)
class Asked:
    """What stands after ``--``.

    :param since: what is inside already, as the user names it; "": everything is carried
    :param chunk: bytes of a part of the archive, or None
    :param accepted: what has arrived, as the user names it; "": nothing is noted
    """

    since: str = ""
    chunk: int | None = None
    accepted: str = ""


def session(session: nox.Session, config: Config) -> None:
    """Make a bundle, or note that one has arrived."""
    try:
        asked = read(session.posargs)
        wheelhouse = Wheelhouse.of(config)
        with console.never_silent(session.name), wheelhouse.held():
            if asked.accepted:
                _accept(asked.accepted, session, config, wheelhouse)
            else:
                _bundle(asked, session, config, wheelhouse)
    except WarmupError as error:
        fail(session, str(error))


def read(words: Sequence[str]) -> Asked:
    """Read what stands after ``--``.

    :raises WarmupError: it is something else
    """
    given: dict[str, str] = {}
    rest = [part for word in words for part in _parted(word)]
    while rest:
        option = rest.pop(0)
        if option not in {SINCE, CHUNK, ACCEPTED} or not rest or option in given:
            raise WarmupError(
                f"bundle cannot be told: {' '.join(words)}",
                hint=f"it takes {SINCE} STATE, {CHUNK} 4G, or {ACCEPTED} STATE, once each",
            )
        given[option] = rest.pop(0)
    if ACCEPTED in given and len(given) > 1:
        raise WarmupError(
            f"{ACCEPTED} notes what has arrived, and makes no bundle",
            hint=f"run it by itself, then {SINCE} last",
        )
    chunk = _bytes(given[CHUNK]) if CHUNK in given else None
    return Asked(given.get(SINCE, ""), chunk, given.get(ACCEPTED, ""))


def _parted(word: str) -> Sequence[str]:
    name, equals, value = word.partition("=")
    return (name, value) if equals and name in {SINCE, CHUNK, ACCEPTED} else (word,)


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    size = int(match["number"]) * _UNITS[match["unit"].upper()] if match else 0
    if size < _SMALLEST:
        raise WarmupError(
            f"{CHUNK} {text} is no size of a part",
            hint=f"write it like 4G, 700M or 64K, which is the smallest: {CHUNK} 4G",
        )
    return min(size, _FAT32) if size == _FAT32 + 1 else size


def _found(word: str, session: nox.Session, config: Config, wheelhouse: Wheelhouse) -> base.Base:
    path = Path(os.path.abspath(Path(session.invoked_from) / word))  # noqa: PTH100
    return base.find(word, path, config.root / bundle.FOLDER, wheelhouse)


def _accept(word: str, session: nox.Session, config: Config, wheelhouse: Wheelhouse) -> None:
    found = _found(word, session, config, wheelhouse)
    if not found.sums:
        raise WarmupError(
            "a manifest does not name everything that has arrived",
            hint="name the bundle, its state, or the SHA256SUMS of what lies inside",
        )
    new = accepted.accept(wheelhouse, found.sums)
    told = "is noted as what is inside" if new else "was noted as what is inside already"
    print(f"state {found.id[:SHORT]} {told}", flush=True)  # noqa: T201 - the result


def _bundle(asked: Asked, session: nox.Session, config: Config, wheelhouse: Wheelhouse) -> None:
    coverage = Coverage(wheelhouse)
    check_whole(session, config, coverage, "bundle")
    check_licences(config, coverage)
    since = _found(asked.since, session, config, wheelhouse) if asked.since else None
    steps = bootstrap.steps(coverage.manifest, wheelhouse.shown)
    found = contents.collect(config, coverage, steps)
    state = found.state
    if since and since.id == state.id:
        print(f"nothing is new since {since.since}: no bundle is needed", flush=True)  # noqa: T201
        return
    before = accepted.before(accepted.read(wheelhouse), state.id)
    head = Head(state, since, before, steps)
    if found.left:
        console.say(
            f"of no lock, and not carried: {found.left[0]}"
            + (f" and {len(found.left) - 1} more" if found.left[1:] else "")
            + f" in {wheelhouse.shown}/; nox -s prune says what may go"
        )
    for id_, why in found.gone.items():
        console.say(f"{id_} is of another configuration, and not carried: {why}")
    _tell_what_moved(head)
    wanted = bundle.Bundle(head, found, asked.chunk, config.sign_command)
    made = bundle.make(wanted, config.root / bundle.FOLDER, process.run)
    print(_told(made, head, signed=bool(config.sign_command)), flush=True)  # noqa: T201


def _tell_what_moved(head: Head) -> None:
    """Say what is new, and what is gone, of wheels and sdists."""
    if head.base is None:
        return
    carried = {*head.carried}
    new = [f.path for f in head.state.files if f.is_distribution and f.path in carried]
    for word, paths in (("new", new), ("gone", head.gone)):
        names = [path.rpartition("/")[2] for path in paths]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        if names:
            console.say(f"{word}: {', '.join(names[:_NAMED])}{more}")


def _told(made: bundle.Made, head: Head, *, signed: bool) -> str:
    since = f"what is new since {head.base.since}, " if head.base else ""
    gone = f", {len(head.gone)} gone" if head.base else ""
    what = f"{len(head.carried)} of {len(head.state.files)} files{gone}"
    where = f"{made.folder.parent.name}/{made.folder.name}{'' if made.new else ' was here already'}"
    how = "signed" if signed else "not signed"
    lines = [
        f"{where}: {since}{what}, {console.megabytes(made.size)}, {how}",
        "carry that folder; inside: python3 unpack.py FOLDER",
        f"when it has arrived: nox -s bundle -- --accepted {head.state.id[:SHORT]}",
    ]
    return "\n".join(console.spelled(line) for line in lines)
