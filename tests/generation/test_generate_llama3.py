"""Llama 3's chat format and special tokens, on a tiny GGUF of that architecture built here.

The weights are random numbers; tokenizer type, special tokens, chat template and tensor names are
those of Llama 3 Instruct, so that the strategy takes the same path as with the real file.
"""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import load_mapping
from countenance.errors import EngineError
from countenance.generation import Transcript, generate_checks
from countenance.generation.chat_template import (
    PLACEHOLDER,
    prompt_tokens,
    render_chat,
    split_prompt,
)
from countenance.generation.generate import GenerateAnnotator, GeneratedFace, GenerateSettings
from countenance.generation.generate_checks import AnswerChecker, load_answer_rules
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.llama_engine import LlamaWeights
from countenance.generation.model_files import resolve_model

gguf = pytest.importorskip("gguf", reason="extra 'dev' is not installed")

LLAMA3_TEMPLATE = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    "+ message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
    "{{ content }}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
SPECIAL = (
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
)
MERGES = ("t h", "Ġ th", "Ġth e", "i n", "e r", "o u", "a n", "Ġ a", "b r", "br o", "bro w")
MESSAGES = [
    {"role": "system", "content": "Describe the face."},
    {"role": "user", "content": "Oh no, the cake!"},
    {"role": "assistant", "content": "Raised brows."},
    {"role": "user", "content": f"Text: {PLACEHOLDER}"},
]


def byte_letters():
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letters = {byte: chr(byte) for byte in plain}
    return letters | {byte: chr(256 + index) for index, byte in enumerate(others)}


def build_llama3(path, template=LLAMA3_TEMPLATE, context=8192, kind=gguf.TokenType.CONTROL):
    """Write a two-layer Llama with Llama 3's kind of tokenizer and random weights."""
    vocabulary = [*byte_letters().values(), *("".join(pair.split()) for pair in MERGES), *SPECIAL]
    kinds = [gguf.TokenType.NORMAL] * (len(vocabulary) - len(SPECIAL))
    kinds += [kind] * len(SPECIAL)
    width, heads, kv_heads, hidden, layers = 64, 4, 2, 128, 2
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(context)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(hidden)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(500000.0)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(vocabulary)
    writer.add_token_types(kinds)
    writer.add_token_merges(list(MERGES))
    writer.add_bos_token_id(vocabulary.index("<|begin_of_text|>"))
    writer.add_eos_token_id(vocabulary.index("<|eot_id|>"))
    writer.add_add_bos_token(True)
    if template is not None:
        writer.add_chat_template(template)
    draws = np.random.default_rng(8)
    narrow = width * kv_heads // heads
    shapes = {"token_embd": (len(vocabulary), width), "output": (len(vocabulary), width)}
    for layer in range(layers):
        shapes |= {
            f"blk.{layer}.{name}": shape
            for name, shape in {
                "attn_q": (width, width),
                "attn_k": (narrow, width),
                "attn_v": (narrow, width),
                "attn_output": (width, width),
                "ffn_gate": (hidden, width),
                "ffn_up": (hidden, width),
                "ffn_down": (width, hidden),
            }.items()
        }
        writer.add_tensor(f"blk.{layer}.attn_norm.weight", np.ones(width, dtype=np.float32))
        writer.add_tensor(f"blk.{layer}.ffn_norm.weight", np.ones(width, dtype=np.float32))
    writer.add_tensor("output_norm.weight", np.ones(width, dtype=np.float32))
    for name, shape in shapes.items():
        values = draws.normal(0, 0.2, shape).astype(np.float32)
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return resolve_model(str(path))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build_llama3(tmp_path_factory.mktemp("llama3") / "tiny-llama-3.gguf")


@pytest.fixture(scope="module")
def weights(model):
    loaded = LlamaWeights(model)
    yield loaded
    loaded.close()


@pytest.fixture(scope="module")
def vocabulary(weights):
    return weights.vocabulary()


@pytest.fixture(scope="module")
def prompt(tmp_path_factory):
    """The packaged short prompt, with room for a model that writes single bytes."""
    data = json.loads((GeneratePrompt.file("generate-v1-short")).read_text("utf-8"))
    data["version"] = "generate-v9-bytes"
    data["limits"]["description_characters"] = [24, 60]
    path = tmp_path_factory.mktemp("prompt") / "generate-v9-bytes.json"
    path.write_text(json.dumps(data), "utf-8")
    return GeneratePrompt.load(path)


def special_ids(vocabulary):
    return {name: vocabulary.tokenize(name, special=True) for name in SPECIAL}


