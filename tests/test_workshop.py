"""A folder is made beside its place and stands there whole, whatever happens in between."""

import errno
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from countenance import workshop as workshop_module
from countenance.errors import DatasetError
from countenance.workshop import Workshop, exchange


def make(out, text):
    with Workshop(out, DatasetError) as workshop:
        (workshop.fresh / "file.txt").write_text(text)
        workshop.put_in_place()


def no_exchange(monkeypatch, number=errno.EINVAL):
    def refuse(first, second):
        raise OSError(number, os.strerror(number), str(first))

    monkeypatch.setattr(workshop_module, "exchange", refuse)


def killed_before_its_last_rename(monkeypatch):
    """Let the fallback end between its two renames, as a SIGKILL would, without any cleaning up."""
    no_exchange(monkeypatch)
    rename = Path.rename

    def end(path, target):
        if path.name == "new":
            os._exit(9)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", end)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_a_newer_folder_takes_the_place_of_an_older_one(tmp_path, monkeypatch, can_exchange):
    if not can_exchange:
        no_exchange(monkeypatch)
    for text in ("older", "newer"):
        make(tmp_path / "out", text)
        assert (tmp_path / "out" / "file.txt").read_text() == text
        assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_put_in_place_nothing_changes(tmp_path):
    make(tmp_path / "out", "older")
    with Workshop(tmp_path / "out", DatasetError) as workshop:
        (workshop.fresh / "file.txt").write_text("newer")
    assert (tmp_path / "out" / "file.txt").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_link_stays_and_the_folder_behind_it_is_replaced(tmp_path):
    make(tmp_path / "real", "older")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    make(tmp_path / "link", "newer")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "file.txt").read_text() == "newer"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_kill_between_two_renames_is_put_right_at_the_next_start(tmp_path, monkeypatch):
    out = tmp_path / "out"
    make(out, "older")
    process = os.fork()
    if process == 0:
        killed_before_its_last_rename(monkeypatch)
        make(out, "newer")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 9
    assert not out.exists()
    with Workshop(out, DatasetError):
        assert (out / "file.txt").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_failed_move_leaves_the_older_folder(tmp_path, monkeypatch):
    make(tmp_path / "out", "older")
    no_exchange(monkeypatch, errno.EACCES)
    with pytest.raises(OSError, match="Permission denied"):
        make(tmp_path / "out", "newer")
    assert (tmp_path / "out" / "file.txt").read_text() == "older"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_second_process_is_refused_by_pid(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from countenance.errors import DatasetError\n"
        "from countenance.workshop import Workshop\n"
        "Workshop(Path(sys.argv[1]), DatasetError).__enter__()"
    )
    with Workshop(tmp_path / "out", DatasetError):
        command = [sys.executable, "-c", code, str(tmp_path / "out")]
        second = subprocess.run(command, capture_output=True, text=True)
    assert f"out: process {os.getpid()} is writing it; wait for it or choose" in second.stderr
    make(tmp_path / "out", "later")


def test_a_name_as_long_as_file_systems_allow_will_do(tmp_path):
    make(tmp_path / ("n" * 250), "long")
    assert [path.name for path in tmp_path.iterdir()] == ["n" * 250]


@pytest.mark.skipif(sys.platform != "linux", reason="renameat2 is of Linux")
def test_an_exchange_needs_both(tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        exchange(tmp_path / "there", tmp_path / "nowhere")


def test_a_workshop_closes_cleanly_without_a_descriptor_to_spare(tmp_path):
    out, limits = tmp_path / "out", resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        with Workshop(out, DatasetError) as workshop:
            (workshop.fresh / "file").write_text("whole")
            workshop.put_in_place()
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
            with pytest.raises(OSError, match="Too many open files"):
                os.open(os.devnull, os.O_RDONLY)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
