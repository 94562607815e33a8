"""TOML files of a user."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from devpi_warmup.errors import Problem

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from pathlib import Path


def read_toml(path: Path, shown: str) -> dict[str, Any] | Problem:
    """Return the table of a file, or what is the matter with it.

    :param shown: how messages call it
    """
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        return Problem(f"it cannot be read: {error.strerror}", shown)
    except UnicodeDecodeError:
        return Problem("it is not UTF-8 text", shown, "save it as UTF-8")
    except (ValueError, RecursionError) as error:  # a number of 5000 digits is no TOMLDecodeError
        return Problem(f"it is not valid TOML: {str(error)[:200]}", shown)
