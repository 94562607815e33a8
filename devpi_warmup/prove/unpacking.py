"""Each new wheel of a run is unpacked by pip once, beginning with the first that is here.

Nobody waits for one until its lock has been resolved and judged, so it is what processors do while
an index has them wait.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock as Mutex
from typing import TYPE_CHECKING

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from devpi_warmup import console
from devpi_warmup.errors import FileError, no_thread
from devpi_warmup.prove.judge import Judgement, Packed, unpack
from devpi_warmup.wheelhouse.origins import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from devpi_warmup.index.pages import IndexFile
    from devpi_warmup.prove.pip import Pip
    from devpi_warmup.wheelhouse.file_entry import FileEntry
    from devpi_warmup.wheelhouse.files import StoredFile, Wheelhouse
    from devpi_warmup.wheelhouse.lock import Lock

_MOST = 4  # processes at once, where there are as many processors
_AT_ONCE = 16 << 20  # bytes of wheels that one call is given
# What a call is worth that nobody waits for yet: it costs as much as a few small wheels.
_ENOUGH, _ENOUGH_BYTES = 16, 8 << 20


@dataclass(frozen=True)
class _Waiting:
    """A wheel whose turn will come."""

    project: str
    file: IndexFile
    size: int
    judged: Future[Judgement] = field(default_factory=Future)


class Unpacking:
    """Has pip unpack wheels, beside everything else."""

    def __init__(
        self,
        wheelhouse: Wheelhouse,
        known: Mapping[str, FileEntry],
        named: Callable[[IndexFile], Path],
    ) -> None:
        """Begin with nothing.

        :param known: the files of former runs, by name
        :param named: says where a file lies under its own name
        """
        self._wheelhouse = wheelhouse
        self._known = known
        self._named = named
        self._workers = min(_MOST, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="unpacking")
        self._mutex = Mutex()
        self._waiting = deque[_Waiting]()
        self._begun: dict[tuple[str, str], Future[Judgement]] = {}
        self._told: set[str] = set()

    def ahead(self, file: IndexFile, stored: StoredFile, pip: Pip) -> None:
        """Begin with a file that is here, where it is a wheel that pip has not unpacked."""
        if file.filename.endswith(".whl") and not self._before(
            file.filename, stored.sha256, pip.installed_version
        ):
            self._begin(file, stored.sha256, stored.size)
            self._call(pip, wanted=False)

    def of(self, lock: Lock, pip_version: str, pip: Pip) -> dict[str, tuple[str, ...]]:
        """Return what pip warns of when it unpacks the wheels of a lock, by filename.

        :param pip_version: of that pip; what the same has unpacked before is not unpacked again
        :raises FileError: pip cannot install one of them
        :raises WarmupError: it says nothing of one
        """
        warned: dict[str, tuple[str, ...]] = {}
        begun: dict[str, Future[Judgement]] = {}
        for pin in lock.wheels:
            name = pin.file.filename
            if before := self._before(name, pin.sha256, pip_version):
                warned[name] = before.warnings
            else:
                begun[name] = self._begin(pin.file, pin.sha256, pin.size)
        self._call(pip, wanted=True)
        with self._mutex:
            new = begun.keys() - self._told
            self._told |= new
        if new:
            console.say(f"{lock.cell.id}: pip unpacks {len(new)} new wheels")
        for pin in lock.wheels:
            name = pin.file.filename
            if name not in begun:
                continue
            said = begun[name].result()
            if said.unsaid is not None:
                raise said.unsaid
            if said.problem:
                raise FileError(
                    f"pip cannot install {name}: {said.problem}",
                    hint="name another file"
                    if pin.file.origin is Origin.DIRECT
                    else f"require another version, such as {pin.project}!={pin.version} in "
                    "the requirements or the constraints",
                )
            warned[name] = said.warnings
        return warned

    def cancel(self) -> None:
        """Begin nothing more."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for one in self._drained():
            one.judged.cancel()

    def join(self) -> None:
        """Wait for what is under way."""
        self._pool.shutdown()

    def _before(self, name: str, sha256: str, pip_version: str) -> FileEntry | None:
        known = self._known.get(name)
        return known if known and known.unpacked(sha256, pip_version) else None

    def _begin(self, file: IndexFile, sha256: str, size: int) -> Future[Judgement]:
        key = file.filename, sha256
        with self._mutex:
            if key in self._begun:
                return self._begun[key]
            try:
                project = str(parse_wheel_filename(file.filename)[0])
            except InvalidWheelFilename:  # it is in no lock
                project = ""
            one = _Waiting(project, file, size)
            self._begun[key] = one.judged
            self._waiting.append(one)
        return one.judged

    def _call(self, pip: Pip, *, wanted: bool) -> None:
        """Have threads unpack what is waiting.

        :param wanted: whether somebody waits for it; else where that is enough for a call
        """
        if not self._is_due(wanted=wanted):
            return
        try:
            for _ in range(self._workers if wanted else 1):
                self._pool.submit(self._work, pip, wanted=wanted)
        except RuntimeError as error:
            for one in self._drained():
                one.judged.set_exception(no_thread(error))

    def _drained(self) -> list[_Waiting]:
        """Take all that is waiting."""
        with self._mutex:
            every = [*self._waiting]
            self._waiting.clear()
        return every

    def _share(self) -> list[_Waiting]:
        """Take what is waiting, as much of it as one call is given."""
        share, size = list[_Waiting](), 0
        with self._mutex:
            while self._waiting and (not share or size + self._waiting[0].size <= _AT_ONCE):
                share.append(self._waiting.popleft())
                size += share[-1].size
        return share

    def _work(self, pip: Pip, *, wanted: bool) -> None:
        """Have what is waiting unpacked, call by call; all of it where it is wanted."""
        while self._is_due(wanted=wanted) and (share := self._share()):
            self._unpack(share, pip)

    def _is_due(self, *, wanted: bool) -> bool:
        with self._mutex:
            size = sum(one.size for one in self._waiting)
            enough = len(self._waiting) >= _ENOUGH or size >= _ENOUGH_BYTES
            return enough or (wanted and bool(self._waiting))

    def _unpack(self, share: list[_Waiting], pip: Pip) -> None:
        try:
            wheels = [Packed(one.project, self._named(one.file), one.size) for one in share]
            found = unpack(wheels, self._wheelhouse, pip=pip)
            for one, said in zip(share, found, strict=True):
                one.judged.set_result(said)
        except BaseException as error:  # noqa: BLE001 - it is for those who wait to see
            for one in share:
                if not one.judged.done():
                    one.judged.set_exception(error)
