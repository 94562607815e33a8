"""The table of faults and outcomes, which the tests fill row by row."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

from catalogue import Upload
from packaging.utils import canonicalize_name
from projects import ROOT

from devpi_warmup.errors import FileError, WarmupError
from devpi_warmup.index.devpi import detect
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs import requirement_files
from devpi_warmup.inputs.pip_config import PipConfig
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import parse_index_url
from devpi_warmup.process import run
from devpi_warmup.prove.judge import judge
from devpi_warmup.prove.pip import Pip
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse, digest
from devpi_warmup.wheelhouse.warmth import Warmth

TABLE = ROOT / "docs" / "faults.md"
HEAD = """\
# Faults, and what becomes of them

Written by the tests (`WRITE_FAULTS=1 nox -s tests`), from runs against a real devpi-server.

*OK*: the right bytes are in the wheelhouse, and devpi is shown to hold them. *not shown*: the right
bytes are in the wheelhouse, and the table says `-`, since what devpi holds cannot be shown;
`require-warm` makes it fail. *fails*: the run ends with a status that is not 0, and says this.
There is no other outcome.

| fault | where | outcome | message |
|---|---|---|---|
"""
HASTY = PipConfig({"timeout": "1"}, ())  # seconds to connect
ROWS: dict[tuple[str, str], str] = {}


def record(fault: str, where: str, outcome: str, message: str = "") -> None:
    ROWS[fault, where] = f"| {fault} | {where} | {outcome} | {message} |"


def summary(error: WarmupError | str, name: str = "") -> str:
    """Return the message without what differs from run to run."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = next((line for line in reversed(lines) if not line.startswith("hint")), "")
    for word in text.split():
        if "://" in word:
            text = text.replace(word, "…")
    text = re.sub(r"[0-9a-f]{64}", "…", text)
    text = re.sub(r"\d\d:\d\d:\d\d( [+-]\d{4})?", "hh:mm:ss", text)
    text = re.sub(r"'/[^']*'", "'…'", text)
    if name:
        text = text.replace(name.replace("-", "_"), "NAME").replace(name, "NAME")
    return text.replace("|", "/")


def table() -> str:
    return HEAD + "\n".join(ROWS.values()) + "\n"


def check_or_write() -> None:
    if os.environ.get("WRITE_FAULTS"):
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(table(), encoding="utf-8")
    assert TABLE.read_text(encoding="utf-8") == table()


def warm(
    index_url: str,
    true: Upload,
    folder: Path,
    sleep: Callable[[float], object] | None = lambda _: None,
) -> str:
    """Warm one wheel by its project's name, as a run does; return the outcome."""
    name = true.filename.partition("-")[0]
    (folder / "main.txt").write_text(name)
    wanted = requirement_files.load([folder / "main.txt"], [], root=folder)
    transport = Transport(parse_index_url(index_url), sleep=sleep, read_timeout=1.5, settings=HASTY)
    index = Index(transport)
    wheelhouse = Wheelhouse(folder / "wheelhouse")
    with wheelhouse.held():
        headers = index.check(canonicalize_name(name))
        fetcher = Fetcher(index, wheelhouse, detect(transport, headers))
        try:
            (pin,) = resolve(wanted, Target("3.13", "win_amd64"), fetcher).pins
            stored = fetcher.published(pin.file)
            (said,) = judge([pin], wheelhouse, pip=Pip(sys.executable, run)).values()
            if said.problem:
                raise FileError(f"pip cannot install {pin.file.filename}: {said.problem}")
            shown = [fetcher.proofs[pin.file], fetcher.sweep([pin.file])[pin.file]]
        finally:
            fetcher.close()
    assert digest(stored.path) == Upload(true.filename, true.data).digest
    assert pin.file.filename == true.filename
    for proof in shown:
        if proof.warmth is Warmth.COLD:
            raise FileError(f"devpi does not hold every file: {proof.reason}")
    return "not shown" if shown[-1].warmth is Warmth.UNKNOWN else "OK"
