"""A chat model in this process that answers what llama_cpp.server would, bit for bit.

That server turns a request into one call of ``Llama.create_chat_completion``. Here the same call is
made without the network between: the same chat template, the same grammar made of the JSON schema,
the same sampler with the same seed. What the server fills in for arguments that we do not send
(penalties of 0, no mirostat, no stop words) is what the call itself takes by default.

``Llama`` keeps the keys and values of the last conversation and decodes only what differs in the
next, so that what was asked before decides how many rows llama.cpp decodes at once; it picks its
kernels, and rounds, by that number. So every token is decoded alone (``n_batch`` of 1), here and in
a server that shall give equal answers: an answer then depends on its request and on nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from jinja2 import TemplateError

from ..errors import EngineError
from .chat_model import ChatAnswer, ChatError
from .chat_template import Message
from .llama_log import first_error, silence_llama_cpp
from .model_files import GgufModel
from .server_dialects import DIALECTS, Dialect

CONTEXT_TOKENS = 4096
_TODAY = "strftime_now"  # what templates of chats call for the date
_TOO_LONG = "exceed context window"  # in the words of llama-cpp-python


class LocalChat:
    """A GGUF model, asked one conversation after the other.

    Args:
        file: The resolved model file.
        gpu_layers: Layers to offload where llama.cpp was built for a GPU.
        threads: CPU threads; the answers do not depend on them.

    Raises:
        EngineError: The file is not a model that llama.cpp can load, it has no chat template or
            one that prints the day, or memory ran out.
    """

    kind = "engine"

    def __init__(self, file: GgufModel, *, gpu_layers: int = 0, threads: int = 1) -> None:
        import llama_cpp

        self.place = str(file.path)
        self._build = f"llama-cpp-python-{llama_cpp.__version__}-gpu{gpu_layers}"
        load = partial(_load, self.place, gpu_layers, threads)
        self._llama = load(CONTEXT_TOKENS)
        longest = llama_cpp.llama_model_n_ctx_train(self._llama.model)
        if longest < CONTEXT_TOKENS:
            self._llama.close()
            self._llama = load(longest)
        if fault := _template_fault(self._llama.metadata.get("tokenizer.chat_template")):
            self._llama.close()
            raise EngineError(f"{self.place}: {fault}")

    async def open(self) -> Dialect:
        """It is there since it was loaded, and llama.cpp keeps to a schema."""
        return DIALECTS[0]

    def identity(self) -> dict[str, Any]:
        """The build, and the context, which decides which item is too long."""
        return {
            "engine": "llama-cpp-chat",
            "build": self._build,
            "context_tokens": self._llama.n_ctx(),
        }

    async def ask(
        self,
        messages: Sequence[Message],
        options: Mapping[str, Any],
        extra: Mapping[str, Any],
        *,
        retries: int | None = None,
    ) -> ChatAnswer:
        """Answer one conversation; see ``ChatModel``. Nothing is lost on the way here.

        It holds the event loop up until it has the answer: there is nothing else to wait for, and
        a worker thread of its own would keep a process from ending that forgot to close this.

        Raises:
            ChatError: It does not fit the context, or llama.cpp failed.
        """
        arguments = {**options, **extra}
        arguments.pop("repetition_penalty", None)  # vLLM's word for repeat_penalty
        try:
            data = self._llama.create_chat_completion(messages=list(messages), **arguments)
        except (ValueError, TemplateError) as error:  # what was asked cannot be answered
            code = "context_length_exceeded" if _TOO_LONG in str(error) else ""
            raise ChatError(_line(error), 400, code, passing=False) from None
        except RuntimeError as error:  # llama_decode
            raise ChatError(_line(error), 500, "", passing=True) from None
        except Exception as error:  # a template is a program, and may raise what it likes
            line = f"its chat template failed ({type(error).__name__}: {_line(error)})"
            raise ChatError(line, 400, "", passing=False) from None
        choice = data["choices"][0]
        return ChatAnswer(
            text=choice["message"]["content"] or "",
            finished=choice["finish_reason"] != "length",
        )

    async def close(self) -> None:
        """Free the model."""
        self._llama.close()


def _load(path: str, gpu_layers: int, threads: int, context: int) -> Any:  # noqa: ANN401 - untyped
    import llama_cpp

    silence_llama_cpp()
    try:
        return llama_cpp.Llama(
            path,
            n_gpu_layers=gpu_layers,
            n_ctx=context,
            n_batch=1,
            n_ubatch=1,
            n_threads=threads,
            n_threads_batch=threads,
            flash_attn=False,
            verbose=False,
        )
    except ValueError:
        raise EngineError(
            f"{path}: llama.cpp cannot open this model with {context} tokens ({first_error()}); "
            "give a complete GGUF file of an architecture that it knows, or free memory"
        ) from None
    except TemplateError as error:
        raise EngineError(
            f"{path}: its chat template cannot be used ({_line(error)}); take an instruction-tuned "
            "model"
        ) from None


def _template_fault(template: str | None) -> str:
    if template is None:
        return (
            "no chat template in this file; take an instruction-tuned model, for example Llama 3 "
            "8B Instruct"
        )
    if _TODAY in template:
        return (
            "its chat template prints today's date, so that records would depend on the day; take "
            "--engine llama-cpp, which has one date, or another model"
        )
    return ""


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
