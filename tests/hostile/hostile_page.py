"""The counts of a run along the road, as the tables of ``docs/hostile_input.md``."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from road import Road

_BEGIN, _END = "<!-- counted: begin -->", "<!-- counted: end -->"


def tables(road: Road) -> str:
    """What became of the texts by family, and what was checked."""
    families: dict[str, Counter[str]] = defaultdict(Counter)
    for text in road.texts:
        families[text.family][road.outcomes.get(text.number, "lost")] += 1
    total = sum(families.values(), Counter())
    lines = [
        f"{len(road.texts):,} texts: {total['record']:,} records, "
        f"{_sum(total, 'set aside'):,} set aside after annotation, "
        f"{_sum(total, 'dropped'):,} dropped in reading, {total['lost']:,} lost.",
        "",
        "| family | texts | records | set aside | dropped | commonest reasons |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for family, counts in [*sorted(families.items()), ("all", total)]:
        reasons = [(r, n) for r, n in counts.most_common() if r not in ("record", "lost")][:3]
        told = ", ".join(f"{reason.partition(': ')[2]} {number:,}" for reason, number in reasons)
        lines.append(
            f"| {family} | {counts.total():,} | {counts['record']:,} | "
            f"{_sum(counts, 'set aside'):,} | {_sum(counts, 'dropped'):,} | {told or 'none'} |"
        )
    lines += ["", "| what was checked | how many | faults |", "|---|---:|---:|"]
    lines += [f"| {what} | {number:,} | {faults:,} |" for what, number, faults in road.checks]
    times = ", ".join(f"{part} {seconds:.0f} s" for part, seconds in road.seconds.items())
    return "\n".join([*lines, "", f"Time: {times}."])


def page_with_tables(road: Road, page: Path | None) -> str:
    """The tables; written between the marks of a page, where one is given."""
    made = tables(road)
    if page is not None:
        whole = re.compile(f"{re.escape(_BEGIN)}.*{re.escape(_END)}", re.DOTALL)
        text = page.read_text("utf-8")
        page.write_text(whole.sub(lambda _: f"{_BEGIN}\n{made}\n{_END}", text), encoding="utf-8")
    return made


def _sum(counts: Counter[str], beginning: str) -> int:
    return sum(number for what, number in counts.items() if what.startswith(beginning))
