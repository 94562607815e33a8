"""Fill a devpi cache and a wheelhouse for every target, and prove that both work offline.

``docs/architecture.md`` is the way in: a page, a picture, and where to find what.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__version__ = "0.1.0"


def register(root: str | Path = ".", *, prefix: str = "") -> None:
    """Add the sessions of devpi-warmup to the noxfile that calls this; call it last.

    :param root: the folder of ``pyproject.toml``, by default that of the noxfile
    :param prefix: goes before the names of the sessions, where the noxfile has such names already
    :raises SystemExit: a session of that name is there already
    """
    # Here and not above: the rest of the package does not need nox.
    from devpi_warmup.sessions import registration  # noqa: PLC0415

    registration.register(root, prefix=prefix)
