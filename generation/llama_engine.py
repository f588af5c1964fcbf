"""One small class around llama.cpp: a shared prompt prefix, and next-token probabilities after it.

llama-cpp-python's high-level ``Llama`` evaluates one prompt at a time and copies every logit row to
Python. Annotation asks the same question of thousands of transcripts, so this class decodes the
question once, keeps its keys and values, and then decodes only the transcript's own tokens.

Each item is decoded alone, directly behind the prefix. Decoding several items in one batch is about
a tenth faster here, but the logits then depend on the batch's composition (llama.cpp picks its
kernels by the number of rows): log-probabilities moved by up to 0.7. Alone, an item's figures are
the same bits in any order, after any resume, with any limit (see generation/LOG.md).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..closing import Closing
from ..errors import EngineError
from .hidden_state import HiddenStateTap
from .llama_log import first_error, silence_llama_cpp
from .llama_vocabulary import LlamaVocabulary
from .model_files import GgufModel


class LlamaWeights:
    """A GGUF model's weights, loaded once and shared by all engines of a process.

    Args:
        file: The resolved model file.
        gpu_layers: Layers to offload where the build has a GPU backend; 0 keeps all on the CPU.

    Raises:
        EngineError: The file is not a model that llama.cpp can load, or memory ran out.
    """

    def __init__(self, file: GgufModel, *, gpu_layers: int = 0) -> None:
        import llama_cpp

        silence_llama_cpp()
        llama_cpp.llama_backend_init()
        self.api = llama_cpp
        self.file = file
        # Another build, or layers on a GPU, rounds differently: part of a run's identity.
        self.build = f"llama-cpp-python-{llama_cpp.__version__}-gpu{gpu_layers}"
        parameters = llama_cpp.llama_model_default_params()
        parameters.n_gpu_layers = gpu_layers
        self.handle: Any = llama_cpp.llama_model_load_from_file(os.fsencode(file.path), parameters)
        if not self.handle:
            raise EngineError(
                f"{file.path}: llama.cpp cannot load this model ({first_error()}); "
                "give a complete GGUF file of an architecture that it knows"
            )

    def vocabulary(self) -> LlamaVocabulary:
        """The model's tokenizer and chat template; not to be used after ``close``."""
        return LlamaVocabulary(self.api, self.handle, str(self.file.path))

    def close(self) -> None:
        """Free the weights; every engine on them must be closed before."""
        if self.handle:
            self.api.llama_model_free(self.handle)
        self.handle = None


