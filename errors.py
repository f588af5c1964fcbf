"""The one exception family of countenance.

Every room raises a subclass of ``CountenanceError`` for anything that a user can mend: a bad file,
a bad argument, a missing dependency. The message is one line that says what was expected, what was
found, and what to do; where a file is at fault it names the file, the row and the field. ``cli.py``
alone turns these into one line on stderr and exit status 1. Anything else that escapes is a bug.
"""

_LONGEST_LINE = 1000


def in_one_line(error: BaseException) -> str:
    """What an error says, fit for a terminal: one line of at most 1,000 printable characters.

    A message may quote a hostile file. Whatever could move the cursor, turn the text around or hide
    a part of it is spelled out, and the middle of a very long message is left out.
    """
    text = " ".join(str(error).split())
    shown = printable(text)
    if len(shown) > _LONGEST_LINE:
        half = _LONGEST_LINE // 2 - 3
        shown = f"{shown[:half]} ... {shown[-half:]}"
    return shown


def printable(text: str) -> str:
    """The text with its control, direction and other invisible characters written as escapes."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


class CountenanceError(Exception):
    """Base class: the message is one line that a user can act on."""


class ActionUnitError(CountenanceError):
    """An action unit that cannot be parsed, or that the mapping in use does not accept."""


class TableError(CountenanceError):
    """A versioned data file (mapping, phrases, prompts, lexicon, rig) is unknown or malformed."""


class CorpusError(CountenanceError):
    """A corpus cannot be read: missing, truncated, of another format, or without transcripts."""


class EngineError(CountenanceError):
    """A language model cannot be loaded or cannot do what the annotator needs."""


class RunError(CountenanceError):
    """An annotation run folder is unusable: of other settings, locked, damaged or unwritable."""


class DatasetError(CountenanceError):
    """A dataset folder cannot be built, opened or trusted."""


class ModelError(CountenanceError):
    """A checkpoint, a text encoder or a training configuration is unusable."""


class CardError(CountenanceError):
    """A card cannot be rendered because a fact that it states is missing."""


class PublishError(CountenanceError):
    """A dataset or model cannot be pushed to the Hub: a bad name, no right to write, no network."""


class RenderError(CountenanceError):
    """A face or a figure cannot be drawn or written."""


class ExportError(CountenanceError):
    """An expression clip cannot be made, written to a format, or streamed."""


class ReviewError(CountenanceError):
    """A review cannot be opened, served or saved, or a verdict is none that it knows."""


class MissingDependencyError(CountenanceError):
    """An optional package is not installed; the message names the extra that brings it."""
