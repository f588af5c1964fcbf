"""Many sequences behind one shared prefix, decoded together: the engine of ``generate``.

The prefix is decoded once and copied to every slot. After that each call decodes exactly one token
for every busy slot. This makes an item's logits the same bits whatever happens in the other slots:

* Every slot has its own stream in the KV cache (``kv_unified`` off), so that its cells lie in the
  order of its text, and flash attention reads the cells of that text and no others.
* One token a slot keeps a stream's share of every matrix the same shape, whoever shares the batch,
  and rows come in multiples of four (idle slots fill up), for which llama.cpp's kernels for
  repacked weights round alike.

Forced tokens and the tokens of a newcomer's transcript go through the same calls as drawn ones: a
row that needs no logits costs the same in one long decode as in many shared ones. Measured in
generation/LOG.md. On a GPU the kernels are others, and nothing is promised about bits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import psutil

from ..closing import Closing
from ..errors import EngineError
from .llama_engine import LlamaWeights
from .llama_log import first_error, silence_llama_cpp

MAX_SLOTS = 128
_ROWS_AT_ONCE = 4
_PREFIX_CHUNK = 128
# llama.cpp rounds each stream up to this many cells.
_CELL_BLOCK = 256


class BatchEngine(Closing):
    """One llama.cpp context with a number of slots, each holding the prefix and one item.

    Args:
        weights: The loaded model.
        slots: Items decoded side by side, 1 to 128. Where memory does not suffice for so many,
            fewer are opened (``self.slots``): the answers are the same, only later.
        cells: KV cells of one slot: the longest prefix and item together.
        threads: CPU threads for one decode; the figures do not depend on it.

    Raises:
        EngineError: Memory does not suffice for a single group of four slots.
    """

    def __init__(self, weights: LlamaWeights, *, slots: int, cells: int, threads: int = 1) -> None:
        if not 1 <= slots <= MAX_SLOTS:
            raise EngineError(f"slots: expected 1 to {MAX_SLOTS}, found {slots}")
        self._api = weights.api
        self.file = weights.file
        self.build = weights.build
        self.vocabulary = weights.vocabulary()
        self.cells = -(-cells // _CELL_BLOCK) * _CELL_BLOCK
        streams = -(-slots // _ROWS_AT_ONCE) * _ROWS_AT_ONCE
        self._context, self._streams = self._open(weights, streams, threads)
        self.slots = min(slots, self._streams)
        self._memory = self._api.llama_get_memory(self._context)
        self._batch = self._api.llama_batch_init(max(_PREFIX_CHUNK, self._streams), 0, 1)
        self._prefix_length = 0
        self._lengths = [0] * self._streams

    def _open(self, weights: LlamaWeights, streams: int, threads: int) -> tuple[Any, int]:
        silence_llama_cpp()
        room, cell = psutil.virtual_memory().available, self._bytes_per_cell(weights.handle)
        reason = ""
        while streams >= _ROWS_AT_ONCE:
            # Linux promises memory that it has not got, and kills whoever then uses it.
            if self.cells * streams * cell > room:
                reason = f"{self.cells * streams * cell / 2**30:.1f} GiB, {room / 2**30:.1f} free"
                streams = streams // 2 // _ROWS_AT_ONCE * _ROWS_AT_ONCE
                continue
            parameters = self._api.llama_context_default_params()
            parameters.n_ctx = self.cells * streams
            parameters.n_batch = parameters.n_ubatch = _PREFIX_CHUNK
            parameters.n_seq_max = streams
            parameters.n_threads = parameters.n_threads_batch = threads
            parameters.kv_unified = False
            parameters.flash_attn_type = self._api.LLAMA_FLASH_ATTN_TYPE_ENABLED
            context = self._api.llama_init_from_model(weights.handle, parameters)
            if context:
                return context, streams
            streams = streams // 2 // _ROWS_AT_ONCE * _ROWS_AT_ONCE
        raise EngineError(
            f"{self.file.path}: no context of {_ROWS_AT_ONCE} times {self.cells} tokens "
            f"({reason or first_error()}); free memory, allow fewer tokens, or take a smaller model"
        )

    def _bytes_per_cell(self, model: Any) -> int:  # noqa: ANN401 - ctypes
        """What the keys and values of one token take, in float16, over all layers."""
        heads = max(1, self._api.llama_model_n_head(model))
        width = self._api.llama_model_n_embd(model) // heads
        kept = self._api.llama_model_n_head_kv(model) * width
        return int(2 * 2 * self._api.llama_model_n_layer(model) * kept)

    def close(self) -> None:
        """Free the context; the engine cannot be used afterwards."""
        if self._context:
            self._api.llama_batch_free(self._batch)
            self._api.llama_free(self._context)
        self._context = None

    def room_for_item(self) -> int:
        """How many tokens an item may have behind the current prefix."""
        return self.cells - self._prefix_length

    def set_prefix(self, tokens: Sequence[int]) -> None:
        """Decode the part of the prompt that all items share, and give it to every slot.

        Raises:
            EngineError: The prefix is empty or leaves no room, or llama.cpp failed.
        """
        if not 0 < len(tokens) < self.cells:
            raise EngineError(
                f"a prompt of {len(tokens)} tokens does not fit: 1 to {self.cells - 1} allowed"
            )
        self._api.llama_memory_clear(self._memory, True)
        for start in range(0, len(tokens), _PREFIX_CHUNK):
            chunk = tokens[start : start + _PREFIX_CHUNK]
            self._decode([(0, token, start + index) for index, token in enumerate(chunk)], set())
        for slot in range(1, self._streams):
            self._api.llama_memory_seq_cp(self._memory, 0, slot, -1, -1)
        self._prefix_length = len(tokens)
        self._lengths = [len(tokens)] * self._streams

    def step(self, tokens: Mapping[int, int], wanted: Collection[int]) -> dict[int, np.ndarray]:
        """Decode one token for each busy slot.

        Args:
            tokens: Slot to the next token of its item.
            wanted: Slots whose logits are needed.

        Returns:
            Slot to float32 (vocabulary,), the logits of the token after; valid until the next call.

        Raises:
            EngineError: A slot is full, or llama.cpp failed.
        """
        full = [slot for slot in tokens if self._lengths[slot] >= self.cells]
        if full:
            raise EngineError(f"slot {full[0]} is full: {self.cells} tokens, prompt included")
        rows, idle = self._rows(tokens)
        flagged = self._flagged(rows, wanted)
        self._decode([(slot, tokens.get(slot, 0), self._lengths[slot]) for slot in rows], flagged)
        for slot in tokens:
            self._lengths[slot] += 1
        for slot in idle:
            self._forget(slot, self._lengths[slot])
        return {slot: self._logits(row) for row, slot in enumerate(rows) if slot in wanted}

    def release(self, slot: int) -> None:
        """Forget the slot's item; the prefix stays."""
        self._forget(slot, self._prefix_length)
        self._lengths[slot] = self._prefix_length

    def _forget(self, slot: int, start: int) -> None:
        if not self._api.llama_memory_seq_rm(self._memory, slot, start, -1):
            raise EngineError(
                f"{self.file.path}: this architecture cannot drop the end of a sequence from its "
                "memory; take a transformer model"
            )

    def _rows(self, busy: Collection[int]) -> tuple[list[int], list[int]]:
        """The slots to decode, whole groups of four, and those among them that are idle."""
        groups = sorted({slot // _ROWS_AT_ONCE for slot in busy})
        rows = [group * _ROWS_AT_ONCE + index for group in groups for index in range(_ROWS_AT_ONCE)]
        return rows, [slot for slot in rows if slot not in busy]

    def _flagged(self, rows: Sequence[int], wanted: Collection[int]) -> set[int]:
        """Slots with logits: those wanted, filled up to a multiple of four in every run of slots.

        llama.cpp decodes a run of neighbouring slots in one piece, and behind its last attention
        only the flagged rows.
        """
        flagged = set(wanted)
        cuts = [index for index, (a, b) in enumerate(pairwise(rows), 1) if b != a + 1]
        for start, end in pairwise([0, *cuts, len(rows)]):
            run = rows[start:end]
            others = [slot for slot in run if slot not in flagged]
            flagged.update(others[: -(len(run) - len(others)) % _ROWS_AT_ONCE])
        return flagged

    def _logits(self, row: int) -> np.ndarray:
        pointer = self._api.llama_get_logits_ith(self._context, row)
        return np.ctypeslib.as_array(pointer, shape=(self.vocabulary.size,))

    def _decode(self, rows: Sequence[tuple[int, int, int]], flagged: Collection[int]) -> None:
        """Decode (slot, token, position) rows; those of flagged slots get logits."""
        assert self._context, "the engine is closed"
        batch = self._batch
        batch.n_tokens = len(rows)
        for index, (slot, token, position) in enumerate(rows):
            batch.token[index] = token
            batch.pos[index] = position
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = slot
            batch.logits[index] = slot in flagged
        status = self._api.llama_decode(self._context, batch)
        if status != 0:
            raise EngineError(f"{self.file.path}: llama_decode failed with status {status}")