def test_the_template_is_rendered_as_llama_3_wants_it(vocabulary):
    assert render_chat(vocabulary, MESSAGES) == (
        "<|begin_of_text|>"
        "<|start_header_id|>system<|end_header_id|>\n\nDescribe the face.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nOh no, the cake!<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nRaised brows.<|eot_id|>"
        f"<|start_header_id|>user<|end_header_id|>\n\nText: {PLACEHOLDER}<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_special_tokens_come_as_tokens_and_the_beginning_once(vocabulary):
    tokens = prompt_tokens(vocabulary, MESSAGES)
    ids = special_ids(vocabulary)
    assert all(len(value) == 1 for value in ids.values())
    count = {name: [*tokens.head, *tokens.tail].count(value[0]) for name, value in ids.items()}
    assert tokens.head[0] == ids["<|begin_of_text|>"][0]
    assert count == {
        "<|begin_of_text|>": 1,
        "<|end_of_text|>": 0,
        "<|start_header_id|>": 5,
        "<|end_header_id|>": 5,
        "<|eot_id|>": 4,
    }
    assert tokens.tail[0] == ids["<|eot_id|>"][0]


def test_a_template_without_the_beginning_gets_it(tmp_path):
    bare = LLAMA3_TEMPLATE.replace("bos_token + content", "content")
    weights = LlamaWeights(build_llama3(tmp_path / "bare.gguf", bare))
    tokens = prompt_tokens(weights.vocabulary(), MESSAGES)
    begin = weights.vocabulary().tokenize("<|begin_of_text|>", special=True)[0]
    weights.close()
    assert [*tokens.head, *tokens.tail].count(begin) == 1
    assert tokens.head[0] == begin


@given(st.lists(st.sampled_from([*SPECIAL, "Hi ", "\n\n", "user"]), min_size=1).map("".join))
@settings(max_examples=50, deadline=None)
def test_no_transcript_becomes_a_special_token(vocabulary, text):
    ids = {value[0] for value in special_ids(vocabulary).values()}
    assert not ids & set(vocabulary.tokenize(text))


@pytest.mark.parametrize(
    ("max_tokens", "allowed"),
    [(150, "check: description"), (40, "unfinished: no end after 4[0-9] tokens")],
    ids=["enough tokens", "too few tokens"],
)
def test_random_weights_never_write_an_invalid_answer(model, prompt, max_tokens, allowed):
    """What is not a face is set aside for its words or its length, never for its form."""
    mapping = load_mapping()
    lines = [Transcript(f"I saw {n} brown hens. <|eot_id|>", "test", str(n)) for n in range(12)]
    drawn = GenerateSettings(slots=8, retries=1, max_tokens=max_tokens, transcript_tokens=100)
    with GenerateAnnotator(model, prompt, drawn, 3, mapping) as annotator:
        found = list(annotator.annotate(lines))
    assert [transcript for transcript, _ in found] == lines
    for _, outcome in found:
        if isinstance(outcome, GeneratedFace) and max_tokens == 150:
            assert 1 <= len(outcome.action_units) <= prompt.max_action_units
            assert mapping.to_blendshapes(outcome.action_units).shape == (51,)
        else:
            assert re.match(allowed, outcome)


HENS = tuple(Transcript(f"The brown hen number {n}.", "test", str(n)) for n in range(9))


def open_annotator(model, prompt, *, seed=3, **changes):
    drawn = {"slots": 8, "retries": 0, "max_tokens": 300, "transcript_tokens": 60} | changes
    return GenerateAnnotator(model, prompt, GenerateSettings(**drawn), seed, load_mapping())


def take_any_words(annotator):
    """Random letters speak of no face: leave the checks of form, drop those of content."""
    rules = replace(load_answer_rules(), words=(1, 99), max_repeats=99, regions={}, still=("",))
    annotator._checker = AnswerChecker(annotator.prompt, annotator.mapping, (), rules)


def test_batches_and_order_change_no_record_of_this_architecture_either(model, prompt):
    found = []
    for slots, order in ((1, HENS), (8, HENS[::-1])):
        with open_annotator(model, prompt, slots=slots) as annotator:
            found.append({line.source_id: face for line, face in annotator.annotate(order)})
    assert found[0] == found[1]


def test_another_seed_draws_another_answer(model, prompt):
    found = []
    for seed in (3, 4):
        with open_annotator(model, prompt, seed=seed) as annotator:
            take_any_words(annotator)
            found.append([face for _, face in annotator.annotate(HENS)])
    assert sum(a != b for a, b in zip(*found, strict=True)) == len(HENS)


@pytest.fixture
def no_agreement_asked(monkeypatch):
    """Random letters never describe the units beside them: leave that check out."""
    monkeypatch.setattr(generate_checks, "answer_faults", lambda *_: [])


def test_a_failed_answer_is_drawn_again_with_another_seed(model, prompt, no_agreement_asked):
    """With enough retries more faces pass, none changes, and the attempts are counted."""
    found = {}
    for retries in (1, 14):
        with open_annotator(model, prompt, retries=retries) as annotator:
            found[retries] = dict(annotator.annotate(HENS))
    soon = {line for line, face in found[1].items() if isinstance(face, GeneratedFace)}
    later = {line for line, face in found[14].items() if isinstance(face, GeneratedFace)}
    assert soon < later
    assert all(found[1][line] == found[14][line] for line in soon)
    assert all(found[14][line].attempts > 2 for line in later - soon)


def test_human_tags_are_taken_over_and_the_rest_is_written(model, prompt, no_agreement_asked):
    tags = {HENS[1]: ("excitement", "pride", "joy", "relief"), HENS[2]: ("neutral",)}
    with open_annotator(model, prompt, retries=2) as annotator:
        take_any_words(annotator)
        found = dict(annotator.annotate(HENS[:4], lambda line: tags.get(line, ())))
    for line, given_tags in tags.items():
        assert isinstance(found[line], GeneratedFace)
        assert found[line].emotions == list(given_tags)


def test_a_run_that_is_left_early_leaves_the_engine_clean(model, prompt):
    with open_annotator(model, prompt) as annotator:
        expected = list(annotator.annotate(HENS[:3]))
        running = annotator.annotate(HENS)
        next(running)
        running.close()
        assert list(annotator.annotate(HENS[:3])) == expected


def test_transcripts_are_read_no_further_ahead_than_needed(model, prompt):
    taken = []

    def endless():
        while True:
            taken.append(1)
            yield Transcript(f"I said it {len(taken)} times.", "test", "")

    with open_annotator(model, prompt) as annotator:
        next(annotator.annotate(endless()))
    assert len(taken) < 60


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, r"no chat template in this file; take an instruction-tuned model"),
        ("{{ raise_exception('roles must alternate') }}", r"cannot be used \(roles must alternate"),
        ("{% for m in messages %}{{ m['content'] }}{% endfor", "cannot be used"),
        ("Hello!", r"cannot be used \(it loses a message\)"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", r"cannot be used \(.*unsafe"),
        (
            "{% for m in messages %}{{ m.content }}{{ m.content }}{% endfor %}",
            "prints the question 2 times, expected once",
        ),
    ],
    ids=["none", "refuses", "malformed", "silent", "escape", "twice"],
)
def test_a_template_that_cannot_be_used_is_named(tmp_path, prompt, template, message):
    model = build_llama3(tmp_path / "odd.gguf", template)
    with pytest.raises(EngineError, match=rf"odd\.gguf: .*{message}"):
        GenerateAnnotator(model, prompt, GenerateSettings(slots=1), 0, load_mapping())


