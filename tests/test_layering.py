"""Imports run one way: a room imports only the rooms that stand before it (lazy imports too)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FOUNDATION = {"cache", "closing", "errors", "progress", "workshop"}
MAY_IMPORT = {
    "cache": set(),
    "closing": set(),
    "errors": set(),
    "progress": set(),
    "workshop": {"errors"},
    "au_mapping": FOUNDATION,
    "generation": FOUNDATION | {"au_mapping"},
    "dataset_script": FOUNDATION | {"au_mapping", "generation"},
    "model": FOUNDATION | {"au_mapping"},
    "viewer": FOUNDATION | {"au_mapping", "model"},
    "cards": FOUNDATION,
    "demo": FOUNDATION | {"au_mapping", "generation", "dataset_script", "model", "viewer", "cards"},
}
HUB_FILES = (
    "configuration_countenance.py",
    "modeling_countenance.py",
    "text_encoder_countenance.py",
)
HUB_IMPORTS = {
    "torch",
    "transformers",
    "configuration_countenance",
    "text_encoder_countenance",
}


def python_files():
    rooms = [room for room in MAY_IMPORT if (ROOT / room).is_dir()]
    files = [path for room in rooms for path in sorted((ROOT / room).rglob("*.py"))]
    return [*files, *(ROOT / f"{name}.py" for name in MAY_IMPORT if name not in rooms)]


def our_imports(path):
    """Names of our own rooms that a file imports, wherever the statement stands."""
    place = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "countenance":
                    yield parts[1] if len(parts) > 1 else "countenance"
        elif isinstance(node, ast.ImportFrom):
            module = (node.module or "").split(".") if node.module else []
            if node.level == 0:
                if module[:1] == ["countenance"]:
                    yield module[1] if len(module) > 1 else "countenance"
            else:
                base = place[: len(place) - node.level]
                full = [*base, *module]
                yield from ([full[0]] if full else [alias.name for alias in node.names])


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_room_imports_only_the_rooms_before_it(path):
    room = path.relative_to(ROOT).with_suffix("").parts[0]
    allowed = MAY_IMPORT[room] | {room}
    assert set(our_imports(path)) <= allowed


@pytest.mark.parametrize("name", HUB_FILES)
def test_files_that_go_to_the_hub_stand_alone(name):
    import sys

    tree = ast.parse((ROOT / "model" / name).read_text("utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported - set(sys.stdlib_module_names) <= HUB_IMPORTS


def test_the_package_itself_loads_no_heavy_library():
    import subprocess
    import sys

    code = (
        "import sys, countenance, countenance.cli\n"
        "print([m for m in ('torch', 'llama_cpp', 'transformers', 'datasets') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_no_source_file_outgrows_its_reader():
    long = {
        str(path.relative_to(ROOT)): lines
        for path in [*python_files(), ROOT / "cli.py"]
        if (lines := len(path.read_text("utf-8").splitlines())) > 400
    }
    assert not long


def test_every_room_is_packaged():
    import tomllib

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {f"countenance.{room}" for room in rooms} | {"countenance"} == set(settings["packages"])
