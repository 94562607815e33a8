"""Our resolver against pip's, on random indexes: same versions, same files, or both refuse."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from catalogue import Catalogue, memory_session
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from packaging.utils import canonicalize_name
from wanted import load_files

from devpi_warmup.errors import ResolutionError, SeveralError
from devpi_warmup.index.fetcher import Fetcher
from devpi_warmup.index.simple import Index
from devpi_warmup.index.transport import Transport
from devpi_warmup.inputs.cells import Cell
from devpi_warmup.inputs.pip_config import clean_environment
from devpi_warmup.inputs.requirements import RequirementSet
from devpi_warmup.inputs.targets import Target
from devpi_warmup.inputs.urls import IndexUrl
from devpi_warmup.process import run
from devpi_warmup.prove import foreign_pip
from devpi_warmup.resolve.resolver import resolve
from devpi_warmup.wheelhouse.files import Wheelhouse

NAMES = ("ant", "bee", "cat", "dog", "elk")
VERSIONS = ("0.9", "1.0", "1.0.post1", "1.5", "2.0a1", "2.0rc2", "2.0", "3.0.dev1", "1!0.1")
TARGETS = (
    Target("3.9", "manylinux2014_x86_64"),
    Target("3.13", "win_amd64"),
    Target("3.13", "macosx_11_0_arm64"),
)
MARKERS = (
    "",
    "",
    "",
    " ; sys_platform == 'win32'",
    " ; platform_system != 'Windows'",
    " ; python_version < '3.10'",
    " ; python_full_version >= '3.13.1'",
    " ; platform_machine == 'arm64' or os_name == 'nt'",
    " ; implementation_name == 'cpython' and python_version > '3.9'",
)
SPECIFIERS = (
    *("", "", "", ">=1.0", "<2", "~=1.0", "!=2.0", "==2.0", "===1.5", "==1.*", ">=2.0a1"),
    *(">1.0", "<=2.0rc2", ">=1,<2", "<3.0.dev1", "==1!0.1"),
)
EXTRAS = ("", "", "[x]", "[x,y]", "[unknown]")
TAGS = (
    *("py3-none-any", "py3-none-any", "py2.py3-none-any", "cp313-cp313-win_amd64"),
    *("cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64", "cp313-cp313-manylinux_2_28_x86_64"),
    *("cp39-cp39-macosx_11_0_arm64", "cp36-abi3-macosx_10_9_universal2", "cp39-cp39-win_amd64"),
)


def requirement(names: tuple[str, ...] = NAMES) -> st.SearchStrategy[str]:
    parts = (st.sampled_from(names), st.sampled_from(EXTRAS), st.sampled_from(SPECIFIERS))
    return st.builds(lambda n, e, s, m: f"{n}{e}{s}{m}", *parts, st.sampled_from(MARKERS))


def in_an_extra(text: str, extra: str) -> str:
    specification, semicolon, marker = text.partition(" ; ")
    return f"{specification} ; extra == '{extra}'" + (f" and ({marker})" if semicolon else "")


dependencies = st.lists(requirement(), max_size=3)
extra_dependencies = st.lists(
    st.builds(in_an_extra, requirement(), st.sampled_from("xy")), max_size=2
)
release = st.fixed_dictionaries(
    {
        "version": st.sampled_from(VERSIONS),
        "requires": st.builds(lambda a, b: (*a, *b), dependencies, extra_dependencies),
        "requires_python": st.sampled_from(("", "", "", ">=3.10", "<3.10", ">=3.9.5")),
        "tag": st.sampled_from(TAGS),
        "build": st.sampled_from(("", "", "", "1", "2a")),
        "yanked": st.sampled_from((False, False, False, True)),
    }
)
projects = st.fixed_dictionaries({name: st.lists(release, max_size=4) for name in NAMES})
wanted = st.lists(requirement(), min_size=1, max_size=3)
allowed = st.lists(
    st.builds(
        lambda n, s, m: f"{n}{s}{m}",
        st.sampled_from(NAMES),
        st.sampled_from([specifier for specifier in SPECIFIERS if specifier]),
        st.sampled_from(MARKERS),
    ),
    max_size=2,
)


@pytest.mark.long
@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
@given(projects, wanted, allowed, st.sampled_from(TARGETS))
def test_same_as_pip(
    projects: dict[str, list[dict[str, object]]],
    wanted: list[str],
    allowed: list[str],
    target: Target,
) -> None:
    catalogue = Catalogue()
    for name, releases in projects.items():
        seen = set()
        for found in releases:
            upload = catalogue.add(name, extras=("x", "y"), **found)  # type: ignore[arg-type]
            if upload.filename in seen:
                catalogue.projects[name].pop()
            seen.add(upload.filename)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "wanted.txt").write_text("\n".join(wanted))
        (root / "allowed.txt").write_text("\n".join(allowed))
        loaded = load_files(root, "wanted.txt", constraints=("allowed.txt",))
        ours = our_files(catalogue, loaded, target, root)
        theirs = pip_files(catalogue, target, root)
    note(f"wanted: {wanted}\nallowed: {allowed}\ntarget: {target.id}")
    note(f"ours: {ours}\npip: {theirs}")
    assert ours == theirs


def our_files(
    catalogue: Catalogue, loaded: RequirementSet, target: Target, root: Path
) -> dict[str, str] | None:
    index = Index(
        Transport(
            IndexUrl("http://index.example.com"),
            make_session=lambda: memory_session(catalogue),
            sleep=lambda _: None,
        )
    )
    wheelhouse = Wheelhouse(root / "wheelhouse")
    with wheelhouse.held():
        fetcher = Fetcher(index, wheelhouse)
        try:
            lock = resolve(loaded, Cell(target), fetcher)
        except (ResolutionError, SeveralError):
            return None
        finally:
            fetcher.close()
    return {str(pin.project): pin.file.filename for pin in lock.pins}


def pip_files(catalogue: Catalogue, target: Target, root: Path) -> dict[str, str] | None:
    url = catalogue.write_simple(root / "index")
    (root / "markers.json").write_text(json.dumps(target.markers))
    done = run(
        [
            *(sys.executable, "-I", str(foreign_pip.__file__), str(root / "markers.json")),
            *("install", "--dry-run", "--ignore-installed", "--quiet", f"--index-url={url}"),
            *("--only-binary=:all:", "--no-cache-dir", f"--report={root / 'report.json'}"),
            *(*target.pip_flags, "-r", str(root / "wanted.txt"), "-c", str(root / "allowed.txt")),
        ],
        env=clean_environment(),
    )
    note(done.stderr)
    if done.returncode != 0:
        assert "ERROR: " in done.stderr
        assert "Traceback" not in done.stderr
        return None
    items = json.loads((root / "report.json").read_text())["install"]
    return {
        canonicalize_name(item["metadata"]["name"]): unquote(
            item["download_info"]["url"].rpartition("/")[2]
        )
        for item in items
    }
