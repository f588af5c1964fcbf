"""The README and the docs say what is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    text = page.read_text("utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#\s]+)\)", text) if "://" not in t]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_every_make_target_of_the_readme_exists():
    named = set(re.findall(r"make ([a-z-]+)", (ROOT / "README.md").read_text("utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert named <= targets


def test_every_command_of_the_readme_exists():
    from typer.main import get_command

    from countenance.cli import app

    readme = (ROOT / "README.md").read_text("utf-8")
    named = set(re.findall(r"^countenance (\w+)", readme, re.MULTILINE))
    assert named
    assert named <= set(get_command(app).commands)


def test_the_version_is_said_once():
    from importlib.metadata import version

    import countenance

    assert countenance.__version__ == version("countenance")
    assert f"version: {version('countenance')}" in (ROOT / "CITATION.cff").read_text("utf-8")


def test_every_package_that_we_import_is_pinned_and_declared():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    pinned = (ROOT / "constraints.txt").read_text("utf-8").lower()
    names = [re.split(r"[<>=\[]", line)[0] for line in declared]
    assert [n for n in names if f"\n{n.lower()}==" not in pinned.replace("_", "-")] == []