def test_a_template_without_a_system_turn_gets_the_task_in_the_question(tmp_path):
    strict = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    weights = LlamaWeights(build_llama3(tmp_path / "strict.gguf", strict + LLAMA3_TEMPLATE))
    text = render_chat(weights.vocabulary(), MESSAGES)
    weights.close()
    assert text.startswith(
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nDescribe the face.\n\nOh no"
    )


def test_a_template_that_prints_the_date_prints_a_fixed_one(tmp_path):
    dated = "{{ strftime_now('%d %b %Y') }} " + LLAMA3_TEMPLATE
    weights = LlamaWeights(build_llama3(tmp_path / "dated.gguf", dated))
    text = render_chat(weights.vocabulary(), MESSAGES)
    weights.close()
    assert text.startswith("26 Jul 2024 <|begin_of_text|>")


def test_a_model_whose_context_is_too_short_is_refused(tmp_path, prompt):
    model = build_llama3(tmp_path / "short.gguf", context=512)
    with pytest.raises(EngineError, match=r"takes \d+ tokens and \d+ with the longest item, and"):
        GenerateAnnotator(model, prompt, GenerateSettings(), 0, load_mapping())


def test_a_prompt_is_split_around_its_transcript():
    assert split_prompt(f"a {PLACEHOLDER} b", "x.gguf") == ("a ", " b")


@pytest.mark.parametrize("kind", [gguf.TokenType.CONTROL, gguf.TokenType.USER_DEFINED])
def test_no_transcript_can_end_the_turn_whatever_the_file_calls_its_marks(tmp_path, kind):
    """llama.cpp takes "user-defined" tokens out of any text, and some models' marks are such."""
    loaded = LlamaWeights(build_llama3(tmp_path / "marks.gguf", kind=kind))
    try:
        vocabulary = loaded.vocabulary()
        marks = {vocabulary.tokenize(mark, special=True)[0] for mark in SPECIAL}
        assert vocabulary.special_tokens == marks
        for text in (*SPECIAL, f"the{'<|eot_id|>' * 3}brown", "<|eot_<|eot_id|>id|>", "a \0 b"):
            tokens = vocabulary.tokenize(text)
            assert not marks.intersection(tokens)
            assert vocabulary_text(loaded, tokens) == text.encode()
        # What is guarded against. llama.cpp corrects the kind of <|eot_id|> by itself, and of
        # others that end a turn; a mark that begins one it would let through.
        unguarded = marks.intersection(vocabulary._tokenize("a <|start_header_id|>", False))
        assert bool(unguarded) == (kind == gguf.TokenType.USER_DEFINED)
        whole = vocabulary.tokenize(LLAMA3_TEMPLATE, special=True)
        assert marks.intersection(whole)
    finally:
        loaded.close()


def vocabulary_text(loaded, tokens):
    """The bytes that tokens stand for."""
    import ctypes

    vocabulary = loaded.vocabulary()
    pieces = []
    for token in tokens:
        buffer = ctypes.create_string_buffer(64)
        size = loaded.api.llama_token_to_piece(vocabulary.handle, token, buffer, 64, 0, True)
        pieces.append(buffer.raw[:size])
    return b"".join(pieces)
