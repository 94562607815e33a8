"""When something was: as it is now, or as SOURCE_DATE_EPOCH says."""

from __future__ import annotations

import os
from datetime import datetime, timezone

_LATEST = 253_402_300_799  # seconds; the end of the year 9999


def moment(seconds: float) -> datetime:
    """Return a time in UTC, to the second.

    :param seconds: since 1970; where SOURCE_DATE_EPOCH is such a number, that one
    """
    said = os.environ.get("SOURCE_DATE_EPOCH", "")
    if said.isascii() and said.isdecimal() and len(said) <= len(str(_LATEST)):
        seconds = min(int(said), _LATEST)
    return datetime.fromtimestamp(int(seconds), timezone.utc)
