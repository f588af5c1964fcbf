"""Keeping the libraries' own reports off stderr; our errors say in one line what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from huggingface_hub.utils import logging as hub_logging
from transformers.utils import logging as transformers_logging


@contextmanager
def quiet_hub() -> Iterator[None]:
    """Keep the lines off stderr that huggingface_hub prints at every retry of a request."""
    level = hub_logging.get_verbosity()
    hub_logging.set_verbosity(hub_logging.CRITICAL)
    try:
        yield
    finally:
        hub_logging.set_verbosity(level)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Keep transformers' loading bars and reports, and the Hub's retries, off stderr."""
    level = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity(transformers_logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        with quiet_hub():
            yield
    finally:
        transformers_logging.set_verbosity(level)
        if bars:
            transformers_logging.enable_progress_bar()
