"""A disk that is full or read-only: one line, and the same command finishes later."""

import shutil
import subprocess

import pytest
from bench import environment, run

pytestmark = pytest.mark.slow_fault


@pytest.fixture
def disk(tmp_path):
    """A disk of its own (tmpfs); ``disk(size)`` mounts it or changes its size or mode."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def change(options):
        remount = "remount," if mounted else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{remount}{options}", "none", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"this user may not mount a disk ({done.stderr.strip()})")
        mounted.append(options)
        return folder

    if shutil.which("mount") is None:
        pytest.skip("there is no mount command")
    yield change
    if mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


# Room for the beginning of each result, and not for all of it.
TOO_SMALL = {"annotating": "40k", "building": "100k", "training": "120k"}


@pytest.mark.fault("disk: a full disk, {kind}")
@pytest.mark.parametrize("kind", TOO_SMALL)
def test_a_full_disk_is_one_line_and_the_same_command_finishes_later(
    kind, disk, request, row, tmp_path
):
    kind_of_run = request.getfixturevalue(kind)
    kind_of_run.undisturbed()
    folder = disk(f"size={TOO_SMALL[kind]}")
    settings = elsewhere(kind_of_run, folder, tmp_path)
    arguments, _ = kind_of_run.command(folder, 0)
    ended = run(arguments, folder, settings)
    told = ended.one_clear_line("cannot write", "No space left on device")
    disk("size=64m")
    begun = kind == "annotating" or not list(folder.glob(kind_of_run.result))
    again = run(arguments, folder, settings)
    finish(kind_of_run, folder, row, (told and begun, ended, again))


@pytest.mark.fault("disk: a read-only folder, {kind}")
@pytest.mark.parametrize("kind", TOO_SMALL)
def test_a_read_only_folder_is_one_line_and_the_same_command_finishes_later(
    kind, disk, request, row, tmp_path
):
    kind_of_run = request.getfixturevalue(kind)
    kind_of_run.undisturbed()
    folder = disk("size=64m")
    settings = elsewhere(kind_of_run, folder, tmp_path)
    arguments, _ = kind_of_run.command(folder, 0)
    disk("ro")
    ended = run(arguments, folder, settings)
    told = ended.one_clear_line("cannot write", "Read-only file system")
    disk("rw")
    again = run(arguments, folder, settings)
    finish(kind_of_run, folder, row, (told, ended, again))


@pytest.mark.fault("disk: a {what} cache folder, annotate")
@pytest.mark.parametrize("what", ["full", "read-only"])
def test_a_cache_that_cannot_be_written_is_one_line(what, disk, tmp_path, row):
    cache = disk("size=64k") if what == "full" else disk("size=1m")
    if what == "read-only":
        disk("ro")
    (tmp_path / "lines.txt").write_text("The kettle sang and nobody came.\n")
    arguments = ("annotate", "--corpus", "text=lines.txt", "--out", "run")
    ended = run(arguments, tmp_path, environment(cache) | {"HF_HOME": str(tmp_path / "hf")})
    sound = ended.one_clear_line() and not (tmp_path / "run").exists()
    left = [path.name for path in cache.rglob("*") if path.is_file()]
    outcome = "one line" if sound and not left else f"{ended.errors[-300:]} {left}"
    row(1, outcome)
    assert sound, ended
    assert not left


def elsewhere(kind, folder, tmp_path):
    """Prepare a try on the disk with its cache off it."""
    aside = tmp_path / "aside"
    aside.mkdir()
    kind.prepare(aside, 0)
    for path in aside.iterdir():
        if path.name != "cache":
            shutil.copyfile(path, folder / path.name)
    (folder / "cache").symlink_to(aside / "cache")
    _, settings = kind.command(aside, 0)
    return settings


def finish(kind, folder, row, outcome):
    told, ended, again = outcome
    assert again.status == 0, again.errors
    lost, doubled, unlike = kind.compare(folder, 0)
    words = "one line; as undisturbed when there is room"
    if not told or unlike:
        words = f"{ended.errors[-300:]} {unlike}"
    row(1, words, lost, doubled)
    assert told, ended
    assert not unlike
