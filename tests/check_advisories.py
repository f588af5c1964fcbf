"""Known vulnerabilities in the pinned packages, by pip-audit: ``python tests/check_advisories.py``.

Asks OSV (osv.dev) about every pin of ``constraints.txt``; a part of ``make lint``. It fails only
for a vulnerability that was found. Where the service does not answer, within seconds, it says so in
one line and succeeds: no build may fail because somebody else's server is away. A sound answer
counts for the rest of the day, so that ``make lint`` stays quick.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import socket
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent
SERVICE = "https://api.osv.dev/v1/query"
_CONNECT_SECONDS = 3.0


def main(argv: list[str] | None = None) -> int:
    """Run from the command line; 1 only where a vulnerability is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pins", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--service", default=SERVICE, help="address of an OSV service")
    parser.add_argument("--seconds", type=float, default=60.0, help="give up after this time")
    parser.add_argument("--stamp", type=Path, default=ROOT / ".cache" / "advisories")
    options = parser.parse_args(argv)
    today = _stamp(options.pins)
    if options.stamp.is_file() and options.stamp.read_text("utf-8") == today:
        print("pip-audit: these pins were found sound earlier today")
        return 0
    away = _why_away(options.service)
    if away:
        print(f"pip-audit skipped: {options.service} does not answer ({away})")
        return 0
    return _audit(options.pins, options.service, options.seconds, options.stamp, today)


def _stamp(pins: Path) -> str:
    digest = hashlib.sha256(pins.read_bytes()).hexdigest()
    return f"{datetime.now(UTC).date()} {digest}\n"


def _why_away(service: str) -> str:
    """Why the service's host takes no connection; empty where it does."""
    address = urlsplit(service)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname, port), _CONNECT_SECONDS).close()
    except OSError as error:
        return str(error)
    return ""


def _audit(pins: Path, service: str, seconds: float, stamp: Path, today: str) -> int:
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(pins)]
    command += ["--no-deps", "--disable-pip", "--vulnerability-service", "osv"]
    command += ["--osv-url", service, "--timeout", "5", "--format", "json"]
    command += ["--progress-spinner", "off", "--desc", "off"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        print(f"pip-audit skipped: {service} took more than {seconds:g} s")
        return 0
    try:
        audited = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        lines = done.stderr.strip().splitlines() or ["no answer"]
        print(f"pip-audit skipped: {service} gave no usable answer ({lines[-1][:200]})")
        return 0
    found = [row for row in audited if row.get("vulns")]
    for row in found:
        for known in row["vulns"]:
            fixed = ", ".join(known["fix_versions"]) or "none yet"
            print(f"{row['name']} {row['version']}: {known['id']}; fixed in: {fixed}")
    if found:
        print(f"pip-audit: {len(found)} of {len(audited)} pinned packages have known faults")
        return 1
    print(f"pip-audit: no known fault in {len(audited)} pinned packages")
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(today, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
