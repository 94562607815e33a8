"""The simple repository API of the one index: pages and files, retries and credentials."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
from mousebender import simple
from packaging.tags import Tag, parse_tag
from packaging.utils import BuildTag, NormalizedName, parse_wheel_filename
from packaging.version import Version

from devpi_warmup.errors import FileError, IndexAccessError
from devpi_warmup.requirements import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from devpi_warmup.ambient import Ambient
    from devpi_warmup.config import IndexUrl

# Connections at once; more only lengthen devpi's own queue of commits. Pages have their own,
# since the way to the last file is a chain of pages, and big files would stand before them.
PAGE_CONNECTIONS = 3
FILE_CONNECTIONS = 5
READ_TIMEOUT = 60.0  # seconds between two pieces of an answer
CHUNK = 1 << 18  # bytes
MAX_PAGE = 256 << 20  # bytes; the largest real project page is about 20 MiB
MAX_METADATA = 16 << 20  # bytes
CONFIRMATIONS = 3  # times a server must say that a project does not exist
_RETRIED = frozenset({429, 500, 502, 503, 504, 520, 527})
_LONGEST_PAUSE = 8.0  # seconds
_SAFE_FILENAME = re.compile(r"[A-Za-z0-9_.+!-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NOT_FOUND, _UNAUTHORIZED, _FORBIDDEN, _ERROR = 404, 401, 403, 400


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
    """

    project: NormalizedName
    known: bool
    wheels: tuple[Wheel, ...]
    others: tuple[IndexFile, ...]


