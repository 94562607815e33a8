"""Addresses: of the index, and of files; without what may be secret in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit, urlunsplit


@dataclass(frozen=True)
class IndexUrl:
    """Where the index is.

    :param url: without user and password; of a devpi index without ``/+simple``
        (``https://devpi.example.com/user/index``), of a plain one as it is, but for the last slash
    :param user: the user name in the URL, if any
    :param password: kept in memory only; never shown by ``repr``
    :param plain: whether it is a simple repository (PEP 503), whatever the server
    """

    url: str
    user: str = ""
    password: str = ""
    plain: bool = False

    def __repr__(self) -> str:
        return f"IndexUrl({self.url!r})"

    @property
    def simple(self) -> str:
        """The URL of the simple repository API, with its trailing slash."""
        return f"{self.url}/" if self.plain else f"{self.url}/+simple/"

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine, where no proxy has any business."""
        return urlsplit(self.url).hostname in {"127.0.0.1", "::1", "localhost"}

    def is_server_of(self, url: str) -> bool:
        """Whether a URL is of the same server: credentials go there, and nowhere else."""
        return urlsplit(url)[:2] == urlsplit(self.url)[:2]


def parse_index_url(text: str) -> IndexUrl:
    """Take an index URL apart.

    :param text: ``http://host:3141/user/index``, with or without ``/+simple`` and a
        trailing slash, with or without ``user:password@``; what ends with ``/simple`` is plain
    :raises ValueError: the text is not such a URL; the message never holds the password
    """
    try:
        split = urlsplit(text.strip())
    except ValueError:  # its words quote the text, and the password in it
        raise ValueError("the host of the index URL is not valid") from None
    try:
        port = split.port
    except ValueError:
        raise ValueError("the port of the index URL is not a number") from None
    if split.scheme not in {"http", "https"} or not split.hostname:
        raise ValueError("the index URL must begin with https:// or http:// and a host")
    if "@" in split.path:
        raise ValueError("a password in the index URL must be percent-encoded")
    if split.query or split.fragment:
        raise ValueError("the index URL must not have a query or a fragment")
    path = split.path.rstrip("/")
    plain = path.rpartition("/")[2] == "simple"
    path = path.removesuffix("/+simple").rstrip("/")
    host = f"[{split.hostname}]" if ":" in split.hostname else split.hostname
    netloc = host if port is None else f"{host}:{port}"
    return IndexUrl(
        url=urlunsplit((split.scheme, netloc, path, "", "")),
        user=unquote(split.username or ""),
        password=unquote(split.password or ""),
        plain=plain,
    )


def redact(url: str) -> str:
    """Return a URL without what may be secret: user, password, query."""
    try:
        split = urlsplit(url)
        port = f":{split.port}" if split.port is not None else ""
    except ValueError:  # a password with a "#" or a "/" looks like a port
        return f"{url.partition('://')[0]}://…"
    return urlunsplit((split.scheme, f"{split.hostname or ''}{port}", split.path, "", ""))


def url_filename(url: str) -> str:
    """Return the filename at the end of a URL, with its percent signs decoded."""
    return unquote(PurePosixPath(urlsplit(url).path).name)
