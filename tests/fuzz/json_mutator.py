"""Changes to JSON documents that keep them JSON, so that a fuzzer gets past the parser.

Bytes that a fuzzer flips at random in a table of a thousand characters are hardly ever JSON again.
Here one or a few nodes of the parsed document change; everything random comes from the seed.
"""

import json
import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 0.5, 2**31, 2**63, -(2**70), 10**400),
    *(float("nan"), float("inf"), float("-inf"), 1e308, 5e-324, -0.0),
    *(
        "",
        " ",
        "\0",
        "\ud800",
        "\udcff",
        "\u202e",
        "\ufeff",
        "\x1b[31m",
        "=1+1",
        "../..",
        "/dev/null",
    ),
    *("a" * 3000, "{transcript}", "{0}", "%s", "AU12", "AU999", "jawOpen", "v1", "NaN", "(a+)+$"),
    *([], {}, [[]], [None], {"": ""}, [[[[[[]]]]]], list(range(300))),
)
_DEEP = 3000


def as_text(data: bytes) -> str:
    """The bytes as UTF-8, lone surrogates included; what is none becomes lone surrogates."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def mutate_json(document: Any, rng: random.Random) -> Any:
    """A copy of a document with one to three nodes changed."""
    document = json.loads(json.dumps(document))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        document = _change(document, rng)
    return document


def mutate_bytes(data: bytes, rng: random.Random) -> bytes | None:
    """Mutate the JSON in a seed, which may stand behind a first line; None where there is none.

    Of JSON lines one line is changed.
    """
    head, newline, body = data.partition(b"\n")
    if head.lstrip()[:1] in (b"{", b"["):
        head, newline, body = b"", b"", data
    text = as_text(body)
    changed = _mutate_text(text, rng)
    if changed is None:
        lines = text.split("\n")
        place = rng.randrange(len(lines))
        line = _mutate_text(lines[place], rng)
        if line is None:
            return None
        changed = "\n".join([*lines[:place], line, *lines[place + 1 :]])
    return head + newline + changed.encode("utf-8", "surrogatepass")


def _mutate_text(text: str, rng: random.Random) -> str | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    try:
        changed = json.dumps(mutate_json(document, rng), ensure_ascii=rng.random() < 0.5)
    except (ValueError, OverflowError, RecursionError):
        return None
    if rng.random() < 0.02:
        return "[" * _DEEP * 40 + changed
    return changed


def _change(document: Any, rng: random.Random) -> Any:
    places = list(_places(document))
    if not places:
        return rng.choice(ODD_VALUES)
    holder, key = rng.choice(places)
    action = rng.randrange(8)
    value = holder[key]
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        holder[rng.choice((key + "x", "", "\ud800", "version", "__class__", "$ref"))] = holder.pop(
            key
        )
    elif action == 2 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(value)))
    elif action == 3:
        other, place = rng.choice(places)
        holder[key] = json.loads(json.dumps(other[place]))
    elif action == 4 and isinstance(value, str):
        at = rng.randint(0, len(value))
        odd = rng.choice([text for text in ODD_VALUES if isinstance(text, str)])
        holder[key] = value[:at] + odd + value[at:]
    elif action == 5 and isinstance(value, int | float) and not isinstance(value, bool):
        holder[key] = rng.choice((-value, value * 1000, value + 1, value / 7, float(value)))
    else:
        holder[key] = json.loads(json.dumps(rng.choice(ODD_VALUES)))
    return document


def _places(node: Any) -> Any:
    """Every holder and key of a document."""
    keys = (
        list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else []
    )
    for key in keys:
        yield node, key
        yield from _places(node[key])
