"""The benchmark runs, checks that all contenders agree, and reports in both forms."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "au_mapping.py"
CONTENDERS = {
    "batch",
    "single",
    "inverse",
    "peer, dictionary loop without rules",
    "peer, dictionary loop with the same rules",
}


def run(*options):
    command = [sys.executable, str(SCRIPT), "--lists", "300", "--repeats", "1", *options]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(not SCRIPT.exists(), reason="benchmarks are part of the checkout only")
def test_the_benchmark_prints_a_table_or_json():
    report = json.loads(run("--json"))
    assert report["lists"] == 300
    assert set(report["lists_per_second"]) == CONTENDERS
    assert all(rate > 0 for rate in report["lists_per_second"].values())
    assert {line[:44].strip() for line in run().splitlines()} >= CONTENDERS
