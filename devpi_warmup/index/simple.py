"""The one index: its pages, each believed only when all who have a say have said it."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

import requests
from mousebender import simple
from packaging.utils import canonicalize_name

from devpi_warmup.errors import IndexAccessError, UpstreamForbidsError
from devpi_warmup.index.bases import Bases
from devpi_warmup.index.pages import IndexFile, Page, parse_page
from devpi_warmup.index.patience import clock
from devpi_warmup.index.single_flight import SingleFlight
from devpi_warmup.inputs.urls import redact
from devpi_warmup.wheelhouse.wheels import MAX_METADATA

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from packaging.utils import NormalizedName

    from devpi_warmup.index.bases import Base
    from devpi_warmup.index.transport import Answer, Transport


MAX_PAGE = 256 << 20  # bytes; the largest real project page is about 20 MiB
DEVPI_HEADER = "X-Devpi-Api-Version"
CONFIRMATIONS = 3  # times a server must say that a project does not exist
_EMPTY = "a page without files"
_GLIMPSE = 1 << 16  # bytes of a list of projects, which may be tens of megabytes
MAX_LIST = 4 << 20  # bytes of it that are read for a hint
_LISTED = re.compile(r'"name": ?"([^"]+)"|<a [^<>]*>([^<>]+)</a>')
_NAME = re.compile(rb'"name": ?"[^"]')


class Index:
    """One index: its pages, and the files they list."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.bases = Bases()  # of a devpi index, once they are known
        self._listed: SingleFlight[Base, None] = SingleFlight(self._list_names)
        self._first: Page | None = None  # of the check; nobody need ask for it again

    def check(self, project: NormalizedName) -> Mapping[str, str]:
        """Ask for one page, alone, so that a wrong address is one clear error.

        A cold devpi loads the list of all projects when it is asked for the first page, and
        fails those that come meanwhile; so nothing else is asked before this one is answered.

        :param project: one that is wanted
        :returns: the headers of the answer, which tell what kind of server it is
        :raises IndexAccessError: nothing there answers, it refuses us, or there is no such index
        """
        page, answer = self._confirmed(project, self.transport.url.simple)
        self._first = page if page.known else None
        url = self.transport.url.url
        if not page.known or DEVPI_HEADER not in answer.headers:
            # devpi answers 404 for a project and an index alike, and something before it may
            # have answered in its place.
            api = self._api()
            if DEVPI_HEADER not in api.headers:
                return answer.headers
            if not page.known and b'"index":' not in api.body:
                raise IndexAccessError(
                    f"this devpi has no index {url}",
                    hint="the address of an index is like https://devpi.example.com/user/index",
                )
            answer = api
        there, here = urlsplit(answer.url), urlsplit(url)
        if there[:2] != here[:2]:
            # Credentials would not follow, and nothing could be shown of the files there.
            other = urlunsplit((*there[:2], here.path, "", ""))
            raise IndexAccessError(
                f"the index {url} redirects to another address",
                hint=f"use that address: {redact(other)}",
            )
        return answer.headers

    def _api(self) -> Answer:
        url, json = f"{self.transport.url.url}/+api", {"Accept": "application/json"}
        try:
            return self.transport.ask("GET", url, json)
        except IndexAccessError:
            # Other indexes refuse an address they do not know; but a fault leaves all open.
            api = self.transport.ask("GET", url, json, any_status=True)
            if api.status >= requests.codes.internal_server_error:
                raise
            return api

    def page(self, project: NormalizedName) -> Page:
        """Return what the index has of a project.

        That a project does not exist is believed only when the server says so
        :data:`CONFIRMATIONS` times: a cold devpi answers 404, or an empty page, for projects
        that exist. It also keeps such an answer in mind, so it is told to ask its upstream anew.

        :raises IndexAccessError: the page cannot be had or read
        """
        first = self._first
        if first is not None and first.project == project:
            self._first = None
        else:
            first, _ = self._confirmed(project, self.transport.url.simple)
        return self._completed(first)

    def _completed(self, page: Page) -> Page:
        """Return a page in which every mirror that could have a say had it.

        :raises IndexAccessError: one of them does not answer; names it
        """
        project = page.project
        if len(self.bases.all) <= 1:
            return page  # the page of a mirror alone is its own answer
        for _ in range(CONFIRMATIONS):
            files = list(page.files)
            shown = {file.filename for file in files}
            silent = self.bases.silent(project, [file.url for file in files])
            late = [base for base in silent if self._has(base, project, shown)]
            if not late:
                break
            # It answers now, and did not when it was asked for the page.
            page, _ = self._confirmed(project, self.transport.url.simple)
        return page

    def _has(self, base: Base, project: NormalizedName, shown: AbstractSet[str]) -> bool:
        """Whether a mirror of which a page shows nothing has files that are not shown."""
        try:
            own, _ = self._ask(project, base.simple)
            if own.absence == _EMPTY:
                own, _ = self._confirmed(project, base.simple)
            elif not own.known and base.goes_by_list:
                self._listed(base)
                self._refresh(project, base.simple)  # it keeps in mind what it has said without
                own, _ = self._ask(project, base.simple)
        except IndexAccessError as error:
            raise type(error)(
                f"{base.name}, a base of the index, does not say what it has of {project}; "
                f"devpi leaves it out without a word\n      {error.args[0]}",
                hint=error.hint,
            ) from None
        return any(file.filename not in shown for file in own.files)

    def _list_names(self, base: Base) -> None:
        """Make sure that a mirror has a list of its upstream's projects to go by.

        Where the list cannot be loaded devpi says of every project that there is none
        (devpi_server/mirror.py, ``has_project_perstage``).

        :raises IndexAccessError: it has no list, or an empty one
        """
        headers = {"Accept": simple.ACCEPT_JSON_V1}
        answer = self.transport.ask("GET", base.simple, headers, limit=_GLIMPSE, cut=True)
        if answer.status != requests.codes.ok or not _NAME.search(answer.body):
            raise IndexAccessError(
                f"{base.name} has no list of the projects of its upstream, which it goes by",
                hint=f"is its upstream up? Without a list: devpi index {base.name} "
                "mirror_no_project_list=True",
            )

    def _confirmed(self, project: NormalizedName, simple_url: str) -> tuple[Page, Answer]:
        page, answer = self._ask(project, simple_url)
        began, absences = clock(), [page.absence]
        while not page.known and len(absences) < CONFIRMATIONS:
            self.transport.sleep(0.25 * 4 ** len(absences))
            if DEVPI_HEADER in answer.headers:
                self._refresh(project, simple_url)
            page, answer = self._ask(project, simple_url)
            absences.append(page.absence)
        if page.known:
            return page, answer
        said = " and ".join(dict.fromkeys(absences))
        times = f"{len(absences)} times, {began.partition(' ')[0]} to {clock()}"
        url = self.transport.url
        whose = "" if url.is_loopback else f", {url.url}"  # an address that says something
        return replace(page, absence=f"{said} ({times}){whose}"), answer

    def _ask(self, project: NormalizedName, simple_url: str) -> tuple[Page, Answer]:
        headers = {"Accept": simple.ACCEPT_SUPPORTED}
        try:
            answer = self.transport.ask("GET", f"{simple_url}{project}/", headers, limit=MAX_PAGE)
        except UpstreamForbidsError as error:
            name = "/".join(simple_url.split("/")[-4:-2])
            raise IndexAccessError(
                error.args[0],
                hint=f"if the upstream of {name} answers 403 for every project that it lacks, "
                "have devpi go by the list of its projects: "
                f"devpi index {name} mirror_no_project_list=False",
            ) from None
        if answer.status == requests.codes.not_found:
            page = Page(project, known=False, wheels=(), others=())
        else:
            page = parse_page(project, answer)
        if not page.known:
            what = "404" if answer.status == requests.codes.not_found else _EMPTY
            page = replace(page, absence=what)
        return page, answer

    def _refresh(self, project: NormalizedName, simple_url: str) -> None:
        """Have devpi forget what it knows of a project (devpi_server/views.py, simple_refresh)."""
        url = f"{simple_url}{project}/refresh"
        with suppress(IndexAccessError):  # the page will tell
            self.transport.ask("POST", url, {}, limit=MAX_PAGE, any_status=True)

    def names(self) -> frozenset[NormalizedName]:
        """Return the projects that the index lists, of a long list those at its beginning.

        It may list none: the private devpi-server, say, knows what it was asked for already.
        """
        headers = {"Accept": simple.ACCEPT_JSON_V1}
        with suppress(IndexAccessError):  # it is good for a hint, and no more
            answer = self.transport.ask(
                "GET", self.transport.url.simple, headers, limit=MAX_LIST, cut=True, any_status=True
            )
            if answer.status == requests.codes.ok:
                found = _LISTED.findall(answer.body.decode("utf-8", "replace"))
                return frozenset(canonicalize_name(one or other) for one, other in found)
        return frozenset()

    def metadata(self, file: IndexFile) -> bytes | None:
        """Return the METADATA that the index serves beside a wheel (PEP 658), if it does."""
        try:
            answer = self.transport.ask(
                "GET", f"{file.url}.metadata", {}, limit=MAX_METADATA, any_status=True
            )
        except IndexAccessError:
            return None  # a promise not kept: the wheel itself has it too
        if answer.status != requests.codes.ok:
            return None
        digest = hashlib.sha256(answer.body).hexdigest()
        return answer.body if file.metadata_sha256 in {"", digest} else None
