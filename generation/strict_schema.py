"""JSON Schema as it is meant: the "$" of a pattern is the end of the text.

``jsonschema`` hands patterns to Python's ``re``, whose "$" lets a line end pass behind it; in JSON
Schema's own regular expressions (ECMA-262) it does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend


def strict_validator(schema: dict[str, Any]) -> Draft202012Validator:
    """A validator of draft 2020-12 for text that somebody else wrote."""
    validator: Draft202012Validator = _Strict(schema)
    return validator


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:  # noqa: ANN401
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"(?<!\\)\$$", r"\\Z", pattern))


_Strict = extend(Draft202012Validator, {"pattern": _pattern})
