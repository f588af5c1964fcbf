"""What is fuzzed: readers of files and texts that other people write.

A target takes bytes and gives back whether they were accepted. An error of the family in
``countenance.errors`` is a refusal; any other exception escapes, and is a defect. What is accepted
must also hold what the reader promises, so each target ends with a few assertions.
"""

import math
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from json_mutator import as_text

from countenance.au_mapping import ActionUnit, load_mapping, load_target
from countenance.cards.render import read_training_facts
from countenance.dataset_script.verify_files import read_front_matter
from countenance.errors import CountenanceError, in_one_line
from countenance.generation import read_manifest, read_run_statistics
from countenance.generation.annotation_config import parse_settings
from countenance.generation.corpora import CorpusSpec, parse_corpus_option, read_corpora
from countenance.generation.emotion_table import load_emotion_table
from countenance.generation.generate_checks import load_answer_rules
from countenance.generation.generate_prompt import GeneratePrompt
from countenance.generation.head import DESCRIPTION, HEADS, WEIGHTS, CalibrationHead
from countenance.generation.run_files import read_records
from countenance.generation.scoring import ScorePrompt
from countenance.generation.tables_reading import load_emotions
from countenance.model.checkpoint import load_model
from countenance.model.configuration_countenance import ExpressionConfig
from countenance.model.lexicon import _read as read_lexicon
from countenance.model.modeling_countenance import ExpressionModel
from countenance.model.training_config import TrainingConfig
from countenance.viewer.export_head import parse_head
from countenance.viewer.review_verdicts import read_verdicts

Target = Callable[[bytes], bool]
SEEDS = Path(__file__).parent / "seeds"
STEM = "fuzz-v1"
_TINY = {
    "model_type": "countenance",
    **dict.fromkeys(("hidden_size", "intermediate_size", "latent_size"), 8),
    **{"num_hidden_layers": 1, "num_attention_heads": 2, "expression_size": 3},
}
CORPUS_KINDS = (
    *("text", "csv", "tsv", "jsonl", "parquet"),
    *("go_emotions", "tweet_intensity", "isear", "meld", "samples"),
)
PROMPT_KINDS = ("generate_checks", "generate", "score", "emotions", "emotion_action_units")

_folder = Path(tempfile.mkdtemp(prefix="countenance-fuzz-"))


def remove_folder() -> None:
    """Remove the files that the targets wrote."""
    shutil.rmtree(_folder, ignore_errors=True)


def action_units(data: bytes) -> bool:
    """One action unit, and a list of them, as text."""
    text = as_text(data)
    mapping = load_mapping("extended")
    try:
        unit = ActionUnit.parse(text)
        assert ActionUnit.parse(str(unit)) == unit
        assert 0 < unit.value <= 1
    except CountenanceError as error:
        _one_line(error)
    units = text.split(",")
    weights = mapping.to_blendshapes(units)
    assert weights.shape == (51,)
    assert bool(((weights >= 0) & (weights <= 1)).all())
    assert np.array_equal(mapping.to_blendshapes_batch([units, []])[0], weights)
    mapping.mirror(units)
    return True


def mapping_tables(data: bytes) -> bool:
    """A table of action units, or of another rig's controls."""
    path = _write(f"{STEM}.json", data)
    try:
        target = load_target(path)
    except CountenanceError as error:
        _one_line(error)
    else:
        assert np.isfinite(target.apply(np.full((1, 51), 0.5))).all()
        return True
    mapping = load_mapping(path)
    units = [
        f"AUL{name[2:]}" if mapping.info(name).side_required else name
        for name in mapping.action_units
    ]
    for face in (mapping.to_blendshapes(units), *(mapping.to_blendshapes([u]) for u in units)):
        assert bool(((face >= 0) & (face <= 1)).all())
    mapping.to_action_units(mapping.to_blendshapes(units[:1]))
    return True


def corpora_readers(data: bytes) -> bool:
    """A corpus file of any kind; the first line names the kind."""
    kind, _, content = data.partition(b"\n")
    name = kind.decode("ascii", "replace")
    if name == "option":
        parse_corpus_option(as_text(content))
        return True
    if name not in CORPUS_KINDS:
        name = CORPUS_KINDS[sum(kind) % len(CORPUS_KINDS)]
    reading = read_corpora([CorpusSpec(name, _write("corpus", content))])
    for counts in reading.counts.values():
        assert counts.read == counts.kept + sum(counts.dropped.values())
    for transcript in reading.transcripts:
        transcript.text.encode("utf-8")
        transcript.source_id.encode("utf-8")
        assert transcript.text.isprintable() or " " not in transcript.text.split()
        assert not any(character in transcript.text for character in "\n\r\t\0\x1b")
    return True


