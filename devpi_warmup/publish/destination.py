"""Where files are sent to: a server that can say what it has, take a file, and show it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mousebender import simple

from devpi_warmup.errors import IndexAccessError, WarmupError
from devpi_warmup.index.pages import parse_page
from devpi_warmup.index.simple import MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from packaging.utils import NormalizedName

    from devpi_warmup.index.credentials import Credentials
    from devpi_warmup.index.transport import Answer, Transport
    from devpi_warmup.inputs.urls import IndexUrl
    from devpi_warmup.publish.parcels import Parcel

SILENCE = 300.0  # seconds; a server answers an upload when it has hashed and stored it
OK, MULTIPLE, NOT_FOUND, TOO_LARGE = 200, 300, 404, 413


class PublishError(WarmupError):
    """Files cannot be published, or are not shown to be where they were sent."""


@dataclass(frozen=True)
class Listed:
    """A file as the page of its project has it.

    :param url: where its bytes are
    :param sha256: "" where the page does not say
    """

    url: str
    sha256: str


class Destination(Protocol):
    """A server, seen by one run."""

    @property
    def url(self) -> IndexUrl:
        """The index that pip reads."""

    @property
    def address(self) -> str:
        """The URL that takes files."""

    @property
    def transport(self) -> Transport:
        """The connections to the index that pip reads."""

    @property
    def login(self) -> Credentials | None:
        """Who we are to it."""

    @property
    def repair(self) -> str:
        """What mends a file that is not in its store."""

    def listed(self, project: NormalizedName) -> Mapping[str, Listed]:
        """Return what it has of a project, by filename.

        :raises IndexAccessError: it does not answer
        """

    def digest(self, found: Listed) -> str:
        """Return the sha256 of a file that it has.

        :raises FileError: it cannot be had
        """

    def send(self, parcel: Parcel) -> None:
        """Send a file.

        :raises PublishError: it is not taken
        :raises IndexAccessError: it does not answer
        """

    def why_unproven(self, parcel: Parcel) -> str:
        """Return why it is not shown that a file is in its store, or "".

        :raises IndexAccessError: it does not answer
        """

    def close(self) -> None:
        """Close every connection."""


def listed_on(transport: Transport, project: NormalizedName) -> Mapping[str, Listed]:
    """Return what the page of a project has, by filename; nothing where there is no page.

    :param transport: the connections to the index
    :raises IndexAccessError: it does not answer
    """
    url, accept = f"{transport.url.simple}{project}/", {"Accept": simple.ACCEPT_SUPPORTED}
    answer = transport.ask("GET", url, accept, limit=MAX_PAGE)
    if answer.status == NOT_FOUND:
        return {}
    files = parse_page(project, answer).files
    return {file.filename: Listed(file.url, file.sha256) for file in files}


def too_large(names: list[str]) -> PublishError:
    """Say that a server takes no body of that length."""
    return PublishError(
        f"the server takes no file as large as {', '.join(names)}",
        hint="devpi-server takes 1 GiB unless it is started with --max-request-body-size BYTES; "
        "nginx before it has client_max_body_size",
    )


def refused(parcel: Parcel, answer: Answer) -> PublishError:
    """Say that a server has not taken a file."""
    if answer.status == TOO_LARGE:
        return too_large([parcel.name])
    if MULTIPLE <= answer.status < MULTIPLE + 100:
        hint = "give the address that it sends to, with its scheme: https is not http"
        return PublishError(f"{parcel.name}: it redirects ({answer.status})", hint=hint)
    hint = "ask its keeper; its own log says more"
    return PublishError(f"{parcel.name} is not taken: it answered {answer.status}", hint=hint)


def forbidden(error: IndexAccessError, hint: str) -> PublishError:
    """Say who was refused, and what would help."""
    return PublishError(str(error.args[0]), hint=f"{hint}; {error.hint}" if hint else error.hint)
