"""Send a wheelhouse to a server, and have it shown that the server has it and pip gets it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.errors import indented, together
from devpi_warmup.index.limit import refuses
from devpi_warmup.index.transport import SMALL_CONNECTIONS
from devpi_warmup.prove.server import download_all, locked, pip_environ
from devpi_warmup.publish.destination import PublishError, too_large
from devpi_warmup.publish.parcels import parcels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.pip_config import PipConfig
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.publish.destination import Destination
    from devpi_warmup.publish.parcels import Parcel


@dataclass(frozen=True)
class Published:
    """What was done; every file is proven, and every lock was downloaded.

    :param sent: how many files
    :param size: of them, in bytes
    :param before: how many were there already
    """

    sent: int
    size: int
    before: int


def publish(
    config: Config, open_: Callable[[], Destination], settings: PipConfig, *, pip: Pip
) -> Published:
    """Send what a server lacks, prove all of it there, and have pip download every lock.

    The order is fixed, and one file is under way at a time: devpi writes one after the other, so
    several connections gain nothing. A run that was killed is run again; what is there stays.

    :param open_: gives the destination, once the wheelhouse is known to be whole
    :raises WarmupError: the wheelhouse is not whole, the server has other bytes under a name, does
        not take a file, is not shown to hold one, or does not serve a lock
    """
    with console.never_silent(f"the files of {config.wheelhouse_shown}/ are read"):
        found = locked(config)
        every = parcels(found)
    destination = open_()
    try:
        absent = _absent(every, destination)
        _check_limit(absent, destination, settings)
        _send(absent, destination)
        _prove(every, destination)
        login = destination.login
    finally:
        destination.close()
    with console.never_silent(f"pip downloads from {destination.url.url}"):
        environ, server = pip_environ(destination.url, login, settings), destination.url.url
        download_all(found, environ, pip=pip, server=server, again="nox -s publish")
    return Published(
        len(absent), sum(parcel.file.size for parcel in absent), len(every) - len(absent)
    )


def _absent(every: Sequence[Parcel], destination: Destination) -> list[Parcel]:
    """Return the files that the server lacks.

    :raises PublishError: it has others under their names; both digests of each are named
    """
    projects = sorted({parcel.file.project for parcel in every})
    with (
        console.never_silent(f"{destination.url.url} is asked what it has"),
        ThreadPoolExecutor(SMALL_CONNECTIONS) as pool,
    ):
        there = dict(zip(projects, pool.map(destination.listed, projects), strict=True))
    absent, errors = [], list[PublishError]()
    for parcel in every:
        listed = there[parcel.file.project].get(parcel.name)
        if listed is None:
            absent.append(parcel)
            continue
        digest = destination.digest(listed)
        if digest != parcel.file.sha256:
            errors.append(
                PublishError(
                    f"{parcel.name} is another file there: its sha256 is {digest}, and that of "
                    f"the wheelhouse {parcel.file.sha256}",
                    hint="nothing was sent; publish to an index of its own, or find out which of "
                    "the two is right, and delete the other",
                )
            )
    if errors:
        raise together(errors)
    return absent


def _check_limit(absent: Sequence[Parcel], destination: Destination, settings: PipConfig) -> None:
    """See that no file is larger than the server takes, before the first is sent.

    :raises PublishError: some are; names them
    """
    large: list[str] = []
    for parcel in reversed(absent):  # the largest first
        if not refuses(destination.url, destination.address, parcel.form.length, settings):
            break
        large.append(parcel.name)
    if large:
        raise too_large(large)


def _send(absent: Sequence[Parcel], destination: Destination) -> None:
    whole, sent = sum(parcel.file.size for parcel in absent), [0, 0]

    def far() -> str:
        return (
            f"{sent[0]} of {len(absent)} files sent, {console.megabytes(sent[1])} of "
            f"{console.megabytes(whole)}"
        )

    with console.never_silent(far):
        for parcel in absent:
            destination.send(parcel)
            sent[0] += 1
            sent[1] += parcel.file.size
    if absent:
        console.say(far())


def _prove(every: Sequence[Parcel], destination: Destination) -> None:
    """See that every file is in the store of the server.

    :raises PublishError: it is not shown of some; names them
    """
    with (
        console.never_silent(f"{destination.url.url} is asked whether it holds {len(every)} files"),
        ThreadPoolExecutor(SMALL_CONNECTIONS) as pool,
    ):
        said = list(pool.map(destination.why_unproven, every))
    wrong = [f"{p.name}: {why}" for p, why in zip(every, said, strict=True) if why]
    if wrong:
        raise PublishError(
            f"it is not shown that {destination.url.url} holds every file:\n{indented(wrong)}",
            hint=f"{destination.repair}, and publish again",
        )
