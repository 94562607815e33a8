from __future__ import annotations

import sys

from devpi_warmup.errors import InvalidInputError, WarmupError

if sys.version_info >= (3, 11):
    pass
else:
    pass


def test_errors_are_shown_with_their_hints() -> None:
    assert str(WarmupError("no", hint="yes")) == "no\n    hint: yes"
    assert str(InvalidInputError("wrong", [])) == "wrong:"
