"""The simple repository API of the one index: pages, and the files they list."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit, urlunsplit

import requests
from mousebender import simple
from packaging.tags import Tag, parse_tag
from packaging.utils import BuildTag, NormalizedName, parse_wheel_filename
from packaging.version import Version

from devpi_warmup.errors import IndexAccessError, UpstreamForbidsError
from devpi_warmup.index.bases import Bases
from devpi_warmup.index.transport import clock
from devpi_warmup.inputs.urls import redact
from devpi_warmup.wheelhouse.wheels import MAX_METADATA

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from devpi_warmup.index.bases import Base
    from devpi_warmup.index.transport import Answer, Transport


MAX_PAGE = 256 << 20  # bytes; the largest real project page is about 20 MiB
DEVPI_HEADER = "X-Devpi-Api-Version"
CONFIRMATIONS = 3  # times a server must say that a project does not exist
_EMPTY = "a page without files"
_SAFE_FILENAME = re.compile(r"[A-Za-z0-9_.+!-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file as a project page lists it.

    :param href: its URL, perhaps relative to the page
    :param page: the URL of the page
    :param sha256: the digest the page gives, or "" where it gives none
    :param requires_python: the specifier the page gives, or ""
    :param metadata: whether the index serves the METADATA alone (PEP 658)
    :param metadata_sha256: the digest of that METADATA, or ""
    """

    filename: str
    href: str
    sha256: str = ""
    requires_python: str = ""
    yanked: bool = False
    metadata: bool = False
    metadata_sha256: str = ""
    page: str = ""

    @property
    def url(self) -> str:
        """The absolute URL; files of one index may lie on another host."""
        return urljoin(self.page, self.href)  # joined late: a page has thousands of files


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on a project page, by what its filename says (PEP 427)."""

    project: NormalizedName
    version: Version
    build: BuildTag
    tags: frozenset[Tag]
    file: IndexFile


@dataclass(frozen=True)
class Page:
    """What the index has of one project.

    :param known: False where the index says there is no such project
    :param others: files that are no wheels of this project, such as sdists
    :param absence: how and when the index said so
    """

    project: NormalizedName
    known: bool
    wheels: tuple[Wheel, ...]
    others: tuple[IndexFile, ...]
    absence: str = ""

    @property
    def files(self) -> Iterator[IndexFile]:
        """Everything on the page."""
        return chain((wheel.file for wheel in self.wheels), self.others)


class Index:
    """One index: its pages, and the files they list."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.bases = Bases()  # of a devpi index, once they are known
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
        first, self._first = self._first, None
        if first is None or first.project != project:
            first, _ = self._confirmed(project, self.transport.url.simple)
        return self._completed(first)

    def _completed(self, page: Page) -> Page:
        """Return a page in which every mirror that could have a say had it.

        :raises IndexAccessError: one of them does not answer; names it
        """
        project = page.project
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
        except IndexAccessError as error:
            raise type(error)(
                f"{base.name}, a base of the index, does not say what it has of {project}; "
                f"devpi leaves it out without a word\n      {error.args[0]}",
                hint=error.hint,
            ) from None
        return any(file.filename not in shown for file in own.files)

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
        return replace(page, absence=f"{said} ({times})"), answer

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
            page = _parse_page(project, answer)
        if not page.known:
            what = "404" if answer.status == requests.codes.not_found else _EMPTY
            page = replace(page, absence=what)
        return page, answer

    def _refresh(self, project: NormalizedName, simple_url: str) -> None:
        """Have devpi forget what it knows of a project (devpi_server/views.py, simple_refresh)."""
        url = f"{simple_url}{project}/refresh"
        with suppress(IndexAccessError):  # the page will tell
            self.transport.ask("POST", url, {}, limit=MAX_PAGE, any_status=True)

    def metadata(self, file: IndexFile) -> bytes | None:
        """Return the METADATA that the index serves beside a wheel (PEP 658), if it does."""
        try:
            answer = self.transport.ask("GET", f"{file.url}.metadata", {}, limit=MAX_METADATA)
        except IndexAccessError:
            return None  # a promise not kept: the wheel itself has it too
        if answer.status != requests.codes.ok:
            return None
        digest = hashlib.sha256(answer.body).hexdigest()
        return answer.body if file.metadata_sha256 in {"", digest} else None


