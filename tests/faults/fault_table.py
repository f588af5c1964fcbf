"""The table of ``README.md``: a row per fault, kept in ``table.json`` and rendered from it.

python tests/faults/fault_table.py    # writes README.md anew from table.json
"""

import fcntl
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parent
TABLE = Path(os.environ.get("COUNTENANCE_FAULT_FOLDER", HERE))  # where the page is written
HEAD = """# Faults

Real runs of the `countenance` command, with the packaged models, that something happens to.
`make test-faults` makes them all and writes this page; `make test` makes some of each kind.

- **tried**: how often. A kill is a SIGKILL to the process; half are drawn (seeded) over the CPU
  time of an undisturbed run, start-up and final moves included, half over its points: the moments
  before a file or folder is opened for writing, moved, removed, made or synced, and before and
  after each send to the Hub (`child/sitecustomize.py`). Kills come in chains of up to five: the
  later ones hit a resumption.
- **lost**: items (records, rows, files; for train the checkpoint) that are not there after the
  same command was run again, or a dataset, checkpoint or `main` of a repository that was not whole
  at some time in between.
- **doubled**: items that are there twice; for push, commits too many.
- **outcome**: `as undisturbed` when every file of the result equals that of a run without a fault
  (times and durations left out; train: the weights bit for bit) and nothing else was left behind;
  `one line` when it ended with exit status 1, one line on stderr that says what to do, no
  traceback, and nothing begun or left behind; `not tried here` when this machine or this user could
  not do it, with the reason.

Servers are ones on loopback that answer well (`faces_chat.py`) until a test lets them break.

Runs of `annotate` are small ones with small parts: 6 records in a part and 4 items from one sync to
the next, where 10,000 and 64 are usual, so that the faults fall on new parts, and among the items
are such as are set aside.

"""


KILLS, REST = "the kills", "the rest"  # the two processes of `make test-faults`


class FaultTable:
    """Collects rows; writes them when COUNTENANCE_FAULT_TABLE=write is set."""

    def __init__(self):
        self.rows = {}
        self.writes = os.environ.get("COUNTENANCE_FAULT_TABLE") == "write"

    def add(self, fault, tried, outcome, lost=0, doubled=0):
        row = {"tried": tried, "lost": lost, "doubled": doubled, "outcome": outcome}
        self.rows[fault] = row
        self._write("rows", fault, row)

    def took(self, process, seconds):
        """Note the seconds that one of the bench's two processes took."""
        self._write("seconds", process, round(seconds))

    def _write(self, part, name, value):
        if not self.writes:
            return
        with (HERE / "fault_table.py").open() as lock:  # two processes fill one table
            fcntl.flock(lock, fcntl.LOCK_EX)
            document = read_table()
            document.setdefault(part, {})[name] = value
            document["made"] = made()
            write_table(document)


def made():
    return {
        "on": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "cores": os.cpu_count(),
    }


def read_table():
    path = TABLE / "table.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {"rows": {}, "made": {}}


def write_table(document):
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    TABLE.mkdir(exist_ok=True)
    (TABLE / "table.json").write_text(text, "utf-8")
    (TABLE / "README.md").write_text(rendered(document), "utf-8")


def rendered(document):
    lines = ["| fault | tried | lost | doubled | outcome |", "|---|---|---|---|---|"]
    for fault, row in sorted(document["rows"].items()):
        cells = (fault, row["tried"], row["lost"], row["doubled"], row["outcome"])
        lines.append("| " + " | ".join(str(cell).replace("|", "/") for cell in cells) + " |")
    facts = document["made"]
    last = f"\nWritten {facts['on']}, Python {facts['python']}, {facts['system']}.\n"
    return HEAD + "\n".join(lines) + "\n" + _duration(document) + last


def _duration(document):
    seconds = document.get("seconds", {})
    if set(seconds) != {KILLS, REST}:
        return ""
    whole = max(seconds.values())
    parts = f"{seconds[KILLS]:,} s for {KILLS}, beside them {seconds[REST]:,} s for {REST}"
    cores = document["made"]["cores"]
    return f"\nThe whole took {whole / 60:.1f} minutes on {cores} cores: {parts}.\n"


def merged(documents):
    """Rows of several tables; of a fault in more than one, the row with the most tries."""
    rows = {}
    for document in documents:
        for fault, row in document["rows"].items():
            if fault not in rows or row["tried"] >= rows[fault]["tried"]:
                rows[fault] = row
    return {**documents[-1], "rows": rows}


if __name__ == "__main__":
    others = [json.loads(Path(name).read_text("utf-8")) for name in sys.argv[1:]]
    write_table(merged([*others, read_table()]))
