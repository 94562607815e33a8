from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogue import Catalogue


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--integration", action="store_true", help="also what needs real servers, pip and nox"
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    named = any("integration" in str(argument) for argument in config.args)
    if collection_path.name == "integration" and not named:
        return not config.getoption("--integration")
    return None


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
