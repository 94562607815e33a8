"""What becomes of a fault of the upstream, seen through a real devpi-server.

Each case ends in one of two ways: the right bytes in the wheelhouse and shown to be warm, or an
error that says why. ``docs/faults.md`` is the table of all of them; set WRITE_FAULTS=1 to write
it anew.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from catalogue import JSON, Answer, Upload, make_wheel
from projects import ROOT, Devpi

from devpi_warmup import requirements
from devpi_warmup.config import parse_index_url
from devpi_warmup.devpi import Warmth, detect
from devpi_warmup.errors import WarmupError
from devpi_warmup.gather import Gatherer
from devpi_warmup.index import Index
from devpi_warmup.resolve import resolve
from devpi_warmup.targets import Target
from devpi_warmup.transport import Transport
from devpi_warmup.wheelhouse import Wheelhouse, digest
from devpi_warmup.wheels import check_wheel

FINE = Answer(299)
TABLE = ROOT / "docs" / "faults.md"
HEAD = """\
# Faults of the upstream, and what becomes of them

Written by `tests/integration/test_faults.py` from a run against a real devpi-server. *OK* means:
the right bytes are in the wheelhouse, and devpi is shown to hold them. There is no third outcome.

| fault | where | outcome | message |
|---|---|---|---|
"""


def status(code: int) -> Answer:
    return Answer(code, "text/html", b"<html></html>")


@dataclass(frozen=True)
class Case:
    fault: str
    where: str  # page or file
    answers: tuple[Answer | BaseException, ...]
    good: bool

    @property
    def id(self) -> str:
        return f"{self.where}: {self.fault}"


def cases() -> Iterator[Case]:
    for where in ("page", "file"):
        for code in (403, 404, 429, 500, 502, 503):
            # devpi keeps a 404 of a page in mind, and passes on that of a file: for all that can
            # be known, the thing is not there.
            yield Case(f"{code} once", where, (status(code), FINE), good=code != 404)
            yield Case(f"{code} for ever", where, (status(code),), good=False)
        cut = Answer(200, JSON if where == "page" else "x", b"{", {"Content-Length": "9999"})
        yield Case("truncated once", where, (cut, FINE), good=True)
        yield Case("truncated for ever", where, (cut,), good=False)
    yield Case("empty once", "page", (Answer(200, "text/html", b"<html></html>"), FINE), good=False)
    yield Case("broken JSON", "page", (Answer(200, JSON, b"{broken"),), good=False)
    yield Case(
        "bytes that are no text", "page", (Answer(200, "text/html", b"\xff\xfe"),), good=False
    )
    yield Case("wrong bytes, right length", "file", (), good=False)
    yield Case("no hash on the page", "file", (), good=True)
    yield Case("no zip", "file", (), good=False)


ROWS: dict[str, str] = {}


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.id)
def test_a_fault_costs_time_never_truth(devpi: Devpi, tmp_path: Path, case: Case) -> None:
    words = "".join(c if c.isalnum() else " " for c in case.id.lower()).split()
    name = "-".join(["fault", *words])
    filename, data = make_wheel(name, "1.0")
    truth = Upload(filename, data)
    served = {
        "wrong bytes, right length": Upload(filename, data[:-1] + b"x", sha256=truth.digest),
        "no hash on the page": Upload(filename, data, sha256=""),
        "no zip": Upload(filename, b"no zip"),
    }.get(case.fault, truth)
    devpi.upstream.upload(name, served)
    path = f"/+simple/{name}/" if case.where == "page" else f"/files/{filename}"
    if case.answers:
        devpi.upstream.faults[path] = list(case.answers)
    try:
        outcome, message = warm(devpi, name, truth, tmp_path), ""
    except WarmupError as error:
        outcome, message = "fails", summary(error, name)
    ROWS[case.id] = f"| {case.fault} | {case.where} | {outcome} | {message} |"
    assert outcome == ("OK" if case.good else "fails"), message


def warm(devpi: Devpi, name: str, truth: Upload, folder: Path) -> str:
    (folder / "main.txt").write_text(name)
    wanted = requirements.load([folder / "main.txt"], [], root=folder)
    transport = Transport(parse_index_url(devpi.index), sleep=lambda _: None)
    index = Index(transport)
    wheelhouse = Wheelhouse(folder / "wheelhouse")
    with wheelhouse.held():
        gatherer = Gatherer(index, wheelhouse, detect(transport, index.check(name)))
        try:
            (pin,) = resolve(wanted, Target("3.13", "win_amd64"), gatherer).pins
            stored = gatherer.published(pin.file)
            check_wheel(stored.path, pin.file.filename)
            assert gatherer.proofs[pin.file].warmth is Warmth.WARM
            assert gatherer.sweep([pin.file])[pin.file].warmth is Warmth.WARM
        finally:
            gatherer.close()
    assert digest(stored.path) == digest_of(truth)
    return "OK"


def digest_of(upload: Upload) -> str:
    return Upload(upload.filename, upload.data).digest


def summary(error: WarmupError, name: str) -> str:
    """Return the message without what differs from run to run."""
    lines = [line.strip() for line in str(error).splitlines()]
    text = next((line for line in reversed(lines) if not line.startswith("hint")), "")
    for word in text.split():
        if "://" in word:
            text = text.replace(word, "…")
    text = re.sub(r"[0-9a-f]{64}", "…", text).replace(name.replace("-", "_"), "NAME")
    return text.replace(name, "NAME").replace("|", "/")


def test_the_table_is_that_of_this_run() -> None:
    if len(ROWS) != len(list(cases())):
        pytest.skip("only some of the faults were run")
    text = HEAD + "\n".join(ROWS[case.id] for case in cases()) + "\n"
    if os.environ.get("WRITE_FAULTS"):
        TABLE.parent.mkdir(exist_ok=True)
        TABLE.write_text(text, encoding="utf-8")
    assert TABLE.read_text(encoding="utf-8") == text
