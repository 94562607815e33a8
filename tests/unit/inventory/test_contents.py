"""What lies in a wheelhouse, by its own bytes."""

from __future__ import annotations

from catalogue import Catalogue, Resolve
from journals import enter, journal
from results import made_up

from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.inputs.licences import read_policy
from devpi_warmup.inventory.contents import take, why_older
from devpi_warmup.resolve.lock_files import write_lock
from devpi_warmup.wheelhouse import manifest
from devpi_warmup.wheelhouse.files import Wheelhouse


def test_every_file_with_who_wants_it(
    catalogue: Catalogue, lock: Resolve, fetcher: Fetcher, wheelhouse: Wheelhouse
) -> None:
    catalogue.add("app", "1.0", requires=("lib",), requires_python=">=3.8")
    catalogue.add("lib", "2.0", headers=("License-Expression: GPL-3.0-only",))
    found = lock("app")
    for pin in found.pins:
        fetcher.naming.published(pin.file)
    write_lock(found, wheelhouse)
    enter(journal(wheelhouse), found)
    written = manifest.read(wheelhouse)
    inventory = take(wheelhouse, written, [found.cell], read_policy(["MIT"], []))
    app, lib = inventory.items
    assert (app.wanted_by, lib.wanted_by) == (("-r main.txt",), ("app",))
    assert (app.about.requires_python, lib.cells) == (">=3.8", (found.cell.id,))
    assert [app.verdict.refused, lib.verdict.refused] == [
        "it states no licence",
        "GPL-3.0-only is not allowed",
    ]
    assert written.files[lib.name].licence == "GPL-3.0-only (License-Expression)"
    assert inventory.held[0].pins.keys() == {"app", "lib"}


def test_why_a_target_stays_behind() -> None:
    older = why_older(made_up(9, 8).inventory)
    assert list(older) == ["project-000", "project-004"]
    (line,) = older["project-000"]
    assert line == "1.0, and not 2.0.1: that wants Python >=3.11 (8 of 9)"
    assert why_older(made_up(3, 8).inventory) == {}
