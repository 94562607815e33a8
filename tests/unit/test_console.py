from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from devpi_warmup import console


@pytest.fixture(autouse=True)
def typed_as_ever() -> Iterator[None]:
    yield
    console.type_as("nox -s ")


def test_what_takes_long_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = threading.Event()
    say = console.say
    monkeypatch.setattr(console, "SILENCE", 0.0)
    monkeypatch.setattr(console, "say", lambda line: (say(line), said.set()))
    with console.never_silent("x is being built"):
        assert said.wait(30)
    assert "x is being built: still at it after 0 seconds" in capsys.readouterr().err
    monkeypatch.setattr(console, "SILENCE", 60.0)
    with console.never_silent("quick"):
        pass
    assert "quick" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "begun", "pause"),
    [(0, 0, 5), (3, 0, 8), (3, 4, 9), (0, -9, 5), (-9, -9, 0)],
    ids=["both now", "said since", "begun since", "begun long ago", "silent for long"],
)
def test_ten_seconds_are_those_since_anything_was_said(
    monkeypatch: pytest.MonkeyPatch, said: float, begun: float, pause: float
) -> None:
    monkeypatch.setattr(console, "_said", said)
    monkeypatch.setattr("time.monotonic", lambda: 5.0)
    assert console._pause(begun) == pause


@pytest.mark.parametrize(
    ("command", "text", "spelled"),
    [
        ("nox -s ", "run nox -s warmup first", "run nox -s warmup first"),
        ("nox -s w-", "run nox -s warmup first", "run nox -s w-warmup first"),
        ("devpi-warmup ", "run nox -s verify-devpi.", "run devpi-warmup verify-devpi."),
        ("devpi-warmup ", 'nox -s "warmup(x)", then', 'devpi-warmup "warmup(x)", then'),
        ("nox -s w-", 'nox -s "warmup(x)", then', 'nox -s "w-warmup(x)", then'),
        ("devpi-warmup ", "nox -s tests", "nox -s tests"),
    ],
)
def test_a_hint_names_the_command_that_can_be_typed(command: str, text: str, spelled: str) -> None:
    console.type_as(command)
    assert console.spelled(text) == spelled
