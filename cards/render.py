"""Rendering of the cards: a Jinja template, filled with figures that tested code has counted.

A card states nothing that is not in its dictionary: a placeholder without a value raises, so that a
card is complete or does not exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined, Undefined
from jinja2.exceptions import TemplateError, UndefinedError

from ..errors import CardError
from .model_index import dataset_name, model_index

_MARKUP = re.compile(r"[\\`*\[\]|]")
_ADDRESS = re.compile(r"(?<=[a-z])://|(?<=\bwww)\.", re.IGNORECASE)

DATASET_TEMPLATE = "dataset_card.md.jinja"
MODEL_TEMPLATE = "model_card.md.jinja"


def render_dataset_card(statistics: Mapping[str, Any]) -> str:
    """The README of a dataset folder, YAML front matter included.

    Args:
        statistics: ``DATASET/stats.json`` as ``dataset_script.build_dataset`` makes it.

    Raises:
        CardError: A figure that the card states is missing; the message names it.
    """
    return _render(DATASET_TEMPLATE, statistics)


def render_model_card(
    metrics: Mapping[str, Any], evaluation: Mapping[str, Any] | None = None
) -> str:
    """The README of a model folder, YAML front matter included.

    Args:
        metrics: The checkpoint's ``metrics.json`` with ``training`` (its configuration) beside it.
        evaluation: ``metrics.json`` of ``countenance evaluate``; the card then has the test
            results, in a section and in the front matter (``model-index``).

    Raises:
        CardError: A figure that the card states is missing; the message names it.
    """
    return _render(MODEL_TEMPLATE, {**metrics, "evaluation": evaluation})


def write_model_card(
    checkpoint: Path, metrics: Mapping[str, Any], evaluation: Mapping[str, Any] | None = None
) -> None:
    """Write a checkpoint folder's README; arguments and errors as ``render_model_card``.

    Raises:
        CardError: A figure is missing, or the folder cannot be written.
    """
    card = render_model_card(metrics, evaluation)
    try:
        (checkpoint / "README.md").write_text(card, encoding="utf-8")
    except OSError as error:
        raise CardError(f"{checkpoint}: cannot write the card ({error.strerror})") from error


def read_training_facts(checkpoint: Path) -> dict[str, Any]:
    """What ``render_model_card`` takes as ``metrics``, from the files of a checkpoint folder.

    Raises:
        CardError: ``metrics.json`` or ``training_config.json`` is missing or damaged.
    """
    facts = []
    for name in ("metrics.json", "training_config.json"):
        try:
            facts.append(json.loads((checkpoint / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, RecursionError) as error:
            reason = getattr(error, "strerror", None) or error
            raise CardError(
                f"{checkpoint / name}: cannot read it ({reason}); a card needs a local folder "
                "written by countenance train"
            ) from None
    metrics, training = facts
    return {**metrics, "training": training}


def _render(template: str, facts: Mapping[str, Any]) -> str:
    try:
        return _environment().get_template(template).render(**facts)
    except UndefinedError as error:
        raise CardError(
            f"{template}: a fact is missing ({error}); rebuild what it describes"
        ) from None
    except KeyError as error:
        raise CardError(
            f"{template}: a fact is missing ({error}); rebuild what it describes"
        ) from None
    except (TemplateError, TypeError, ValueError) as error:
        raise CardError(f"{template}: a fact has a wrong form ({error})") from None


@cache
def _environment() -> Environment:
    # The output is Markdown, not HTML; cell() below keeps a value from breaking out of its table.
    environment = Environment(  # noqa: S701
        loader=PackageLoader(__package__, "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    for name, convert in (
        ("yaml", _yaml),
        ("yaml_text", json.dumps),  # a JSON string is a YAML string
        ("cell", _cell),
        ("code", _code),
        ("thousands", _thousands),
        ("counts", _counts),
        ("size_category", _size_category),
        ("model_index", lambda evaluation: _yaml({"model-index": model_index(evaluation)})),
        ("dataset_name", dataset_name),
        ("interval", _interval),
        # In a template, ["items"] of a dictionary without that key is its method.
        ("item_count", lambda evaluation: _thousands(evaluation["items"])),
    ):
        environment.filters[name] = _of_defined(convert)
    return environment


def _of_defined(convert: Callable[[Any], str]) -> Callable[[Any], str]:
    def checked(value: Any) -> str:  # noqa: ANN401
        # str() of an undefined value raises Jinja's own error, which names the missing fact.
        return convert(str(value) if isinstance(value, Undefined) else value)

    return checked


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).rstrip()


def _cell(value: object) -> str:
    """A value as one inert cell of a Markdown table: no mark-up, link, picture or bare address."""
    text = _MARKUP.sub(r"\\\g<0>", str(value).replace("&", "&amp;").replace("<", "&lt;"))
    return " ".join(_ADDRESS.sub(_spelled_address, text).split())


def _spelled_address(found: re.Match[str]) -> str:
    return "&#46;" if found.group() == "." else "&#58;//"


def _code(value: object) -> str:
    """A value as inline code, between more backticks than it holds itself in a row."""
    text = " ".join(str(value).split())
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    pad = " " if len(fence) > 1 else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _counts(value: Mapping[str, int]) -> str:
    """Counts by reason in one cell: ``duplicate 1,204, too_short 81``; ``nothing`` without any."""
    listed = [f"{_cell(reason)} {count:,}" for reason, count in value.items()]
    return ", ".join(listed) or "nothing"


def _interval(figure: Mapping[str, float]) -> str:
    return f"{figure['value']:.4f} [{figure['low']:.4f}, {figure['high']:.4f}]"


def _size_category(items: int) -> str:
    """The Hub's word for a number of items, such as ``10K<n<100K``."""
    steps = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M")
    return steps[min(max(len(f"{items:d}") - 3, 0), len(steps) - 1)]


def _thousands(value: float) -> str:
    return f"{value:,}"
