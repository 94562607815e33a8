from __future__ import annotations

import pytest

from devpi_warmup.build.failure import hint, lines_that_matter

PIP = """\
Looking in links: page.html
Processing ./files/old-1.0.tar.gz
  Getting requirements to build wheel: finished with status 'error'
  error: subprocess-exited-with-error

  {x} Getting requirements to build wheel did not run successfully.
  │ exit code: 1
  ╰─> [20 lines of output]
      Traceback (most recent call last):
        File "<string>", line 1, in <module>
      ModuleNotFoundError: No module named 'pkg_resources'
      [end of output]

  note: This error originates from a subprocess, and is likely not a problem with pip.
ERROR: Failed to build 'old' when getting requirements to build wheel
""".replace("{x}", "\N{MULTIPLICATION SIGN}")


def test_the_line_that_says_why() -> None:
    assert lines_that_matter(PIP) == ["ModuleNotFoundError: No module named 'pkg_resources'"]


def test_the_last_lines_where_none_does() -> None:
    assert lines_that_matter("\n".join(map(str, range(20)))) == [str(n) for n in range(14, 20)]
    assert lines_that_matter("") == []


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("No module named 'pkg_resources'", "setuptools<82"),
        ("error in demjson setup command: use_2to3 is invalid.", "for Python 2"),
        ("AttributeError: cython_sources", "Cython<3"),
        ("numpy.distutils", "numpy<2"),
        ("x.c:1:10: fatal error: lber.h: No such file or directory", "a library of the system"),
        ("Exception: Can not find valid pkg-config name.", "a library of the system"),
        ("error: failed to download from crates.io: cargo", "cannot be carried"),
        ("No module named pip", "fetches more by itself"),
        ("something else", "require a version of old that has a wheel"),
    ],
)
def test_what_can_be_done(output: str, told: str) -> None:
    assert told in hint(output, "old")


def test_a_long_line_is_cut_before_it_is_looked_at() -> None:
    assert lines_that_matter("A" * 3_000_000 + "\nValueError: x")[-1] == "ValueError: x"
    assert "wheel" in hint("gcc" * 1_000_000, "old")