class Index:
    """One index. Thread-safe: every thread has its own session and keep-alive connection."""

    def __init__(
        self,
        url: IndexUrl,
        *,
        make_session: Callable[[], requests.Session] = requests.Session,
        ambient: Ambient | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._make_session = make_session
        self._ambient = ambient
        self._sleep = sleep
        self._retries = ambient.retries if ambient else 5
        self._timeout = (ambient.timeout if ambient else 15.0, READ_TIMEOUT)
        self._threads = threading.local()
        self._page_slots = threading.BoundedSemaphore(PAGE_CONNECTIONS)
        self._file_slots = threading.BoundedSemaphore(FILE_CONNECTIONS)
        self._sessions: list[requests.Session] = []
        self._closed = threading.Event()

    def close(self) -> None:
        """Close every connection; transfers under way end at their next piece."""
        self._closed.set()
        for session in self._sessions:
            session.close()

    def check(self) -> None:
        """Ask the index for any page, so that a wrong address is one clear error.

        :raises IndexAccessError: nothing there answers, or it refuses us
        """
        self._ask(NormalizedName("pip"))

    def page(self, project: NormalizedName) -> Page:
        """Return what the index has of a project.

        That a project does not exist is believed only when the server says so
        :data:`CONFIRMATIONS` times: a cold devpi answers 404, or an empty page, for projects
        that exist.

        :raises IndexAccessError: the page cannot be had or read
        """
        for attempt in range(CONFIRMATIONS):
            if attempt:
                self._sleep(0.25 * 4**attempt)
            page = self._ask(project)
            if page.known:
                break
        return page

    def _ask(self, project: NormalizedName) -> Page:
        url = f"{self.url.simple}{project}/"
        response = self._get(url, {"Accept": simple.ACCEPT_SUPPORTED}, limit=MAX_PAGE)
        if response.status == _NOT_FOUND:
            return Page(project, known=False, wheels=(), others=())
        return _parse_page(project, response)

    def metadata(self, file: IndexFile) -> bytes | None:
        """Return the METADATA that the index serves beside a wheel (PEP 658), if it does."""
        try:
            response = self._get(f"{file.url}.metadata", {}, limit=MAX_METADATA)
        except IndexAccessError:
            return None  # a promise not kept: the wheel itself has it too
        if response.status != requests.codes.ok:
            return None
        digest = hashlib.sha256(response.body).hexdigest()
        return response.body if file.metadata_sha256 in {"", digest} else None

    def download(
        self, file: IndexFile, path: Path, *, progress: Callable[[int], None] | None = None
    ) -> str:
        """Stream a file to ``path`` and return its sha256.

        What stands at ``path`` afterwards is complete and has the digest of the page; after an
        error nothing does. The caller gives a temporary path.

        :param progress: called with the number of bytes of each piece
        :raises FileError: the file cannot be had, or is not what the page says
        :raises OSError: ``path`` cannot be written
        """
        problem = ""
        for attempt in range(self._retries + 1):
            self._pause(attempt)
            try:
                with self._file_slots, self._request(file.url, {}, stream=True) as response:
                    self._raise_for_refusal(response, file.url)
                    if response.status_code in _RETRIED:
                        problem = f"the server answered {response.status_code}"
                        continue
                    if response.status_code >= _ERROR:
                        raise FileError(
                            f"{file.filename} cannot be downloaded: the server answered "
                            f"{response.status_code} for {redact(file.url)}"
                        )
                    digest = _write(path, self._pieces(response, progress))
            except requests.RequestException as error:
                problem = _describe(error)
                if isinstance(error, requests.TooManyRedirects):
                    break
                continue
            finally:
                if problem:
                    path.unlink(missing_ok=True)
            if file.sha256 in {"", digest}:
                return digest
            problem = f"its sha256 is {digest}, the index says {file.sha256}"
            path.unlink(missing_ok=True)
        raise FileError(
            f"{file.filename} cannot be downloaded from {redact(file.url)}: {problem}",
            hint="run it again; if it stays, ask the keeper of the index",
        )

    def _pieces(
        self, response: requests.Response, progress: Callable[[int], None] | None
    ) -> Iterator[bytes]:
        for piece in response.iter_content(CHUNK):
            if self._closed.is_set():
                raise requests.ConnectionError("the run was stopped")
            if progress is not None:
                progress(len(piece))
            yield piece

    def _get(self, url: str, headers: Mapping[str, str], *, limit: int) -> _Body:
        """Return a small answer whole; retried on every fault but a refusal."""
        problem = ""
        for attempt in range(self._retries + 1):
            self._pause(attempt)
            try:
                with self._page_slots, self._request(url, headers, stream=True) as response:
                    self._raise_for_refusal(response, url)
                    if response.status_code in _RETRIED:
                        problem = f"the server answered {response.status_code}"
                        continue
                    return self._body(response, url, limit)
            except requests.TooManyRedirects as error:
                problem = _describe(error)
                break
            except requests.RequestException as error:
                problem = _describe(error)
        raise IndexAccessError(
            f"{redact(url)}: {problem}",
            hint=f"is the index {self.url.url} up, and the address right? "
            "Proxies and certificates are taken from pip's configuration",
        )

    def _body(self, response: requests.Response, url: str, limit: int) -> _Body:
        body = bytearray()
        for piece in self._pieces(response, None):
            body += piece
            if len(body) > limit:
                raise IndexAccessError(f"{redact(url)}: the answer is over {limit >> 20} MiB")
        kind = response.headers.get("Content-Type", "")
        return _Body(response.status_code, kind, response.url, bytes(body))

    def _request(self, url: str, headers: Mapping[str, str], *, stream: bool) -> requests.Response:
        # Credentials of the index go to the index alone: its pages may link to other hosts.
        own = urlsplit(url)[:2] == urlsplit(self.url.url)[:2]
        auth = (self.url.user, self.url.password) if own and self.url.user else None
        return self._session().get(
            url, headers=dict(headers), auth=auth, stream=stream, timeout=self._timeout
        )

    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._threads, "session", None)
        if session is None:
            session = self._make_session()
            _connect(session, self._ambient, self.url)
            self._threads.session = session
            self._sessions.append(session)
        return session

    def _raise_for_refusal(self, response: requests.Response, url: str) -> None:
        if response.status_code not in {_UNAUTHORIZED, _FORBIDDEN}:
            return
        source = "the user and password of the index URL" if self.url.user else "a netrc file"
        raise IndexAccessError(
            f"{redact(url)}: the server answered {response.status_code} (credentials: {source})",
            hint="give others in DEVPI_INDEX=https://user:password@… or in a netrc file",
        )

    def _pause(self, attempt: int) -> None:
        if self._closed.is_set():
            raise IndexAccessError("the run was stopped")
        if attempt:
            self._sleep(min(0.25 * 2**attempt, _LONGEST_PAUSE))


