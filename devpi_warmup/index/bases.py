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
_INHERITANCE = "mirror_whitelist_inheritance"
_NO_LIST = ("mirror_no_project_list", "remote_no_project_list")


@dataclass(frozen=True)
class Base:
    """One index that has a say.

    :param name: ``root/pypi``
    :param url: without a slash at its end
    :param is_mirror: whether it asks an upstream
    :param open_to: the projects that it lets mirrors add to ("*": all); else what is uploaded
        to it hides theirs
    :param goes_by_list: whether it believes the list of its upstream's projects; that there is no
        such project then tells nothing until it has one
    """

    name: str
    url: str
    is_mirror: bool
    open_to: frozenset[str] = frozenset()
    goes_by_list: bool = False

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

    :param narrow: whether a project must be let in by all indexes on the way, not by one
    :param unshown: why they cannot be read, or ""
    """

    all: tuple[Base, ...] = ()
    narrow: bool = False
    unshown: str = ""

    @property
    def shown(self) -> tuple[str, ...]:
        """Their names, in the order of devpi, as reports have them."""
        return tuple(f"{base.name} (mirror)" if base.is_mirror else base.name for base in self.all)

    def silent(self, project: NormalizedName, urls: Sequence[str]) -> Iterator[Base]:
        """Yield the mirrors of which a page shows nothing, and which nothing hides.

        :param urls: of the files on the page
        """
        mirrors = [base for base in self.all if base.is_mirror]
        # The page of a mirror alone is its own answer.
        if len(self.all) > 1 and not self._hides(project, urls):
            yield from (base for base in mirrors if not base.shows(urls))

    def _hides(self, project: NormalizedName, urls: Sequence[str]) -> bool:
        """Whether an upload hides the mirrors (devpi_server/model.py, as above)."""
        open_to: frozenset[str] | None = None
        let_in = uploaded = False
        for base in self.all:
            if base.is_mirror:
                continue
            if open_to is None:
                open_to = base.open_to
            else:
                open_to = open_to & base.open_to if self.narrow else open_to | base.open_to
            if open_to & {"*", project}:
                let_in = True
            elif base.shows(urls):
                uploaded = True
        return uploaded and not let_in


def read(transport: Transport) -> Bases:
    """Ask a devpi for the bases of its index, and for those of each of them."""
    root, user, index = transport.url.url.rsplit("/", 2)
    todo, found = [f"{user}/{index}"], dict[str, Base]()
    mirrors: list[Base] = []
    narrow = False
    while todo:
        name = todo.pop(0)
        if name in found:
            continue
        try:
            settings = _settings(transport, f"{root}/{name}")
        except IndexAccessError as error:
            return Bases(unshown=f"{name}: {error.args[0]}")
        if settings is None:
            continue  # devpi passes over a base that is no more, too
        is_mirror = settings.get("type") in _MIRRORS
        open_to = {str(p) for key in _WHITELISTS for p in _list(settings, key)}
        listed = is_mirror and not any(settings.get(key) for key in _NO_LIST)
        base = Base(name, f"{root}/{name}", is_mirror, frozenset(open_to), listed)
        narrow = narrow or (not found and settings.get(_INHERITANCE) == "intersection")
        found[name] = base
        mirrors += [base] if is_mirror else []
        todo += [] if is_mirror else map(str, _list(settings, "bases"))
    stages = (base for base in found.values() if not base.is_mirror)
    return Bases((*stages, *mirrors), narrow)


def _settings(transport: Transport, url: str) -> Mapping[str, object] | None:
    # Without the parameter the answer lists every project, and a mirror loads that list for it.
    answer = transport.ask("GET", f"{url}?no_projects=", {"Accept": "application/json"})
    if answer.status == requests.codes.not_found:
        return None
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
