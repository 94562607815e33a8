"""How far a run is: true at every moment, on a terminal and in a log."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

import pytest

from devpi_warmup import console
from devpi_warmup.index.progress import Progress


@pytest.fixture
def progress() -> Progress:
    made = Progress()
    made.cells, made.ready = 9, 3
    made.count(1_500_000)
    made.downloaded()
    return made


def test_it_names_what_is_waited_for_longest(progress: Progress) -> None:
    assert progress.text.startswith("3 of 9 cells; 1 file, 1.5 MB downloaded; ")
    with progress.doing("waiting for torch.whl"), progress.doing("resolving cp313-win32"):
        assert progress.text.endswith("/s; waiting for torch.whl")
    assert progress.text.endswith("/s")


def test_a_log_has_a_line_when_nothing_else_was_said(
    progress: Progress, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said, say = threading.Event(), console.say
    monkeypatch.setattr(console, "SILENCE", 0.0)
    monkeypatch.setattr(console, "say", lambda line: (say(line), said.set()))
    with progress.shown():
        assert said.wait(30)
    assert capsys.readouterr().err.startswith("3 of 9 cells; ")


@pytest.mark.skipif(sys.platform == "win32", reason="no pty")
def test_a_terminal_has_one_live_line(progress: Progress, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with progress.shown():
            console.say("a line above it")
        monkeypatch.undo()
    written = bytearray()
    with suppress(OSError):  # what Linux answers when nobody writes any more
        while piece := os.read(ours, 1 << 16):
            written += piece
    os.close(ours)
    shown = written.decode()
    assert "3 of 9 cells" in shown
    assert "a line above it\r\n" in shown
    assert "\x1b[?25h" in shown  # the cursor is back
