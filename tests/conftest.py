from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogue import Catalogue


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--integration", action="store_true", help="also what needs real servers, pip and nox"
    )
    parser.addoption(
        "--everything", action="store_true", help="also what takes longest, of a kind with others"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--everything"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="it takes long: --everything runs it"))


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
