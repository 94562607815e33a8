"""Every command block of the README is run, or says why it is not."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from catalogue import make_wheel
from readme import ROOT, Block, blocks, run_here

from devpi_warmup.inputs import config, environments, sources

RUNNERS = {
    *("test_readme", "test_story", "test_adopt", "test_pipelines", "test_kit", "test_report"),
    ".ci/run",
}


def test_both_readmes_have_the_same_blocks() -> None:
    def bare(block: Block) -> tuple[str, str, list[str]]:
        lines = [line.split("#")[0].strip() for line in block.text.splitlines()]
        return block.who.partition(":")[0], block.kind, lines

    assert [*map(bare, blocks())] == [*map(bare, blocks("README.ko.md"))]


def test_every_block_says_who_runs_it() -> None:
    for block in blocks():
        if block.kind == "text" and not block.who:
            assert "covered" in block.text  # an output
        elif not block.who.startswith("not run: "):
            assert block.who.removeprefix("run by ") in RUNNERS, block


def test_what_ci_runs_is_in_its_script() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for block in blocks():
        if block.who == "run by .ci/run":
            for name in re.findall(r"nox -s ([\w-]+)", block.text):
                assert re.search(rf"nox -s [\w -]*\b{name}\b", script), name


@pytest.mark.parametrize("table", run_here("toml"))
def test_every_table_can_be_used(tmp_path: Path, table: str) -> None:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "main.txt").write_text("six\n")
    for names in re.findall(r"requirements = (\[.*\])", table):
        for name in json.loads(names):
            (tmp_path / name).write_text("six\n")
    filename, data = make_wheel("mine", "1.0")
    (tmp_path / "dist").mkdir()
    (tmp_path / "dist" / filename).write_bytes(data)
    (tmp_path / "pyproject.toml").write_text(table, encoding="utf-8")
    found = config.load(tmp_path, {})
    assert found.cells
    for environment in found.environments:
        assert sources.load(environment.sources).requirements


def test_every_key_is_in_both_readmes() -> None:
    for name in ("README.md", "README.ko.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for key in config.KEYS:
            assert f"`{key}`" in text, f"{key} is missing from {name}"
        for platform in environments.DEFAULT_PLATFORMS:
            assert f"`{platform}`" in text


def test_every_link_within_leads_somewhere() -> None:
    for name in ("README.md", "README.ko.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower()).replace(" ", "-")
            for line in text.splitlines()
            if line.startswith("#")
        }
        assert {*re.findall(r"\]\(#([^)]+)\)", text)} <= headings
        for path in re.findall(r"\]\(((?!#)[\w/.]+)\)", text):
            assert (ROOT / path).exists(), path
