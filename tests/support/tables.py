"""The table of a configuration, read as the tests write it, and what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from devpi_warmup.errors import InvalidInputError
from devpi_warmup.inputs import config


def load(root: Path, text: str) -> config.Config:
    (root / "pyproject.toml").write_text(text, encoding="utf-8")
    return config.load(root, {})


def problems(root: Path, text: str) -> str:
    with pytest.raises(InvalidInputError) as caught:
        load(root, text)
    return str(caught.value)
