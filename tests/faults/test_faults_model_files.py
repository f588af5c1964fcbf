"""A model file that cannot do the work is refused in one line, before anything is begun."""

import resource
import shutil
import struct

import pytest
from bench import environment, run

KIBI = 1024


@pytest.fixture(scope="module")
def packaged(warm_cache):
    return next((warm_cache / "models").glob("*.gguf"))


def truncated(size):
    def make(source, target):
        with source.open("rb") as file:
            target.write_bytes(file.read(size if size > 1 else int(source.stat().st_size * size)))

    return make


def changed(*changes):
    """A copy in which bytes are replaced by as many others."""

    def make(source, target):
        shutil.copyfile(source, target)
        with target.open("r+b") as file:
            head = file.read(4 * KIBI * KIBI)
            for old, new in changes:
                assert head.count(old) >= 1
                assert len(old) == len(new)
                file.seek(head.index(old))
                file.write(new)

    return make


def context(length):
    key = b"llama.context_length" + struct.pack("<I", 4)  # a uint32 follows

    def make(source, target):
        with source.open("rb") as file:
            head = file.read(4 * KIBI * KIBI)
        old = head[head.index(key) :][: len(key) + 4]
        changed((old, key + struct.pack("<I", length)))(source, target)

    return make


ARCHITECTURE = b"general.architecture" + struct.pack("<IQ", 8, 5)
TEMPLATE = b"tokenizer.chat_template"
LARGE = ("transcript_tokens=32768", "max_tokens=4096", "slots=4")

FAULTS = {
    "truncated in its first bytes": (truncated(20), "score", (), "cannot load this model"),
    "truncated in its metadata": (truncated(90_000), "score", (), "cannot load this model"),
    "truncated in its weights": (truncated(0.7), "score", (), "cannot load this model"),
    "empty": (truncated(0), "score", (), "not a GGUF model"),
    "a wrong magic": (changed((b"GGUF", b"GGML")), "score", (), "not a GGUF model"),
    "an unknown architecture": (
        changed((ARCHITECTURE + b"llama", ARCHITECTURE + b"lhama")),
        "score",
        (),
        "unknown model architecture: 'lhama'",
    ),
    "too small a context, score": (context(64), "score", (), "reads at most 64 tokens"),
    "too small a context, generate": (context(64), "generate", (), "reads at most 64"),
    "no chat template": (
        changed((TEMPLATE, TEMPLATE[:-1] + b"X")),
        "generate",
        (),
        "no chat template in this file",
    ),
}
QUICK = {"truncated in its metadata", "too small a context, score"}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(f, marks=() if f in QUICK else pytest.mark.slow_fault) for f in FAULTS],
)
@pytest.mark.fault("model file: {fault}")
def test_a_model_file_that_cannot_work_is_one_line(fault, packaged, tmp_path, warm_cache, row):
    make, strategy, settings, words = FAULTS[fault]
    make(packaged, tmp_path / "model.gguf")
    ended = annotate(tmp_path, warm_cache, strategy, settings)
    note(row, ended, words, tmp_path)


@pytest.mark.slow_fault
@pytest.mark.fault("model file: a context larger than memory")
def test_a_context_that_memory_cannot_hold_is_one_line(packaged, tmp_path, warm_cache, row):
    def little_memory():
        resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))

    context(1_048_576)(packaged, tmp_path / "model.gguf")
    ended = annotate(tmp_path, warm_cache, "generate", LARGE, little_memory)
    note(row, ended, "no context of 4 times", tmp_path)


def annotate(folder, cache, strategy, settings, before=None):
    (folder / "lines.txt").write_text("The kettle sang and nobody came.\n")
    arguments = ["annotate", "--corpus", "text=lines.txt", "--model", "model.gguf", "--out", "run"]
    arguments += ["--strategy", strategy]
    for setting in settings:
        arguments += ["--setting", setting]
    return run(arguments, folder, environment(cache), before)


def note(row, ended, words, folder):
    left = {path.name for path in folder.iterdir()} - {"model.gguf", "lines.txt"}
    sound = ended.one_clear_line(words) and not left
    row(1, "one line" if sound else f"{ended.errors[-200:]} {left}")
    assert not left
    assert ended.one_clear_line(words), ended