def parse_wheel(project: NormalizedName, file: IndexFile) -> Wheel | None:
    """Return the wheel a filename stands for; None where it is no wheel of the project."""
    if not file.filename.endswith(".whl") or not _SAFE_FILENAME.fullmatch(file.filename):
        return None
    try:
        name, version, build, tags = _parse_filename(file.filename)
    except ValueError:  # InvalidWheelFilename, InvalidVersion, InvalidTag
        return None
    return Wheel(project, version, build, tags, file) if name == project else None


def _parse_filename(
    filename: str,
) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    """Do the work of ``parse_wheel_filename``, with tags and versions parsed once each.

    A page of numpy has thousands of wheels and a few hundred different tags; going through
    the full parser for each takes most of the time of a warm run.
    """
    parts = filename[:-4].split("-")
    plain_parts = 5  # without a build tag: name, version, python, abi, platform
    if len(parts) != plain_parts:
        return parse_wheel_filename(filename)
    name, _, _, _ = _parse_name(parts[0])
    return name, _version(parts[1]), (), _tags("-".join(parts[2:]))


@cache
def _parse_name(text: str) -> tuple[NormalizedName, Version, BuildTag, frozenset[Tag]]:
    return parse_wheel_filename(f"{text}-0-py3-none-any.whl")


@cache
def _version(text: str) -> Version:
    return Version(text)


@cache
def _tags(text: str) -> frozenset[Tag]:
    return parse_tag(text)


def _parse_page(project: NormalizedName, answer: Answer) -> Page:
    where = redact(answer.url)
    if answer.status != requests.codes.ok:
        raise IndexAccessError(f"{where}: the server answered {answer.status}")
    content_type = answer.content_type
    try:
        text = answer.body.decode()
        details: Any = simple.parse_project_details(text, content_type, project)
        files = [_parse_file(item, answer.url) for item in details["files"]]
    except simple.UnsupportedMIMEType:
        raise IndexAccessError(
            f"{where}: this is no index: it answers with {content_type or 'no content type'}",
            hint="the address of a devpi index is like https://devpi.example.com/user/index",
        ) from None
    except simple.UnsupportedAPIVersion as error:
        raise IndexAccessError(f"{where}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"{type(error).__name__}: {str(error)[:200]}"
        raise IndexAccessError(
            f"{where}: the page cannot be read: {message}",
            hint="look at what this address answers: a proxy may be answering for the index",
        ) from None
    wheels, others = [], []
    for file in files:
        if not _is_url(file.href):
            continue
        wheel = parse_wheel(project, file)
        if wheel is None:
            others.append(file)
        else:
            wheels.append(wheel)
    return Page(project, known=bool(files), wheels=tuple(wheels), others=tuple(others))


def _is_url(href: str) -> bool:
    try:
        urlsplit(href)
    except ValueError:  # "http://[::1/"
        return False
    return True


def _parse_file(item: Mapping[str, Any], page_url: str) -> IndexFile:
    """Read one entry of a page (PEP 691, PEP 592, PEP 658, PEP 714)."""
    sha256 = item.get("hashes", {}).get("sha256", "").lower()
    metadata = item.get("core-metadata", item.get("dist-info-metadata", False))
    digest = metadata.get("sha256", "") if isinstance(metadata, dict) else ""
    return IndexFile(
        filename=str(item["filename"]),
        href=str(item["url"]).partition("#")[0],
        sha256=sha256 if _SHA256.fullmatch(sha256) else "",
        requires_python=str(item.get("requires-python") or ""),
        yanked=item.get("yanked", False) is not False,
        metadata=bool(metadata),
        metadata_sha256=str(digest).lower(),
        page=page_url,
    )
