from __future__ import annotations

from collections.abc import Iterator

import pytest
from catalogue import Catalogue


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture(autouse=True)
def no_ambient_settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A developer's own settings must not decide a test."""
    import os

    for name in list(os.environ):
        if name.startswith(("PIP_", "UV_")) or name in {"DEVPI_INDEX", "NETRC"}:
            monkeypatch.delenv(name)
    return iter([None])
