"""Files of the cache appear whole, and what killed processes left of them goes."""

import signal
import subprocess
import sys

import pytest

from countenance.cache import cached_file


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deep" / "x.bin"
    with cached_file(target) as file:
        file.write_bytes(b"whole")
        assert not target.exists()
    assert target.read_bytes() == b"whole"
    with pytest.raises(FileNotFoundError), cached_file(target) as file:
        file.with_name("nowhere").rename(file)
    assert target.read_bytes() == b"whole"
    assert list(target.parent.iterdir()) == [target]


def test_what_a_killed_process_left_is_removed_and_what_is_in_work_stays(tmp_path):
    code = (
        "import os, sys, signal; from pathlib import Path\n"
        "from countenance.cache import cached_file\n"
        "with cached_file(Path(sys.argv[1])) as file:\n"
        "    file.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path / "x.bin")])
    assert killed.returncode == -signal.SIGKILL
    left = list(tmp_path.iterdir())
    assert len(left) == 1
    with cached_file(tmp_path / "y.bin") as mine:
        mine.write_bytes(b"y")
        assert not left[0].exists()
        with cached_file(tmp_path / "z.bin") as other:
            other.write_bytes(b"z")
            assert mine.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"y.bin", "z.bin"}
