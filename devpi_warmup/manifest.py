"""The manifest: what a wheelhouse covers, kept true at every moment, and never just believed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from devpi_warmup import __version__
from devpi_warmup.wheelhouse import Wheelhouse, digest, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devpi_warmup.devpi import Proof
    from devpi_warmup.index import IndexFile
    from devpi_warmup.lock import Lock
    from devpi_warmup.requirements import RequirementSet
    from devpi_warmup.targets import Target

NAME = "manifest.json"
FORMAT = 1
WARM, COLD, UNKNOWN = "warm", "not warm", "cannot be shown"
_DIRECT = "direct URL"
_FILE_KEYS = ("project", "version", "sha256", "origin", "warm")
UNFINISHED = "its warmup has not finished"


def read(wheelhouse: Wheelhouse) -> dict[str, Any]:
    """Return the manifest; {} where there is none, or none of this form."""
    try:
        manifest = json.loads((wheelhouse.path / NAME).read_text(encoding="utf-8"))
        return manifest if manifest["format"] == FORMAT and _is_whole(manifest) else {}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def _is_whole(manifest: dict[str, Any]) -> bool:
    """Whether everything is there that is ever asked of it."""
    files = manifest["files"]
    return all(
        entry["state"] in {"covered", "missing"}
        and isinstance(entry["requirements_sha256"], str)
        and isinstance(entry["reason"] or "", str)
        and isinstance(entry["files"], dict)
        and all(isinstance(sha256, str) for sha256 in entry["locks"].values())
        and (entry["state"] == "missing" or bool(entry["locks"]))
        and all(files[name]["sha256"] == sha256 for name, sha256 in entry["files"].items())
        for entry in manifest["targets"].values()
    ) and all(
        isinstance(file["size"], int)
        and all(isinstance(file[key], str) and file[key] for key in _FILE_KEYS)
        for file in files.values()
    )


def why_missing(wheelhouse: Wheelhouse, target: Target, requirements_digest: str) -> str:
    """Return why a target is not covered, or "" where it is: by the bytes on disk, now.

    :param requirements_digest: of the requirement files as they are now
    """
    entry = read(wheelhouse).get("targets", {}).get(target.id)
    if entry is None:
        return "it was never warmed up"
    if entry["state"] != "covered":
        return str(entry["reason"] or UNFINISHED)
    if entry["requirements_sha256"] != requirements_digest:
        return "the requirements have changed since its warmup"
    return _changed(wheelhouse, entry["locks"]) or _changed(wheelhouse, entry["files"])


def _changed(wheelhouse: Wheelhouse, expected: Mapping[str, str]) -> str:
    """Return which file is not what the manifest says, or ""."""
    for name, sha256 in expected.items():
        path = wheelhouse.path / name
        if path.is_symlink() or not path.is_file():
            return f"{name} is missing from {wheelhouse.path.name}/"
        try:
            changed = digest(path) != sha256
        except OSError as error:
            return f"{name} cannot be read: {error.strerror}"
        if changed:
            return f"{name} is not the file that its warmup left there"
    return ""


@dataclass(frozen=True)
class Ledger:
    """The manifest, kept true at every moment of a run.

    A target stands in it as covered only while its lock and its files are what the referee
    has seen: it is struck out before a byte of them changes.
    """

    wheelhouse: Wheelhouse
    requirements: RequirementSet
    index: str

    def begin(self, lock: Lock) -> None:
        """Strike out the targets that this lock is about to change something of."""
        targets = self._targets()
        for id_, entry in targets.items():
            if entry["state"] == "covered" and self._changes(id_, entry, lock):
                reason = UNFINISHED
                if id_ != lock.target.id:
                    reason = f"a file of it was replaced for {lock.target.id}: warm it up again"
                entry |= {"state": "missing", "reason": reason}
        self._write(targets)

    def covered(self, lock: Lock, proofs: Mapping[IndexFile, Proof], *, pip_version: str) -> None:
        """Enter a target whose lock the referee has accepted.

        :param proofs: what devpi says of each file, where the index is a devpi
        """
        entry = self._entry(lock.target, "covered", None)
        entry["locks"] = {
            path.relative_to(self.wheelhouse.path).as_posix(): digest(path)
            for path in self.wheelhouse.lock_paths(lock.target.id)
        }
        entry["pip"] = pip_version
        entry["files"] = {pin.file.filename: pin.sha256 for pin in lock.pins}
        files = {
            pin.file.filename: {
                "project": pin.project,
                "version": str(pin.version),
                "sha256": pin.sha256,
                "size": pin.size,
                "origin": _DIRECT if pin.direct else "index",
                "warm": _DIRECT if pin.direct else _unswept(proofs.get(pin.file)),
            }
            for pin in lock.pins
        }
        known = self._files()
        for name, file in files.items():
            before = known.get(name, file)
            if before["origin"] == "index" and before["sha256"] == file["sha256"]:
                # One target has it from a direct URL, another from the index: devpi must hold it.
                file["origin"] = "index"
                if file["warm"] == _DIRECT:
                    file["warm"] = before["warm"]
        self._write(self._targets() | {lock.target.id: entry}, files)

    def proven(self, proofs: Mapping[IndexFile, Proof]) -> None:
        """Enter the last word of devpi on files of this run."""
        if not proofs:
            return
        files = self._files()
        for file, proof in proofs.items():
            if file.filename in files:
                files[file.filename]["warm"] = _warmth(proof)
        self._write(self._targets(), files)

    def missing(self, target: Target, reason: str, *, touched: bool) -> None:
        """Enter a target that is not covered, and why. Its old lock and files stay.

        :param touched: whether this run had its lock already; until then, what an earlier one
            has covered stays so, for the requirements of that time
        """
        before = self._targets().get(target.id, {})
        if not touched and before.get("state") == "covered":
            return
        self._write(self._targets() | {target.id: self._entry(target, "missing", reason)})

    def _entry(self, target: Target, state: str, reason: str | None) -> dict[str, Any]:
        return {
            "python": target.python,
            "platform": target.platform,
            "state": state,
            "reason": reason,
            "requirements_sha256": self.requirements.digest,
            "locks": {},
            "files": {},
        }

    def _changes(self, id_: str, entry: Mapping[str, Any], lock: Lock) -> bool:
        files: Mapping[str, str] = entry["files"]
        if id_ != lock.target.id:
            return any(files.get(pin.file.filename, pin.sha256) != pin.sha256 for pin in lock.pins)
        path = self.wheelhouse.lock_path(id_)
        same_lock = path.is_file() and path.read_bytes() == lock.to_requirements().encode()
        whole = files == {pin.file.filename: pin.sha256 for pin in lock.pins}
        return not (same_lock and whole) or bool(_changed(self.wheelhouse, entry["locks"]))

    def _files(self) -> dict[str, dict[str, Any]]:
        """Return what is known of each file; what another index was shown to hold is not."""
        before = read(self.wheelhouse)
        known: dict[str, dict[str, Any]] = before.get("files", {})
        if before.get("index") != self.index:
            for file in known.values():
                if file["origin"] == "index":
                    file["warm"] = f"{COLD}: warmed through another index, {before.get('index')}"
        return known

    def _targets(self) -> dict[str, dict[str, Any]]:
        known: dict[str, dict[str, Any]] = read(self.wheelhouse).get("targets", {})
        return known

    def _write(
        self, targets: dict[str, dict[str, Any]], files: Mapping[str, dict[str, Any]] | None = None
    ) -> None:
        known = self._files() | dict(files or {})
        named = {filename for entry in targets.values() for filename in entry["files"]}
        manifest = {
            "format": FORMAT,
            "tool": f"devpi-warmup {__version__}",
            "index": self.index,
            "targets": targets,
            "files": {name: known[name] for name in named},
        }
        text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        write_text(self.wheelhouse.path / NAME, text)


def _unswept(proof: Proof | None) -> str:
    """Return what a file is until the last sweep has asked for it again."""
    warmth = _warmth(proof)
    return f"{COLD}: the run ended before devpi was asked a last time" if warmth == WARM else warmth


def _warmth(proof: Proof | None) -> str:
    """Return ``warm``, or why it is not shown that devpi holds a file."""
    if proof is None:
        return f"{UNKNOWN}: the index is no devpi"
    if proof.warmth.value == WARM:
        return WARM
    return f"{proof.warmth.value}: {proof.reason}"
