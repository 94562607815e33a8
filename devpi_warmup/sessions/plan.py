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
_SETUP_PYTHON = ("3.9", "3.10", "3.11", "3.12", "3.13", "3.14")  # on every runner
_MACHINES = ("x86_64", "aarch64", "amd64", "arm64")
_RUNNERS = {
    ("linux", "x86_64"): "ubuntu-latest",
    ("linux", "aarch64"): "ubuntu-24.04-arm",
    ("windows", "amd64"): "windows-latest",
    ("windows", "arm64"): "windows-11-arm",
    ("macos", "arm64"): "macos-latest",
    ("macos", "x86_64"): "macos-15-intel",
}


def plan(session: nox.Session, config: Config, prefix: str) -> None:
    """Print an id a line; or as nox lists its sessions; or as the matrix of a GitHub workflow."""
    form = arguments.one_of(session, (JSON, GITHUB))
    if form == JSON:
        named = any(cell.environment for cell in config.cells)
        print(json.dumps([_listed(c, prefix, named=named) for c in config.cells], indent=1))  # noqa: T201
    elif form == GITHUB:
        print(github(config.cells, prefix))  # noqa: T201
    else:
        print("\n".join(cell.id for cell in config.cells))  # noqa: T201


def github(cells: Sequence[Cell], prefix: str) -> str:
    """Return two matrices in one line: of warmups, and of verifies where there is a runner."""
    plan: dict[str, dict[str, list[dict[str, str]]]] = {}
    for session in ("warmup", "verify"):
        plan[session] = {"include": []}
        for cell in cells:
            runner = _runner(cell) if session == "verify" else "ubuntu-latest"
            one = {"id": cell.id, "python": cell.target.python, "runner": runner}
            if runner:
                plan[session]["include"].append({**one, "run": f"{prefix}{session}({cell.id})"})
    return json.dumps(plan, separators=(",", ":"))


def _runner(cell: Cell) -> str:
    """Return the runner of GitHub that can install a cell, or ""."""
    family, platform = matrix.family(cell.target), cell.target.platform
    kind = "musl" if platform.startswith("musl") else family
    if not cell.target.python.startswith(_SETUP_PYTHON):
        return ""
    machine = next((m for m in _MACHINES if platform.endswith(m)), "")
    return _RUNNERS.get((kind, machine), "")


def _listed(cell: Cell, prefix: str, *, named: bool) -> dict[str, Any]:
    """Return a cell as ``nox -l --json`` has its warmup.

    :param named: whether there is an environment with a name
    """
    values = {"platform": cell.target.platform}
    if named:
        values["environment"] = cell.environment
    return {
        "session": f"{prefix}warmup({cell.id})",
        "name": f"{prefix}warmup",
        "id": cell.id,
        "python": cell.target.python,
        "tags": [matrix.family(cell.target)],
        "call_spec": values,
    }
