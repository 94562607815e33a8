"""The table in the documentation is that of this run. The file's name makes it the last of its kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from faultbook import check_or_write

pytestmark = pytest.mark.xdist_group("faults")


def test_the_table_is_that_of_this_run(request: pytest.FixtureRequest) -> None:
    folder = Path(__file__).parent
    ran = {item.path.name for item in request.session.items}
    whole = {path.name for path in folder.glob("test_faults*.py")}
    if not whole <= ran or request.config.getoption("keyword") or request.session.testsfailed:
        pytest.skip("not all of the faults were run")
    check_or_write()
