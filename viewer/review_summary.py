"""Count a review: acceptance rates with Wilson intervals, and what the rejections point at."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from scipy.stats import binomtest

from .review_verdicts import RELATIONS, Verdict

CONFIDENCE = 0.95
_BREAKS = re.compile(r"[,;:.!?]+|\b(?:and|while|as|with|but)\b", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the|their|his|her)\s+", re.IGNORECASE)


def wilson_interval(successes: int, trials: int) -> tuple[float, float] | None:
    """The Wilson score interval of a share at 95 %, without continuity correction.

    Args:
        successes: 0 to ``trials``.
        trials: 0 or more.

    Returns:
        (low, high) in [0, 1], or None without trials.
    """
    if not trials:
        return None
    interval = binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return float(interval.low), float(interval.high)


def description_phrases(description: str) -> list[str]:
    """Cut a description at its commas and joining words: ``["lips parted", "brows raised"]``."""
    pieces = (_ARTICLE.sub("", piece.strip()) for piece in _BREAKS.split(description.lower()))
    return list(dict.fromkeys(piece for piece in pieces if piece))


def summarise(
    items: Sequence[Mapping[str, Any]], verdicts: Mapping[tuple[str, str], Verdict]
) -> dict[str, Any]:
    """Count the verdicts on the items of a review.

    An item with several tags counts under each. A rate is the share of accepted among accepted and
    rejected; open relations count nowhere but under ``open``.

    Args:
        items: Records with id, emotions, description and prompt_version.
        verdicts: The counting verdict by (id, relation).

    Returns:
        ``confidence``; ``complete``: number of items with all relations decided; ``relations`` (and
        ``all`` for items with all three accepted, among the complete ones), ``tags`` and
        ``prompts``, each with rates; ``reasons``: per relation the share of decided items rejected
        for it; ``phrases``: description phrases of items whose d-au was rejected, with how often
        they were reviewed and rejected; ``rejected``: the rejections themselves, without
        transcripts.
    """
    decided = {
        key: verdict for key, verdict in verdicts.items() if verdict["verdict"] in _DECISIONS
    }
    complete = [item for item in items if all((item["id"], r) in decided for r in RELATIONS)]
    sound = [item for item in complete if all(_accepted(decided, item, r) for r in RELATIONS)]
    by_tag: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    by_prompt: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for item in items:
        by_prompt[item["prompt_version"]].append(item)
        for tag in item["emotions"]:
            by_tag[tag].append(item)
    relations = _rates(items, decided)
    relations["all"] = _rate(len(sound), len(complete) - len(sound), len(items) - len(complete))
    return {
        "confidence": CONFIDENCE,
        "complete": len(complete),
        "relations": relations,
        "tags": {tag: _rates(group, decided) for tag, group in sorted(by_tag.items())},
        "reasons": {relation: _reasons(items, decided, relation) for relation in RELATIONS},
        "prompts": {name: _rates(group, decided) for name, group in sorted(by_prompt.items())},
        "phrases": _phrases(items, decided),
        "rejected": _rejections(items, decided),
    }


_DECISIONS = ("accept", "reject")
_Decided = Mapping[tuple[str, str], Verdict]


def _accepted(decided: _Decided, item: Mapping[str, Any], relation: str) -> bool:
    return decided[item["id"], relation]["verdict"] == "accept"


def _rate(accepted: int, rejected: int, still_open: int) -> dict[str, Any]:
    trials = accepted + rejected
    interval = wilson_interval(accepted, trials)
    low, high = interval or (None, None)
    return {
        "accepted": accepted,
        "rejected": rejected,
        "open": still_open,
        "rate": _rounded(accepted / trials if trials else None),
        "low": _rounded(low),
        "high": _rounded(high),
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _rates(items: Iterable[Mapping[str, Any]], decided: _Decided) -> dict[str, Any]:
    result = {}
    group = list(items)
    for relation in RELATIONS:
        given = [
            decided[item["id"], relation]["verdict"]
            for item in group
            if (item["id"], relation) in decided
        ]
        accepted = given.count("accept")
        result[relation] = _rate(accepted, len(given) - accepted, len(group) - len(given))
    return result


def _reasons(
    items: Iterable[Mapping[str, Any]], decided: _Decided, relation: str
) -> dict[str, Any]:
    given = [decided[i["id"], relation] for i in items if (i["id"], relation) in decided]
    counts = Counter(v["reason"] or "none given" for v in given if v["verdict"] == "reject")
    result = {}
    for reason, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        interval = wilson_interval(count, len(given)) or (0.0, 1.0)
        low, high = (round(end, 4) for end in interval)
        share = round(count / len(given), 4)
        result[reason] = {"count": count, "share": share, "low": low, "high": high}
    return result


def _phrases(items: Iterable[Mapping[str, Any]], decided: _Decided) -> list[dict[str, Any]]:
    reviewed: Counter[str] = Counter()
    rejected: Counter[str] = Counter()
    for item in items:
        verdict = decided.get((item["id"], "d-au"))
        if verdict is None:
            continue
        phrases = description_phrases(item["description"])
        reviewed.update(phrases)
        if verdict["verdict"] == "reject":
            rejected.update(phrases)
    ranked = sorted(rejected, key=lambda phrase: (-rejected[phrase], reviewed[phrase], phrase))
    return [
        {"phrase": phrase, "rejected": rejected[phrase], "reviewed": reviewed[phrase]}
        for phrase in ranked
    ]


def _rejections(items: Iterable[Mapping[str, Any]], decided: _Decided) -> list[dict[str, Any]]:
    result = []
    for item in items:
        for relation in RELATIONS:
            verdict = decided.get((item["id"], relation))
            if verdict is not None and verdict["verdict"] == "reject":
                fields = ("emotions", "action_units", "description", "prompt_version")
                row = {"id": item["id"], "relation": relation}
                row |= {"reason": verdict["reason"], "note": verdict["note"]}
                result.append(row | {name: item[name] for name in fields})
    return result


def summary_text(summary: Mapping[str, Any]) -> str:
    """The summary for a terminal, a few lines a table."""
    sample = summary["sample"]
    lines = [
        f"{summary['complete']} of {sample['drawn']} items reviewed in full "
        f"(random sample, seed {sample['seed']})"
    ]
    told = {
        "other_items": "verdicts on items outside this sample left out",
        "changed_items": "verdicts left out: their items were annotated anew",
        "damaged_lines": "damaged lines skipped",
    }
    lines += [f"{count} {told[name]}" for name, count in summary["skipped"].items() if count]
    head = f"{'':<28}{'accepted':>9}{'rejected':>9}{'open':>6}{'rate':>8}   95 % (Wilson)"
    lines += ["", head, *(_line(name, rate) for name, rate in summary["relations"].items())]
    for title, key in (("By tag", "tags"), ("By prompt", "prompts")):
        lines += ["", title]
        for name, rates in summary[key].items():
            told_rates = {r: rate for r, rate in rates.items() if rate["rate"] is not None}
            lines += [_line(f"  {name[:18]} {r}", rate) for r, rate in told_rates.items()]
    lines += ["", "Reasons of rejection (share of the relation's verdicts)"]
    for relation, reasons in summary["reasons"].items():
        for reason, row in reasons.items():
            interval = f"{row['low']:.1%} to {row['high']:.1%}"
            name = f"  {relation} {reason}"
            lines.append(f"{name:<28}{row['count']:>9}{row['share']:>23.1%}   {interval}")
    if summary["phrases"]:
        lines += ["", "Phrases of descriptions whose d-au was rejected (rejected of reviewed)"]
        lines += [
            f"  {row['rejected']} of {row['reviewed']}  {row['phrase']}"
            for row in summary["phrases"][:20]
        ]
    return "\n".join(lines)


def _line(name: str, rate: Mapping[str, Any]) -> str:
    counts = f"{name:<28}{rate['accepted']:>9}{rate['rejected']:>9}{rate['open']:>6}"
    if rate["rate"] is None:
        return f"{counts}{'-':>8}"
    return f"{counts}{rate['rate']:>8.1%}   {rate['low']:.1%} to {rate['high']:.1%}"
