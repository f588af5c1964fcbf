"""Real runs as processes of their own: killed at a drawn point, started again, compared."""

import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import psutil

HERE = Path(__file__).parent
KILLS = int(os.environ.get("COUNTENANCE_FAULT_KILLS", "2"))
WORKERS = int(os.environ.get("COUNTENANCE_FAULT_WORKERS", "2"))
KILLS_PER_CHAIN = 5  # all but the first hit a resumption
LONGEST = 900  # seconds of one process on a busy machine


@dataclass
class Ended:
    """How a process ended."""

    status: int
    output: str
    errors: str
    cpu: float = 0.0
    points: int = 0

    @property
    def killed(self):
        return self.status == -signal.SIGKILL

    @property
    def error_lines(self):
        """What it says of the fault; progress is left out."""
        return [line for line in self.errors.splitlines() if "error" in line.lower()]

    def one_clear_line(self, *words):
        """Whether it ended with status 1 and one line, without a traceback, that has the words."""
        lines = self.error_lines
        return (
            self.status == 1
            and "Traceback" not in self.errors
            and len(lines) == 1
            and lines[0].startswith("countenance: error: ")
            and all(word in lines[0] for word in words)
        )


def environment(cache, **more):
    """Environment of a run: no hub, the bench's hook, caches of its own."""
    paths = [str(HERE / "child"), *(path for path in sys.path if path)]
    mine = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return mine | {
        "PYTHONPATH": os.pathsep.join(paths),
        "COUNTENANCE_CACHE": str(cache),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": f"{cache}-huggingface",
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **{name: str(value) for name, value in more.items()},
    }


def start(arguments, folder, settings, before=None):
    """Start ``countenance ARGUMENTS`` in a folder."""
    command = [sys.executable, "-m", "countenance.cli", *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=before,
    )


def run(arguments, folder, settings, before=None):
    """Run ``countenance ARGUMENTS`` to its end."""
    process = start(arguments, folder, settings, before)
    output, errors = process.communicate(timeout=LONGEST)
    return Ended(process.returncode, output, errors)


def measured(arguments, folder, settings, log):
    """Run to the end; also how much CPU time it took and how many points it passed."""
    process = start(arguments, folder, settings | watching(folder, FAULT_POINTS=log))
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(process.communicate, timeout=LONGEST)
        cpu = 0.0
        while not ended.done():
            cpu = max(cpu, _cpu_time(process.pid))
            time.sleep(0.01)
    points = len(Path(log).read_text().splitlines()) if Path(log).exists() else 0
    return Ended(process.returncode, *ended.result(), cpu, points)


def watching(folder, **more):
    return {"FAULT_WATCH": str(folder), **{name: str(value) for name, value in more.items()}}


def _cpu_time(pid):
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return 0.0
    return times.user + times.system


def kill_during(arguments, folder, settings, whole, draw):
    """Start a run and end it by SIGKILL; False where it came to its end before.

    Half of the kills are drawn over the CPU time of an undisturbed run, which hits what is done
    outside Python and the start-up too; half over its points, which hits all moves and removals.
    """
    share, by_point = draw.random(), draw.random() < 0.5
    if by_point:
        at = 1 + int(share * whole.points)
        ended = run(arguments, folder, settings | watching(folder, FAULT_AT=at))
    else:
        ended = _kill_after(arguments, folder, settings, share * whole.cpu)
    return ended.killed


def _kill_after(arguments, folder, settings, seconds):
    process = start(arguments, folder, settings)
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(process.communicate, timeout=LONGEST)
        while not ended.done() and _cpu_time(process.pid) < seconds:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    return Ended(process.returncode, *ended.result())


@dataclass
class Count:
    """What a kind of fault came to."""

    tried: int = 0
    lost: int = 0
    doubled: int = 0
    unlike: list = field(default_factory=list)

    def add(self, lost, doubled, unlike):
        self.lost += lost
        self.doubled += doubled
        self.unlike += unlike

    @property
    def sound(self):
        return not (self.lost or self.doubled or self.unlike)

    @property
    def outcome(self):
        return "as undisturbed" if self.sound else "; ".join(self.unlike[:3]) or "not sound"


def kill_many(kind, kills, seed, root):
    """Kill runs of one kind at ``kills`` drawn points, resume each, compare with the undisturbed.

    Args:
        kind: What is run; see ``kinds.py``.
        kills: How many.
        seed: Of all draws.
        root: Folder for the tries.
    """
    whole = kind.undisturbed()

    def chain(number, wanted):
        draw = random.Random(f"{kind.name}-{seed}-{number}")
        count = Count()
        folder = root / f"{kind.name}-{number}"
        folder.mkdir()
        kind.prepare(folder, number)
        for _ in range(wanted):
            arguments, settings = kind.command(folder, number)
            if not kill_during(arguments, folder, settings, whole, draw):
                break  # a resumption is shorter than the whole, or had nothing left to do
            count.tried += 1
            count.add(*kind.meanwhile(folder, number))
        arguments, settings = kind.command(folder, number)
        ended = run(arguments, folder, settings)
        if ended.status != 0 and not kind.is_over(ended):
            count.unlike.append(f"{folder.name}: status {ended.status}: {ended.errors[-500:]}")
        count.add(*kind.compare(folder, number))
        return count

    total, number = Count(), 0
    with ThreadPoolExecutor(WORKERS) as pool:
        while total.tried < kills and number < 2 * kills:
            left = kills - total.tried
            parts = [min(KILLS_PER_CHAIN, left - done) for done in range(0, left, KILLS_PER_CHAIN)]
            for count in pool.map(chain, range(number, number + len(parts)), parts):
                total.tried += count.tried
                total.add(count.lost, count.doubled, count.unlike)
            number += len(parts)
    return total
