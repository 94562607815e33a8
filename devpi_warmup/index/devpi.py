"""Ask what only devpi can be asked: whether a file is in its own store.

A complete download with the right hash does not show it: devpi commits after the last byte, and
a commit can be lost. Its own view of a file does, and asking for it never reaches the upstream
(devpi_server/views.py, ``_pkgserv``): ``last_modified`` in the JSON view means committed, and
``Cache-Control: immutable`` of a HEAD means that the file lies on the disk now.
"""

from __future__ import annotations

import json
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import requests

from devpi_warmup.errors import ForbiddenError, IndexAccessError
from devpi_warmup.index.pages import IndexFile
from devpi_warmup.index.simple import DEVPI_HEADER
from devpi_warmup.wheelhouse.warmth import Proof, Warmth

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from devpi_warmup.index.transport import Answer, Transport

_JSON = "application/json"
_UUID = "X-Devpi-Uuid"  # of one server, and one store; a replica has its own
_TRIES = 2  # downloads of a file that devpi does not hold
_CACHE_HEADERS = ("X-Cache", "X-Cache-Status", "CF-Cache-Status")


class _UnprovenError(Exception):
    """An answer that proves nothing, or too little."""

    def __init__(self, warmth: Warmth, reason: str) -> None:
        super().__init__(reason)
        self.proof = Proof(warmth, reason, final=True)


def detect(transport: Transport, headers: Mapping[str, str]) -> Devpi | None:
    """Return the devpi-server behind an index, if it is one.

    :param headers: of any page of the index
    """
    if DEVPI_HEADER not in headers:
        return None
    bare = headers.get("Server", "").startswith("waitress")
    return Devpi(transport, bare=bare, uuid=headers.get(_UUID, ""))


def stored_at(index: str, filename: str, sha256: str) -> IndexFile:
    """Return a file where devpi keeps it (devpi_server/filestore.py, ``make_splitdir``).

    The address is of the digest that devpi has computed itself.

    :param index: its URL
    """
    url = f"{index}/+f/{sha256[:3]}/{sha256[3:16]}/{filename}"
    return IndexFile(filename, url, sha256)


