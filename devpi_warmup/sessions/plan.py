"""The plan session: which cells there are, for people, shells and CI systems."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from devpi_warmup.sessions import arguments, matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import nox

    from devpi_warmup.inputs.cells import Cell
    from devpi_warmup.inputs.config import Config

JSON, GITHUB = "--json", "--github"
_RUNNERS = {"linux": "ubuntu-latest", "windows": "windows-latest", "macos": "macos-latest"}
_ARM = "ubuntu-24.04-arm"


def plan(session: nox.Session, config: Config, prefix: str) -> None:
    """Print an id a line; or as nox lists its sessions; or as the matrix of a GitHub workflow."""
    form = arguments.one_of(session, (JSON, GITHUB))
    if form == JSON:
        print(json.dumps([_listed(cell, prefix) for cell in config.cells], indent=1))  # noqa: T201
    elif form == GITHUB:
        print(github(config.cells, prefix))  # noqa: T201
    else:
        print("\n".join(cell.id for cell in config.cells))  # noqa: T201


def github(cells: Sequence[Cell], prefix: str) -> str:
    """Return a matrix in one line, with the runner that can verify each cell."""
    include = [
        {
            "id": cell.id,
            "python": cell.target.python,
            "runner": _runner(cell),
            "warmup": f"{prefix}warmup({cell.id})",
            "verify": f"{prefix}verify({cell.id})",
        }
        for cell in cells
    ]
    return json.dumps({"include": include}, separators=(",", ":"))


def _runner(cell: Cell) -> str:
    family, platform = matrix.family(cell.target), cell.target.platform
    return _ARM if family == "linux" and platform.endswith("aarch64") else _RUNNERS[family]


def _listed(cell: Cell, prefix: str) -> dict[str, Any]:
    """Return a cell as ``nox -l --json`` has its warmup."""
    values = {"platform": cell.target.platform}
    if cell.environment:
        values["environment"] = cell.environment
    return {
        "session": f"{prefix}warmup({cell.id})",
        "name": f"{prefix}warmup",
        "id": cell.id,
        "python": cell.target.python,
        "tags": [matrix.family(cell.target)],
        "call_spec": values,
    }
