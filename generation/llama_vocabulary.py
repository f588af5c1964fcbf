"""A loaded model's vocabulary: text to tokens and back, and the chat template in its file."""

from __future__ import annotations

import ctypes
import re
from functools import cached_property
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
        tokens = self._tokenize(text, special)
        if special or self.special_tokens.isdisjoint(tokens):
            return tokens
        # llama.cpp keeps control tokens out of plain text, but not those that the model's file
        # declares as "user-defined", which for some models are the turns' own marks. Cut inside its
        # spelling, such a mark is text.
        pieces = self._inside_of_special.sub("\0", text.replace("\0", " ")).split("\0")
        cut = [token for piece in pieces for token in self._tokenize(piece, False)]
        return [token for token in cut if token not in self.special_tokens]

    @cached_property
    def special_tokens(self) -> frozenset[int]:
        """Ids that must never come from untrusted text: control tokens, and marks of the model.

        A user-defined token of blanks alone, as some vocabularies have for indentation, is none.
        """
        api = self._api
        control, own = api.LLAMA_TOKEN_ATTR_CONTROL, api.LLAMA_TOKEN_ATTR_USER_DEFINED
        kinds = {token: api.llama_vocab_get_attr(self.handle, token) for token in range(self.size)}
        return frozenset(
            token
            for token, kind in kinds.items()
            if kind & control or (kind & own and len(self._text(token).strip(" \n\t\u2581")) > 1)
        )

    @cached_property
    def _inside_of_special(self) -> re.Pattern[str]:
        """Finds the place behind the first character of every special token's spelling."""
        spellings = sorted(
            {text for text in map(self._text, self.special_tokens) if len(text) > 1},
            key=len,
            reverse=True,
        )
        inside = "|".join(f"(?<={re.escape(s[0])})(?={re.escape(s[1:])})" for s in spellings)
        return re.compile(inside)

    def _text(self, token: int) -> str:
        """A token as the vocabulary lists it."""
        text = self._api.llama_vocab_get_text(self.handle, token)
        return text.decode("utf-8", "replace") if text else ""

    def _tokenize(self, text: str, special: bool) -> list[int]:
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
