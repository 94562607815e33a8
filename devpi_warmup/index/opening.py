"""The one way to open an index: check it, know its devpi, log in, read its bases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.utils import NormalizedName

from devpi_warmup import console
from devpi_warmup.index import bases
from devpi_warmup.index.devpi import Devpi, detect
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterable

    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.inputs.urls import IndexUrl

_ANY_PROJECT = NormalizedName("pip")


@dataclass(frozen=True)
class OpenIndex:
    """An index that answers.

    :param index: its pages and files
    :param devpi: the server behind it, where it is a devpi
    """

    index: Index
    devpi: Devpi | None

    @property
    def transport(self) -> Transport:
        """The connections to it."""
        return self.index.transport


def open_index(
    url: IndexUrl,
    settings: PipConfig | None,
    projects: Iterable[NormalizedName],
    *,
    transport: Transport | None = None,
) -> OpenIndex:
    """Open an index, and say what is not as its user may think.

    :param settings: pip's configuration, for how to connect
    :param projects: that are wanted; the first of them is asked for
    :param transport: in place of one that is made here
    :raises IndexAccessError: it does not answer as an index
    """
    transport = transport or Transport(url, settings=settings)
    try:
        index = Index(transport)
        with console.never_silent(
            f"waiting for the first page of {url.url} (a fresh devpi lists all projects of its "
            "upstream first, which takes up to a minute)"
        ):
            headers = index.check(next(iter(projects), _ANY_PROJECT))
        devpi = detect(transport, headers)
        if devpi is not None:
            if not devpi.login():
                source = transport.login.current.source if transport.login.current else ""
                console.say(
                    f"devpi does not take the password of {source}; the index is read without it"
                )
            index.bases = bases.read(transport)
    except BaseException:
        transport.close()
        raise
    return OpenIndex(index, devpi)