@dataclass(frozen=True)
class _Body:
    status: int
    content_type: str
    url: str
    body: bytes


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


def _parse_page(project: NormalizedName, response: _Body) -> Page:
    where = redact(response.url)
    if response.status != requests.codes.ok:
        raise IndexAccessError(f"{where}: the server answered {response.status}")
    content_type = response.content_type.partition(";")[0].strip().lower()
    try:
        text = response.body.decode()
        details: Any = simple.parse_project_details(text, content_type, project)
        files = [_parse_file(item, response.url) for item in details["files"]]
    except simple.UnsupportedMIMEType:
        raise IndexAccessError(
            f"{where}: this is no index: it answers with {content_type or 'no content type'}",
            hint="the address of a devpi index is like https://devpi.example.com/user/index",
        ) from None
    except simple.UnsupportedAPIVersion as error:
        raise IndexAccessError(f"{where}: {error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"{type(error).__name__}: {str(error)[:200]}"
        raise IndexAccessError(f"{where}: the page cannot be read: {message}") from None
    wheels, others = [], []
    for file in files:
        wheel = parse_wheel(project, file)
        if wheel is None:
            others.append(file)
        else:
            wheels.append(wheel)
    return Page(project, known=bool(files), wheels=tuple(wheels), others=tuple(others))


def _parse_file(item: Mapping[str, Any], page_url: str) -> IndexFile:
    """Read one entry of a page (PEP 691, PEP 592, PEP 658, PEP 714)."""
    sha256 = item.get("hashes", {}).get("sha256", "").lower()
    metadata = item.get("core-metadata", item.get("dist-info-metadata", False))
    digest = metadata.get("sha256", "") if isinstance(metadata, dict) else ""
    return IndexFile(
        filename=str(item["filename"]),
        href=str(item["url"]).partition("#")[0],
        sha256=sha256 if _SHA256.fullmatch(sha256) else "",
        requires_python=item.get("requires-python") or "",
        yanked=item.get("yanked", False) is not False,
        metadata=bool(metadata),
        metadata_sha256=str(digest).lower(),
        page=page_url,
    )


def _write(path: Path, pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as stream:
        for piece in pieces:
            digest.update(piece)
            stream.write(piece)
    return digest.hexdigest()


def _connect(session: requests.Session, ambient: Ambient | None, url: IndexUrl) -> None:
    """Give a session what pip's configuration says of connections."""
    session.headers.update({"User-Agent": "devpi-warmup", "Accept-Encoding": "identity"})
    if urlsplit(url.url).hostname in {"127.0.0.1", "::1", "localhost"}:
        session.trust_env = False  # a company proxy would swallow a server of this machine
    if ambient is None:
        return
    kept = ambient.kept
    host = urlsplit(url.url).netloc
    if host in ambient.trusted_hosts or host.partition(":")[0] in ambient.trusted_hosts:
        session.verify = False
    elif "cert" in kept:
        session.verify = kept["cert"]
    if "client-cert" in kept:
        session.cert = kept["client-cert"]
    if "proxy" in kept and session.trust_env:
        session.proxies = {"http": kept["proxy"], "https": kept["proxy"]}
    if kept.get("no-proxy-env"):
        session.trust_env = False


# The narrow classes first: most of them are kinds of ConnectionError.
_WORDS = {
    requests.exceptions.SSLError: "the certificate of the server is not trusted, or it has no TLS",
    requests.exceptions.ProxyError: "the proxy does not answer",
    requests.Timeout: "the server did not answer in time",
    requests.TooManyRedirects: "it redirects in a circle",
    requests.exceptions.ChunkedEncodingError: "the answer ended too early",
    requests.ConnectionError: "no connection to the server, or it was cut",
}


def _describe(error: requests.RequestException) -> str:
    """Say what went wrong without the URL, which may hold a password."""
    for kind, words in _WORDS.items():
        if isinstance(error, kind):
            return words
    return type(error).__name__
