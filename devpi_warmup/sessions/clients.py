"""The clients session: files that tell pip and uv where everything is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devpi_warmup import console
from devpi_warmup.errors import WarmupError
from devpi_warmup.inputs.urls import parse_index_url, redact
from devpi_warmup.sessions.common import fail
from devpi_warmup.wheelhouse import clients as files
from devpi_warmup.wheelhouse.files import Wheelhouse

if TYPE_CHECKING:
    import nox

    from devpi_warmup.inputs.config import Config

_USAGE = "nox -s clients, or nox -s clients -- https://devpi.example.com/user/index"


def clients(session: nox.Session, config: Config) -> None:
    """Write them for the index after --, or for the wheelhouse as it lies here."""
    wheelhouse = Wheelhouse.of(config)
    try:
        if len(session.posargs) > 1 or any(word.startswith("-") for word in session.posargs):
            words = map(redact, session.posargs)  # one of them may hold a password
            message = f"clients takes one URL and nothing else: {' '.join(words)}"
            raise WarmupError(message, hint=_USAGE)  # noqa: TRY301 - said as the others are
        index = parse_index_url(session.posargs[0]) if session.posargs else None
        if index is not None and index.password:
            hint = "the files are for everybody: pip asks netrc and keyring for a password"
            raise WarmupError("an address with a password is not written", hint=hint)  # noqa: TRY301
        folder = files.write(wheelhouse, index)
    except ValueError as error:
        fail(session, f"after --: {error}\n    hint: {_USAGE}")
    except WarmupError as error:
        fail(session, str(error))
    shown = f"{wheelhouse.shown}/{folder.relative_to(wheelhouse.path).as_posix()}"
    of = index.url if index else f"{wheelhouse.shown}/ as it lies here"
    print(  # noqa: T201 - the result of the session
        f"pip.conf, pip.ini, uv.toml and README.md for {of} are in {shown}/", flush=True
    )
    console.say(f"copy them where {shown}/README.md says; nothing was installed")
