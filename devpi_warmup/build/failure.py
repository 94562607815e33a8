"""The output of a build that failed: the lines that matter, and what can be done."""

from __future__ import annotations

import re

_SHOWN = 6
_LINE, _TAIL = 500, 200_000  # letters of a line, and of the output, that are looked at
_FRAME = " │╰─>\N{MULTIPLICATION SIGN}"  # what pip draws around the output of others
_MATTERS = re.compile(
    r"(\w*(Error|Exception|Interrupt): |^error: |fatal error: |ERROR: |command not found"
    r"|is not installed|not found$|No matching distribution)",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"(subprocess-exited-with-error|This error originates|See above for|metadata-generation-failed"
    r"|Failed to build|did not run successfully|^\s*File |CalledProcessError|SetuptoolsDeprecation"
    r"|hint: |note: |Backend operation failed|Backend '\S+' is not available|BackendUnavailable$)"
)
# It wants the network, and so it fails wherever there is none.
_FETCHES = re.compile(
    r"(Network is unreachable|Could not resolve host|Temporary failure in name resolution"
    r"|Name or service not known|urlopen error|No module named pip\b|failed to (get|download) `)"
)
_HINTS = (
    (
        r"No module named 'pkg_resources'",
        'build-constraints = ["setuptools<82"], which still has it',
    ),
    (r"use_2to3 is invalid", "this version is for Python 2: require a newer one, or a fork of it"),
    (r"cython_sources|Cython\.Compiler\.Errors", 'build-constraints = ["Cython<3"]'),
    (
        r"numpy\.distutils|Compiler\.__init__\(\) takes",
        'build-constraints = ["numpy<2", "setuptools<60"]',
    ),
    (
        r"fatal error: \S+\.h: No such file|pkg-config|krb5-config|Dependency \"\S+\" not found",
        (
            "a library of the system is missing: install it with its headers, or require a "
            "project that has wheels"
        ),
    ),
    (
        r"(\bcargo\b|\brustc\b|Rust compiler|fetches crates|\bmaturin\b|setuptools.rust)",
        (
            "it fetches more while it is built (crates of Rust, say), which cannot be carried: "
            "require a version that has a wheel"
        ),
    ),
    (r"No module named pip\b", "its setup.py fetches more by itself, which cannot be carried"),
    (
        (
            r"(gcc|cc|g\+\+|clang|cl\.exe)\S*'?( failed)?: .*(not found|No such file)"
            r"|No such file or directory: '\S*(gcc|cc|g\+\+|clang)'"
            r"|Microsoft Visual C\+\+ \S+ .*required"
        ),
        "a compiler is missing: install one, with the headers of Python",
    ),
)


class HookError(Exception):
    """A hook of a backend, or a build, fails.

    :param output: what it wrote
    :param hopeless: whether it fails on every machine that has no network
    """

    def __init__(self, output: str, *, hopeless: bool = False) -> None:
        super().__init__(output)
        self.output = output
        self.hopeless = hopeless or _FETCHES.search(output[-_TAIL:]) is not None


def lines_that_matter(output: str) -> list[str]:
    """Return the lines that say why a build failed; the last ones where none does."""
    lines = [line[:_LINE].strip(_FRAME) for line in output[-_TAIL:].splitlines()]
    lines = [line for line in lines if line and not _NOISE.search(line)]
    telling = list(dict.fromkeys(line for line in lines if _MATTERS.search(line)))
    return [line[:300] for line in (telling or lines)[-_SHOWN:]]


def hint(output: str, project: str) -> str:
    """Return what can be done about a build that failed."""
    short = "\n".join(line[:_LINE] for line in output[-_TAIL:].splitlines())
    for pattern, text in _HINTS:
        if re.search(pattern, short):
            return text
    if _FETCHES.search(short):
        return "it fetches more while it is built, which cannot be carried: require a wheel of it"
    return (
        f"require a version of {project} that has a wheel, or bring one of your own: wheels = […]"
    )
