"""A chat template is a program by somebody else: what it does wrong is one line of ours."""

import time

import pytest

pytest.importorskip("gguf", reason="extra 'dev' is not installed")

from test_generate_llama3 import LLAMA3_TEMPLATE, build_llama3

from countenance.au_mapping import load_mapping
from countenance.errors import EngineError
from countenance.generation import GenerateSettings, Transcript
from countenance.generation.chat_annotator import ChatAnnotator
from countenance.generation.chat_model import ChatAnswer
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.local_chat import LocalChat
from countenance.generation.model_files import resolve_model
from countenance.generation.server_dialects import DIALECTS

LINES = [Transcript("The lamp on the stairs went out.", "test", "1")]


def opened(chat, retries=0):
    prompt = GeneratePrompt.load("generate-v1-short")
    return ChatAnnotator(chat, prompt, GenerateSettings(retries=retries), 0, load_mapping())


def model(tmp_path, template):
    path = tmp_path / "small.gguf"
    build_llama3(path, template=template)
    return resolve_model(str(path))


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ 1 / 0 }}", "its chat template failed (ZeroDivisionError: division by zero)"),
        ("{{ tools | length }}", "its chat template failed (TypeError: "),
        ("{{ raise_exception('System role not supported') }}", "System role not supported"),
    ],
)
def test_a_template_that_fails_is_one_line(tmp_path, template, reason):
    with pytest.raises(EngineError) as error:
        opened(LocalChat(model(tmp_path, template)))
    said = str(error.value)
    assert reason in said
    assert "cannot answer prompt generate-v1-short" in said
    assert "takes system messages" in said
    assert said.isprintable()


def test_a_template_that_prints_the_day_is_refused(tmp_path):
    with pytest.raises(EngineError, match=r"prints today's date.*--engine llama-cpp"):
        LocalChat(model(tmp_path, "{{ strftime_now('%d %b %Y') }}" + LLAMA3_TEMPLATE))


class SlowChat:
    """Holds the event loop up, as a model in this process does, and never writes a face."""

    kind, place = "engine", "slow.gguf"

    def __init__(self):
        self.asked = []

    async def open(self):
        return DIALECTS[0]

    def identity(self):
        return {}

    async def ask(self, messages, options, extra, *, retries=None):
        self.asked.append(messages)
        time.sleep(0.1)
        return ChatAnswer("no face", finished=True)

    async def close(self):
        pass


def test_who_gives_up_waits_for_one_answer_and_not_for_all_attempts():
    chat = SlowChat()

    def lines():
        yield LINES[0]
        while len(chat.asked) < 2:  # the first is the ordinary question
            time.sleep(0.01)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), opened(chat, retries=50) as annotator:
        list(annotator.annotate(lines()))
    assert len(chat.asked) <= 4
