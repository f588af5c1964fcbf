"""`countenance build` states what was measured beside the run, and nothing else."""

import json
import shutil
import sys

import pytest

from countenance import cli
from countenance.generation import read_manifest, read_records
from countenance.viewer.review import Review, Sample, draw_sample

NOTE = "a private remark"


@pytest.fixture
def run(sample_run, tmp_path):
    """A copy of the finished sample run."""
    return shutil.copytree(sample_run, tmp_path / "run")


@pytest.fixture
def build(run, tmp_path, monkeypatch, capsys):
    """Build the run without cues; gives (exit status, stderr, the dataset folder)."""

    def building():
        out = tmp_path / "dataset"
        arguments = ["build", str(run), "--out", str(out), "--no-cues", "--reviewer", "Two cats"]
        monkeypatch.setattr(sys, "argv", ["countenance", *arguments])
        status = 0
        try:
            cli.main()
        except SystemExit as stop:
            status = stop.code
        return status, capsys.readouterr().err, out

    return building


def review(run, items, judged):
    sample = Sample(items, 4)
    drawn = draw_sample(read_records(run), sample)
    with Review(drawn, run / "review.jsonl", sample) as opened:
        for number, item in enumerate(drawn[:judged]):
            for relation in ("t-e", "e-au", "d-au"):
                change = {"id": item["id"], "relation": relation, "verdict": "accept"}
                if number == 0 and relation == "t-e":
                    change |= {"verdict": "reject", "reason": "wrong-tag", "note": NOTE}
                opened.judge(change)


def test_a_finished_review_stands_in_the_card_without_its_notes(run, build):
    review(run, items=4, judged=4)
    status, _, out = build()
    assert status == 0
    card = (out / "README.md").read_text("utf-8")
    assert "Two cats looked at 4 items" in card
    assert "| t-e | 3 | 1 | 0.75 |" in card
    assert "| all three | 3 | 1 |" in card
    assert not any(NOTE in path.read_text("utf-8") for path in out.glob("*.*"))


def test_an_unfinished_review_stops_the_build(run, build):
    review(run, items=4, judged=3)
    status, err, out = build()
    assert status == 1
    assert "3 of 4 items are reviewed in full; finish 'countenance review" in err
    assert not out.exists()


def scored(run, **changes):
    identity = read_manifest(run)["identity"]
    names = ("annotator", "tagger", "strategy", "prompt_version", "mapping_version")
    tags, units = (
        {"micro_f1": 0.41, "macro_f1": 0.33},
        {"micro_f1": 0.5, "within_one_letter_f1": 0.4},
    )
    row = {"items": 112, "tags": tags, "action_units": units}
    return {
        "half": "test",
        "rows": {"annotator": row, "commonest tag and face": row},
        **{name: identity[name] for name in names},
        **changes,
    }


def test_the_score_on_the_reference_set_stands_in_the_card(run, build):
    (run / "reference.json").write_text(json.dumps(scored(run)))
    _, _, out = build()
    assert "| annotator | 112 | 0.41 | 0.33 | 0.5 | 0.4 |" in (out / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"half": "train"}, "of half train, which is not this run's"),
        ({"tagger": "llm"}, "of tagger llm, which is not this run's"),
        ({"rows": {}}, "not what 'countenance reference --json' prints"),
    ],
)
def test_a_score_that_is_not_of_this_annotator_stops_the_build(run, build, changes, message):
    (run / "reference.json").write_text(json.dumps(scored(run, **changes)))
    status, err, out = build()
    assert status == 1
    assert message in err
    assert not out.exists()


def test_a_record_that_contradicts_itself_is_set_aside_with_the_reason(run, build, monkeypatch):
    from countenance.dataset_script import items

    first = next(read_records(run))["id"]
    monkeypatch.setattr(
        items,
        "content_faults",
        lambda record, *_, **__: ["tags: joy with AU15"] if record["id"] == first else [],
    )
    _, _, out = build()
    lines = (out / "set_aside.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"id": first, "reason": "tags: joy with AU15"}]
    statistics = json.loads((out / "stats.json").read_text("utf-8"))
    assert statistics["set_aside"] == {"tags": 1}
    assert statistics["items"] == 59
    assert "by reason: tags 1." in (out / "README.md").read_text("utf-8")
