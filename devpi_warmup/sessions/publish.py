"""The publish session: the wheelhouse goes into the index of the closed side."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from devpi_warmup import console, process
from devpi_warmup.errors import WarmupError
from devpi_warmup.inputs import pip_config
from devpi_warmup.inputs.urls import parse_index_url, redact
from devpi_warmup.prove.pip import Pip
from devpi_warmup.sessions.common import fail, import_engine, python_of
from devpi_warmup.sessions.wholeness import check_licences
from devpi_warmup.wheelhouse.coverage import Coverage
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    import nox

    from devpi_warmup.inputs.config import Config
    from devpi_warmup.inputs.urls import IndexUrl

CREATE, PAGES = "--create", "--pages"
_USAGE = "nox -s publish -- https://devpi.example.com/user/index"


@dataclass(frozen=True)
class _Wanted:
    """What stands after ``--``.

    :param url: of a devpi index, or the address that takes uploads; as it was typed, without user
    :param pages: the other address of a server that is no devpi
    """

    url: IndexUrl
    address: str
    pages: IndexUrl | None
    create: bool


def publish(session: nox.Session, config: Config) -> None:
    """Send every file of the wheelhouse, prove it there, and have pip download every lock."""
    try:
        wanted = _wanted(session.posargs, config)
        engine = import_engine(session, "devpi_warmup.publish.publishing")
        console.quiet_libraries()
        pip = Pip(python_of(session), process.run)
        settings = pip_config.read(process.run, pip.python)
        if wanted.pages is None:
            kind = import_engine(session, "devpi_warmup.publish.devpi_index").DevpiIndex
            open_ = partial(kind, wanted.url, settings, create=wanted.create)
        else:
            kind = import_engine(session, "devpi_warmup.publish.legacy").Legacy
            open_ = partial(kind, wanted.url, wanted.address, wanted.pages, settings)
        check_licences(config, Coverage(Wheelhouse.of(config)))
        done = engine.publish(config, open_, settings, pip=pip)
    except WarmupError as error:
        fail(session, str(error))
    every, cells = done.sent + done.before, len(config.cells)
    print(  # noqa: T201 - the result of the session
        f"{done.sent} files sent ({console.megabytes(done.size)}), {done.before} were there; "
        f"{every} of {every} proven in the store of {(wanted.pages or wanted.url).url}; "
        f"{cells} of {cells} {config.counted} served by it",
        flush=True,
    )


def _wanted(words: list[str], config: Config) -> _Wanted:
    """Read what stands after ``--``.

    :raises WarmupError: it is something else
    """
    given, pages, create = list[str](), "", False
    rest = iter(words)
    for word in rest:
        if word == CREATE:
            create = True
        elif word.partition("=")[0] == PAGES:
            pages = word.partition("=")[2] or next(rest, "")
            if not pages:
                raise WarmupError(f"{PAGES} takes a URL", hint=f"{PAGES} https://…/simple/")
        else:
            given.append(word)
    if len(given) > 1 or any(word.startswith("-") for word in given):
        takes = f"publish takes a URL, {CREATE}, and {PAGES} URL"
        shown = " ".join(map(redact, given))  # one of them may hold a password
        raise WarmupError(f"{takes}, and nothing else: {shown}", hint=_USAGE)
    if create and pages:
        raise WarmupError(f"{CREATE} is for an index of devpi, and {PAGES} for other servers")
    if not given:
        if config.index is None or pages:
            hint = f"{_USAGE}, or DEVPI_INDEX"
            raise WarmupError("publish takes the URL of an index after --", hint=hint)
        return _Wanted(config.index, "", None, create)
    url = _typed(given[0], config)
    address = given[0]
    if "@" in address.partition("://")[2].partition("/")[0]:
        scheme, _, behind = address.partition("://")
        address = f"{scheme}://{behind.partition('@')[2]}"
    return _Wanted(
        url, address, replace(_typed(pages, config), plain=True) if pages else None, create
    )


def _typed(text: str, config: Config) -> IndexUrl:
    """Read a URL of the command line, where a password would be seen by others.

    :raises WarmupError: it is none, or has one
    """
    try:
        url = parse_index_url(text)
    except ValueError as error:
        raise WarmupError(f"after --: {error}", hint=_USAGE) from None
    if url.password:
        raise WarmupError(
            "a password does not belong on a command line, where others can read it",
            hint="give it in DEVPI_INDEX=https://user:password@… of the same server, in a netrc "
            "file, or in keyring",
        )
    own = config.index
    if own is not None and own.is_server_of(url.url) and url.user in {"", own.user}:
        return replace(url, user=own.user, password=own.password)
    return url