def prompt_files(data: bytes) -> bool:
    """A prompt or a table of the annotators; the first line names the kind."""
    kind, _, content = data.partition(b"\n")
    name = kind.decode("ascii", "replace")
    path = _write(f"{name if name in PROMPT_KINDS else PROMPT_KINDS[0]}-v9.json", content)
    mapping = load_mapping("v1")
    if kind == b"generate":
        prompt = GeneratePrompt.load(path)
        messages = prompt.messages(mapping)
        assert messages[-1]["role"] == "user"
        prompt.schema(mapping)
    elif kind == b"score":
        ScorePrompt.load(str(path)).digest()
    elif kind == b"emotions":
        assert load_emotions.__wrapped__(path)
    elif kind == b"emotion_action_units":
        load_emotion_table.__wrapped__(path)
    else:
        load_answer_rules.__wrapped__(path)
    return True


def config_files(data: bytes) -> bool:
    """A preset, a checkpoint's configuration, a lexicon, a head, a run's files, a verdict file."""
    kind, _, content = data.partition(b"\n")
    readers: dict[bytes, Target] = {
        b"preset": _preset,
        b"checkpoint": _checkpoint,
        b"lexicon": _lexicon,
        b"head": _head,
        b"run": _run,
        b"verdicts": _verdicts,
        b"settings": _settings,
        b"gltf": _gltf,
        b"card": _card,
    }
    known = sorted(readers)
    return readers.get(kind, readers[known[sum(kind) % len(known)]])(content)


def _preset(content: bytes) -> bool:
    config = TrainingConfig.from_preset(_write("preset.json", content))
    assert math.isfinite(config.learning_rate)
    assert config.to_dict()["batch_size"] > 0
    return True


def _checkpoint(content: bytes) -> bool:
    folder = _folder / "checkpoint"
    if not folder.exists():
        ExpressionModel(ExpressionConfig.from_dict(dict(_TINY))).save_pretrained(folder)
    _write("checkpoint/config.json", content)
    load_model(folder, with_text_encoder=False)
    _write("checkpoint/metrics.json", content)
    _write("checkpoint/training_config.json", content)
    read_training_facts(folder)
    return True


def _lexicon(content: bytes) -> bool:
    read_lexicon.__wrapped__(_write(f"{STEM}.json", content))
    return True


def _head(content: bytes) -> bool:
    folder = _folder / "head"
    if not folder.exists():
        folder.mkdir()
        shutil.copy(HEADS / "head-v1" / WEIGHTS, folder)
    _write(f"head/{DESCRIPTION}", content)
    head = CalibrationHead.load(folder)
    width = len(head.tensors["feature_means"])
    assert 0 <= head.strength(np.zeros(width)) <= 1
    assert head.choose_tags(head.tag_probabilities(np.zeros(width)))
    return True


def _run(content: bytes) -> bool:
    manifest, _, lines = content.partition(b"\n\n")
    _write("run/manifest.json", manifest)
    _write("run/parts/part-00000.jsonl", lines)
    _write("run/stats.json", manifest)
    read_manifest(_folder / "run")
    list(read_records(_folder / "run"))
    try:
        read_run_statistics(_folder / "run")
    except CountenanceError as error:
        _one_line(error)
    return True


def _verdicts(content: bytes) -> bool:
    read_verdicts(_write("verdicts.jsonl", content))
    return True


def _settings(content: bytes) -> bool:
    settings = parse_settings(as_text(content).split("\n"))
    assert math.isfinite(settings.temperature)
    return True


def _gltf(content: bytes) -> bool:
    parse_head(content, "head.glb")
    return True


def _card(content: bytes) -> bool:
    _write("dataset/README.md", content)
    assert read_front_matter(_folder / "dataset")["configs"]
    return True


TARGETS: dict[str, Target] = {
    function.__name__: function
    for function in (action_units, mapping_tables, corpora_readers, prompt_files, config_files)
}


def run_target(name: str, data: bytes) -> bool:
    """Whether the target accepted the bytes; what escapes is a defect."""
    try:
        return TARGETS[name](data)
    except CountenanceError as error:
        _one_line(error)
        return False


def _one_line(error: CountenanceError) -> None:
    line = in_one_line(error)
    assert 0 < len(line) <= 1000
    assert line.isprintable()


def _write(name: str, content: bytes) -> Path:
    path = _folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
