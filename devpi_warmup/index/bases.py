"""The indexes that have a say in the pages of a devpi index: itself, its bases, and theirs.

devpi serves a page when one of its mirrors does not answer, with the files of the others, as if
there were no more (devpi_server/model.py, ``op_sro_check_mirror_whitelist``). So of each project
every mirror that shows no file there must say itself that it has none.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from devpi_warmup.errors import IndexAccessError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from packaging.utils import NormalizedName

    from devpi_warmup.index.transport import Transport

# devpi-server 6 and 7 call them so.
_MIRRORS = frozenset({"mirror", "remote"})
_WHITELISTS = ("mirror_whitelist", "project_inheritance_rules")


@dataclass(frozen=True)
class Base:
    """One index that has a say.

    :param name: ``root/pypi``
    :param url: without a slash at its end
    :param is_mirror: whether it asks an upstream
    :param open_to: the projects that it lets mirrors add to ("*": all); else what is uploaded
        to it hides theirs
    """

    name: str
    url: str
    is_mirror: bool
    open_to: frozenset[str] = frozenset()

    @property
    def simple(self) -> str:
        """The URL of its simple repository API, with its trailing slash."""
        return f"{self.url}/+simple/"

    def shows(self, urls: Sequence[str]) -> bool:
        """Whether one of the files of a page is its own."""
        return any(url.startswith(f"{self.url}/+") for url in urls)


@dataclass(frozen=True)
class Bases:
    """All of them, in the order of devpi.

    :param unshown: why they cannot be read, or ""
    """

    all: tuple[Base, ...] = ()
    unshown: str = ""

    def silent(self, project: NormalizedName, urls: Sequence[str]) -> Iterator[Base]:
        """Yield the mirrors of which a page shows nothing, and which nothing hides.

        :param urls: of the files on the page
        """
        mirrors = [base for base in self.all if base.is_mirror]
        if len(self.all) < 2 or not mirrors:  # noqa: PLR2004 - its page is a mirror's own answer
            return
        for base in self.all:
            if not base.is_mirror and base.shows(urls) and not base.open_to & {"*", project}:
                return  # an upload hides the mirrors
        yield from (base for base in mirrors if not base.shows(urls))


def read(transport: Transport) -> Bases:
    """Ask a devpi for the bases of its index, and for those of each of them."""
    root, user, index = transport.url.url.rsplit("/", 2)
    todo, found = [f"{user}/{index}"], dict[str, Base]()
    mirrors: list[Base] = []
    while todo:
        name = todo.pop(0)
        if name in found:
            continue
        try:
            settings = _settings(transport, f"{root}/{name}")
        except IndexAccessError as error:
            return Bases(unshown=f"{name}: {error.args[0]}")
        is_mirror = settings.get("type") in _MIRRORS
        open_to = {str(p) for key in _WHITELISTS for p in _list(settings, key)}
        found[name] = base = Base(name, f"{root}/{name}", is_mirror, frozenset(open_to))
        mirrors += [base] if is_mirror else []
        todo += [] if is_mirror else map(str, _list(settings, "bases"))
    return Bases((*(base for base in found.values() if not base.is_mirror), *mirrors))


def _settings(transport: Transport, url: str) -> Mapping[str, object]:
    # Without the parameter the answer lists every project, and a mirror loads that list for it.
    answer = transport.ask("GET", f"{url}?no_projects=", {"Accept": "application/json"})
    try:
        found = json.loads(answer.body)["result"]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if answer.status != requests.codes.ok or not isinstance(found, dict) or "type" not in found:
        raise IndexAccessError(f"its settings cannot be read (it answers {answer.status})")
    return found


def _list(settings: Mapping[str, object], key: str) -> list[object]:
    value = settings.get(key, [])
    return list(value) if isinstance(value, (list, tuple)) else []