class Devpi:
    """The devpi-server behind the index."""

    def __init__(self, transport: Transport, *, bare: bool, uuid: str = "") -> None:
        """Ask one server.

        :param bare: whether nothing stands before it that could answer in its place
        :param uuid: its own name for itself, which its answers must bear; "" for any
        """
        self._transport = transport
        self._bare = bare
        self._uuid = uuid

    def login(self) -> bool:
        """Exchange the password for a token, if there is one; devpi checks that far faster.

        It stretches a password at every request, for about 150 ms. Where something before devpi
        has passwords of its own, or takes no token, the password stays in use.

        :returns: False where devpi refuses the password, and nothing else can have asked for it
        """
        login = self._transport.login
        if login.current is None or not login.current.password:
            return True
        server = self._transport.url.url.rsplit("/", 2)[0]  # without /user/index
        if not self._transport.url.is_server_of(server):
            return True  # the path is shorter than that of an index of devpi
        body = {"user": login.current.user, "password": login.current.password}
        ask = partial(self._transport.ask, headers={"Accept": _JSON}, any_status=True)
        with suppress(IndexAccessError):
            answer = ask("POST", f"{server}/+login", json=body)
            if self._bare and answer.status == requests.codes.unauthorized:
                return False
            token = _result(answer).get("password")
            if isinstance(token, str) and token:
                login.use_token(token)
                # A refusal makes the transport go back to the password; a page to log in does not.
                if not _result(ask("GET", f"{self._transport.url.url}/+api")):
                    login.refused(login.current)
        return True

    def warm(self, file: IndexFile, size: int, scratch: Path) -> Proof:
        """Make sure that devpi holds a file: ask, fetch it through devpi if need be, ask again.

        The question after a download goes over the connection that has carried the file, so devpi
        has finished the commit before it reads the question.

        :param size: bytes
        :param scratch: a path for the bytes on their way through; nothing stays there
        :raises FileError: devpi cannot deliver the file
        :raises IndexAccessError: devpi does not answer
        """
        proof = self.holds(file, size)
        for attempt in range(_TRIES):
            if proof.warmth is not Warmth.COLD or proof.final:
                break
            self._transport.download(file.url, file.sha256, scratch)
            scratch.unlink()
            proof = self.holds(file, size)
            if proof.warmth is Warmth.COLD:
                # A replica hears of its own file from its primary, a moment later.
                self._transport.sleep(4**attempt)
                proof = self.holds(file, size)
        return proof

    def holds(self, file: IndexFile, size: int) -> Proof:
        """Ask whether a file of that many bytes lies in devpi's store; it fetches nothing.

        :raises IndexAccessError: devpi does not answer
        """
        if not self._own(file):
            return Proof(Warmth.COLD, "the index links to it on another server", final=True)
        try:
            return self._holds(file.url, size)
        except _UnprovenError as error:
            return error.proof

    def _holds(self, url: str, size: int) -> Proof:
        if not self._bare:
            head = self._fresh("HEAD", url, _JSON)
            if head.content_type != _JSON:
                return _static(head, size)
        # A HEAD alone would say it all, and so would a cache that has kept devpi's answer to one;
        # none can answer with the view in its place.
        view = self._fresh("GET", url, _JSON)
        if not _result(view).get("last_modified"):
            status = "" if view.status == requests.codes.ok else f" (it answers {view.status})"
            return Proof(Warmth.COLD, f"devpi has not committed it{status}")
        self._check_uuid(view)
        # For a file that is not on its disk devpi asks the upstream, which may well be gone.
        head = self._fresh("HEAD", url, "*/*", any_status=True)
        if "immutable" not in head.headers.get("Cache-Control", ""):
            return Proof(Warmth.COLD, "devpi has committed it, but it is not on its disk")
        if head.headers.get("Content-Length") != str(size):
            return Proof(Warmth.COLD, f"it is not {size} bytes long on devpi's disk")
        self._check_uuid(head)
        return Proof(Warmth.WARM, "committed and on devpi's disk")

    def _fresh(self, method: str, url: str, accept: str, *, any_status: bool = False) -> Answer:
        """Ask devpi itself: with a query and a header that no cache has seen, following nobody."""
        probe = uuid4().hex
        try:
            answer = self._transport.ask(
                method,
                f"{url}?fresh={probe}",
                {"Accept": f"{accept};fresh={probe}"},  # devpi looks no further than the type
                any_status=any_status,
                redirects=False,
            )
        except ForbiddenError:
            reason = "something before devpi refuses the question (403)"
            raise _UnprovenError(Warmth.UNKNOWN, reason) from None
        cached = [name for name in _CACHE_HEADERS if "hit" in answer.headers.get(name, "").lower()]
        if answer.headers.get("Age", "0") != "0":
            cached.append("Age")
        if cached:
            reason = f"a cache answers in devpi's place ({cached[0]})"
            raise _UnprovenError(Warmth.UNKNOWN, reason)
        if requests.codes.multiple_choices <= answer.status < requests.codes.bad_request:
            raise _UnprovenError(Warmth.COLD, f"devpi sends for it elsewhere ({answer.status})")
        return answer

    def _check_uuid(self, answer: Answer) -> None:
        if self._uuid and answer.headers.get(_UUID) != self._uuid:
            reason = "another server answers for it than for the index"
            raise _UnprovenError(Warmth.COLD, reason)

    def _own(self, file: IndexFile) -> bool:
        return self._transport.url.is_server_of(file.url)


def _static(head: Answer, size: int) -> Proof:
    """Judge an answer that is not devpi's: a web server's own, from devpi's +files on disk."""
    if DEVPI_HEADER in head.headers:
        return Proof(Warmth.UNKNOWN, "something answers with what devpi said before")
    if head.status != requests.codes.ok or head.headers.get("Content-Length") != str(size):
        return Proof(Warmth.COLD, f"the web server before devpi answers {head.status}")
    # A web server says so of a file on its disk, and of no page it makes up.
    if head.headers.get("Accept-Ranges") != "bytes" or "Last-Modified" not in head.headers:
        return Proof(Warmth.COLD, "the web server before devpi does not answer with a file")
    return Proof(Warmth.WARM, "on the disk of the web server before devpi")


def _result(view: Answer) -> dict[str, object]:
    try:
        found = json.loads(view.body)["result"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
