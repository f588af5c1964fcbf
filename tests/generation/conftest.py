"""Loopback chat servers for the tests of `--engine openai`."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # this folder is no package


@pytest.fixture
def chat():
    """A sound chat server; a test plans its faults."""
    pytest.importorskip("openai", reason="extra 'openai' is not installed")
    from loopback_chat import LoopbackChat

    server = LoopbackChat()
    yield server
    server.stop()
