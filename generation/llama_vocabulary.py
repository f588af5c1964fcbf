"""A loaded model's vocabulary: text to tokens and back, and the chat template in its file."""

from __future__ import annotations

import ctypes
from typing import Any

from ..errors import EngineError

_PIECE_ROOM = 512


class LlamaVocabulary:
    """Tokenizer and chat template of one loaded model.

    Args:
        api: The module ``llama_cpp``.
        model: Its handle of the loaded model, which must outlive this object.
        name: The model's file, for error messages.
    """

    def __init__(self, api: Any, model: Any, name: str) -> None:  # noqa: ANN401 - ctypes
        self._api = api
        self._model = model
        self.name = name
        self.handle: Any = api.llama_model_get_vocab(model)
        self.size: int = api.llama_vocab_n_tokens(self.handle)

    def tokenize(self, text: str, *, special: bool = False) -> list[int]:
        """Token ids of ``text``; no beginning-of-text token is added.

        ``special=False`` is for untrusted text: ``<|im_end|>`` in a transcript is spelled out in
        ordinary tokens and can never end the turn. Lone surrogates become ``?``.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (self._api.llama_token * room)()
        count = self._api.llama_tokenize(self.handle, data, len(data), tokens, room, False, special)
        if count < 0:
            raise EngineError(f"{self.name}: the tokenizer failed on a text of {len(data)} B")
        return list(tokens[:count])

    def begin_tokens(self) -> list[int]:
        """The beginning-of-text token where this model's vocabulary asks for one, else nothing."""
        if not self._api.llama_vocab_get_add_bos(self.handle):
            return []
        return [self._api.llama_vocab_bos(self.handle)]

    def bos_text(self) -> str:
        """How the beginning-of-text token is spelled; "" when the vocabulary has none."""
        return self._spelling(self._api.llama_vocab_bos(self.handle))

    def eos_text(self) -> str:
        """How the end-of-text token is spelled; "" when the vocabulary has none."""
        return self._spelling(self._api.llama_vocab_eos(self.handle))

    def chat_template(self) -> str | None:
        """The Jinja chat template in the model's metadata, or None."""
        template = self._api.llama_model_chat_template(self._model, None)
        return template.decode("utf-8", "replace") if template else None

    def training_context(self) -> int:
        """The longest text, in tokens, that the model was trained on."""
        return int(self._api.llama_model_n_ctx_train(self._model))

    def _spelling(self, token: int) -> str:
        if token < 0:
            return ""
        buffer = ctypes.create_string_buffer(_PIECE_ROOM)
        count = self._api.llama_token_to_piece(self.handle, token, buffer, _PIECE_ROOM, 0, True)
        return buffer.raw[: max(count, 0)].decode("utf-8", "replace")