class LlamaEngine(Closing):
    """One context over shared weights, with a prompt prefix held in its KV cache.

    An engine belongs to one thread at a time. Several engines, each with one CPU thread, are faster
    than one engine with several threads for a model as small as the packaged one, and far faster on
    a busy machine, where llama.cpp's threads spin while they wait for each other.

    Args:
        weights: The loaded model.
        context_tokens: Size of the KV cache: prefix plus the longest item.
        threads: CPU threads for one decode; the figures do not depend on it.
        hidden_states: Keep what ``last_hidden_state`` gives; changes no probability.

    Raises:
        EngineError: The model was trained on shorter texts, or memory ran out.
    """

    def __init__(
        self,
        weights: LlamaWeights,
        *,
        context_tokens: int = 1024,
        threads: int = 1,
        hidden_states: bool = False,
    ) -> None:
        self._api = weights.api
        self.file = weights.file
        self.build = weights.build
        self.context_tokens = context_tokens
        self.vocabulary = weights.vocabulary()
        longest = self.vocabulary.training_context()
        if longest < context_tokens:
            raise EngineError(
                f"{self.file.path}: the model reads at most {longest} tokens, and the prompt with "
                f"a transcript may take {context_tokens}; take a model with a longer context"
            )
        parameters = self._api.llama_context_default_params()
        parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = context_tokens
        parameters.n_seq_max = 1
        parameters.n_threads = parameters.n_threads_batch = threads
        self.hidden_size: int = self._api.llama_model_n_embd(weights.handle) if hidden_states else 0
        self._tap = HiddenStateTap(self.hidden_size) if hidden_states else None
        if self._tap:
            parameters.cb_eval = self._tap.callback
        self._context: Any = self._api.llama_init_from_model(weights.handle, parameters)
        if not self._context:
            raise EngineError(
                f"{self.file.path}: no context of {context_tokens} tokens ({first_error()}); "
                "free memory or take a smaller model"
            )
        self._memory = self._api.llama_get_memory(self._context)
        self._batch = self._api.llama_batch_init(context_tokens, 0, 1)
        self.vocabulary_size = self.vocabulary.size
        self._prefix_length = 0

    def close(self) -> None:
        """Free the context; the engine cannot be used afterwards."""
        if self._context:
            self._api.llama_batch_free(self._batch)
            self._api.llama_free(self._context)
        self._context = None

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of ``text``; no beginning-of-text token is added.

        ``special=False`` is for untrusted text: ``<|im_end|>`` in a transcript is spelled out in
        ordinary tokens and can never end the turn. Lone surrogates become ``?``.
        """
        return self.vocabulary.tokenize(text, special=special)

    def begin_tokens(self) -> list[int]:
        """The beginning-of-text token where this model's vocabulary asks for one, else nothing."""
        return self.vocabulary.begin_tokens()

    def set_prefix(self, tokens: Sequence[int]) -> None:
        """Decode the part of the prompt that all items share and keep it for later calls.

        Raises:
            EngineError: The prefix leaves no room in the context.
        """
        if len(tokens) >= self.context_tokens:
            raise EngineError(
                f"the prompt takes {len(tokens)} of {self.context_tokens} context tokens; "
                "raise the context size or shorten the prompt"
            )
        self._api.llama_memory_clear(self._memory, True)
        self._prefix_length = 0
        if tokens:
            self._decode(tokens)
        self._prefix_length = len(tokens)

    def room_for_item(self) -> int:
        """How many tokens an item may have behind the current prefix."""
        return self.context_tokens - self._prefix_length

    def next_token_log_probabilities(self, item: Sequence[int]) -> np.ndarray:
        """Log-probabilities of the token that follows prefix + ``item``.

        Args:
            item: 1 to ``room_for_item()`` token ids.

        Returns:
            float64 (vocabulary_size,), natural logarithms; their exponentials sum to 1.

        Raises:
            EngineError: The item does not fit, or llama.cpp failed.
        """
        if not 0 < len(item) <= self.room_for_item():
            raise EngineError(
                f"an item of {len(item)} tokens does not fit: 1 to {self.room_for_item()} allowed"
            )
        if not self._api.llama_memory_seq_rm(self._memory, 0, self._prefix_length, -1):
            raise EngineError(
                f"{self.file.path}: this architecture cannot drop the end of a sequence from its "
                "memory; take a transformer model"
            )
        self._decode(item)
        row = self._api.llama_get_logits_ith(self._context, -1)
        logits = np.ctypeslib.as_array(row, shape=(self.vocabulary_size,)).astype(np.float64)
        logits -= logits.max()
        return logits - np.log(np.exp(logits).sum())

    def last_hidden_state(self) -> np.ndarray:
        """What the model's last layer held where it answered last: the input of its output layer.

        Returns:
            float32 (hidden_size,), after the final normalisation. Behind a question it is a summary
            of the text in the question's light.

        Raises:
            EngineError: The engine was opened without ``hidden_states``, or has decoded nothing.
        """
        if self._tap is None or self._tap.state is None:
            raise EngineError(f"{self.file.path}: no hidden state was kept; ask for hidden_states")
        return self._tap.state

    def _decode(self, tokens: Sequence[int]) -> None:
        assert self._context, "the engine is closed"
        batch, start, count = self._batch, self._prefix_length, len(tokens)
        batch.n_tokens = count
        for index, token in enumerate(tokens):
            batch.token[index] = token
            batch.pos[index] = start + index
            batch.n_seq_id[index] = 1
            batch.seq_id[index][0] = 0
            batch.logits[index] = index == count - 1
        status = self._api.llama_decode(self._context, batch)
        if status != 0:
            raise EngineError(f"{self.file.path}: llama_decode failed with status {status}")
