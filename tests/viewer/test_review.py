"""The review behind its page: the sample, the verdict file, the counts."""

import errno
import fcntl
import json
import math
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

import countenance
from countenance.errors import ReviewError
from countenance.viewer.review import (
    Review,
    Sample,
    draw_sample,
    fingerprint,
    last_sample,
    load_reasons,
)
from countenance.viewer.review_summary import (
    description_phrases,
    summary_text,
    wilson_interval,
)
from countenance.viewer.review_verdicts import RELATIONS, VerdictFile, read_verdicts

SAMPLE = Sample(4, 7)


def item(name, emotions=("joy",), description="A wide smile.", units=("AU12D",), prompt="score-v2"):
    return {
        "id": name,
        "transcript": f"Text of {name}",
        "emotions": list(emotions),
        "strength": None,
        "description": description,
        "action_units": list(units),
        "prompt_version": prompt,
        "mapping_version": "v1",
    }


ITEMS = (item("a"), item("b", ("joy", "pride")), item("c", ("anger",)), item("d"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "review.jsonl"


def judge(review, name, relation, verdict, reason="", note=""):
    change = {"id": name, "relation": relation, "verdict": verdict}
    return review.judge({**change, "reason": reason, "note": note})


# ---- the sample


def test_the_sample_depends_on_the_seed_and_not_on_the_order():
    records = [{"id": f"{number:04x}"} for number in range(300)]
    drawn = draw_sample(records, Sample(100, 5))
    assert draw_sample(records[::-1], Sample(100, 5)) == drawn
    assert draw_sample(iter(records), Sample(100, 6)) != drawn
    assert len({record["id"] for record in drawn}) == 100


@given(st.sets(st.text(max_size=8), max_size=40), st.integers(1, 50), st.integers(1, 50))
def test_a_larger_sample_begins_with_the_smaller_one(names, one, other):
    records = [{"id": name} for name in names]
    small, large = sorted((one, other))
    drawn = draw_sample(records, Sample(large))
    assert draw_sample(records, Sample(small)) == drawn[:small]
    assert len(drawn) == min(large, len(records))


def test_every_record_is_drawn_about_as_often_as_any_other():
    records = [{"id": str(number)} for number in range(20)]
    draws = [
        record["id"] for seed in range(400) for record in draw_sample(records, Sample(5, seed))
    ]
    # 100 expected each, with a standard deviation of 8.7
    assert all(65 < draws.count(record["id"]) < 135 for record in records)


def test_the_reasons_are_few_and_each_relation_has_its_own_key():
    relations = load_reasons()
    assert tuple(relation["id"] for relation in relations) == RELATIONS
    keys = [relation["key"] for relation in relations]
    assert len(set(keys)) == 3
    assert not set(keys) & set("arnugs")  # what the other keys do
    for relation in relations:
        names = [reason["id"] for reason in relation["reasons"]]
        assert len(names) == len(set(names)) <= 9
        assert names[-1] == "other"


# ---- the verdict file


def test_each_verdict_is_a_line_that_says_what_was_judged(path):
    with Review(ITEMS, path, SAMPLE) as review:
        judge(review, "a", "t-e", "accept")
        judge(review, "b", "d-au", "reject", "wrong-side", " the other corner ")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["accept", "reject"]
    expected = {"id": "b", "relation": "d-au", "reason": "wrong-side", "note": "the other corner"}
    assert expected.items() <= lines[1].items()
    assert {"seed": 7, "items": 4, "fingerprint": fingerprint(ITEMS[1])}.items() <= lines[1].items()
    assert lines[1]["time"].endswith("+00:00")
    assert last_sample(path) == SAMPLE


def test_the_last_verdict_wins_and_a_review_goes_on_where_it_stopped(path):
    with Review(ITEMS, path, SAMPLE) as review:
        for relation in RELATIONS:
            judge(review, "a", relation, "accept")
        judge(review, "a", "e-au", "reject", "unlikely-face")
        judge(review, "b", "t-e", "accept")
        judge(review, "b", "t-e", "open")
        assert review.state()["first"] == 1
    with Review(ITEMS, path, SAMPLE) as review:
        state = review.state()
    assert state["first"] == 1
    assert state["verdicts"]["a"]["e-au"] == {
        "verdict": "reject",
        "reason": "unlikely-face",
        "note": "",
    }
    assert state["verdicts"]["b"]["t-e"]["verdict"] == "open"
    assert len(path.read_text().splitlines()) == 6


@given(st.text(max_size=60))
def test_any_note_comes_back_as_it_was(tmp_path_factory, note):
    path = tmp_path_factory.mktemp("notes") / "review.jsonl"
    with Review(ITEMS, path, SAMPLE) as review:
        judge(review, "a", "t-e", "reject", "other", note)
    with Review(ITEMS, path, SAMPLE) as review:
        assert review.verdicts["a", "t-e"]["note"] == note.strip()


def test_a_line_that_a_kill_cut_short_costs_that_line_only(path):
    with Review(ITEMS, path, SAMPLE) as review:
        judge(review, "a", "t-e", "accept")
        judge(review, "b", "t-e", "accept")
    path.write_bytes(path.read_bytes()[:-30])
    with Review(ITEMS, path, SAMPLE) as review:
        assert set(review.verdicts) == {("a", "t-e")}
        judge(review, "c", "t-e", "accept")
    with Review(ITEMS, path, SAMPLE, read_only=True) as review:
        assert set(review.verdicts) == {("a", "t-e"), ("c", "t-e")}
        assert review.summary()["skipped"]["damaged_lines"] == 1
        assert "1 damaged lines skipped" in summary_text(review.summary())
    assert read_verdicts(path).damaged == (2,)


def test_a_verdict_on_another_annotation_of_the_text_does_not_count(path):
    with Review(ITEMS, path, SAMPLE) as review:
        judge(review, "a", "t-e", "accept")
        judge(review, "b", "t-e", "accept")
    changed = [item("a", ("anger",)), *ITEMS[2:]]
    with Review(changed, path, SAMPLE) as review:
        assert review.verdicts == {}
        assert review.skipped == {"other_items": 1, "changed_items": 1, "damaged_lines": 0}


def test_threads_may_judge_at_once(path):
    changes = [(name["id"], relation) for name in ITEMS for relation in RELATIONS] * 10
    with Review(ITEMS, path, SAMPLE) as review, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda change: judge(review, *change, "accept"), changes))
    lines = read_verdicts(path)
    assert (len(lines.verdicts), lines.damaged) == (120, ())


def test_one_review_at_a_time_writes_a_file(path):
    with Review(ITEMS, path, SAMPLE):
        with pytest.raises(ReviewError, match="another 'countenance review' is writing it"):
            Review(ITEMS, path, SAMPLE)
        Review(ITEMS, path, SAMPLE, read_only=True).close()
    Review(ITEMS, path, SAMPLE).close()


def test_a_file_that_cannot_be_locked_is_refused_and_closed(path, monkeypatch):
    def no_locks(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    opened = len(list(Path("/dev/fd").iterdir()))
    message = r"cannot be locked \(No locks available\); choose another --out on a local disk"
    with pytest.raises(ReviewError, match=message):
        Review(ITEMS, path, SAMPLE)
    assert len(list(Path("/dev/fd").iterdir())) == opened


def test_a_verdict_that_comes_after_the_end_is_refused(path):
    with Review(ITEMS, path, SAMPLE) as review:
        pass
    with pytest.raises(ReviewError, match="not saved, the review has ended"):
        judge(review, "a", "t-e", "accept")


def test_a_file_of_something_else_is_refused_and_kept(path):
    path.write_text('{"name": "notes"}\n')
    for read_only in (False, True):
        with pytest.raises(ReviewError, match="row 1 is no verdict of a review"):
            Review(ITEMS, path, SAMPLE, read_only=read_only)
    assert path.read_text() == '{"name": "notes"}\n'


def test_places_that_cannot_hold_the_verdicts_are_named(tmp_path):
    package = Path(countenance.__file__).parent
    for place, message in (
        (package / "review.jsonl", "is inside the package"),
        (package / "viewer" / "review.jsonl", "is inside the package"),
        (package / "generation" / "samples" / "review.jsonl", "is inside the package"),
        (tmp_path, "is a folder"),
        (tmp_path / "missing" / "review.jsonl", "no folder"),
    ):
        with pytest.raises(ReviewError, match=message):
            VerdictFile(place)
    assert not (package / "review.jsonl").exists()
    with pytest.raises(ReviewError, match="cannot be"):
        VerdictFile(Path("/proc/review.jsonl"))


def test_a_full_disk_is_told_and_leaves_the_file_whole(path):
    code = (
        "import json, resource, signal, sys; from pathlib import Path\n"
        "from countenance.errors import ReviewError\n"
        "from countenance.viewer.review_verdicts import VerdictFile\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, resource.RLIM_INFINITY))\n"
        "file = VerdictFile(Path(sys.argv[1]))\n"
        "try:\n"
        "    while True: file.append(json.loads(sys.argv[2]))\n"
        "except ReviewError as error: print(error)"
    )
    verdict = {**dict.fromkeys(("id", "reason", "note", "time", "fingerprint"), "x")}
    verdict |= {"relation": "t-e", "verdict": "accept", "seed": 0, "items": 1}
    command = [sys.executable, "-c", code, str(path), json.dumps(verdict)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert "not saved (File too large); make room" in result.stdout, result.stderr
    lines = read_verdicts(path)
    assert lines.verdicts
    assert (lines.damaged, lines.complete) == ((), True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ([], "expected an object with id, relation"),
        ({"id": "a", "mood": "x"}, "expected an object with id, relation"),
        ({"id": 3}, "every field is text"),
        ({"id": "z"}, "field id: not an item of this review"),
        ({"id": "a", "relation": "e-t"}, "field relation: expected one of t-e, e-au, d-au"),
        ({"id": "a", "relation": "t-e", "verdict": "yes"}, "field verdict: expected one of accept"),
        (
            {"id": "a", "relation": "t-e", "verdict": "reject", "reason": "wrong-side"},
            "field reason: expected one of wrong-tag",
        ),
        (
            {"id": "a", "relation": "t-e", "verdict": "accept", "note": "x"},
            "only a rejection has a reason",
        ),
        (
            {"id": "a", "relation": "t-e", "verdict": "reject", "note": "x" * 1001},
            "field note: more than 1000 characters",
        ),
    ],
)
def test_what_is_no_verdict_is_refused_by_its_field(path, change, message):
    with Review(ITEMS, path, SAMPLE) as review:
        with pytest.raises(ReviewError, match=message):
            review.judge(change)
        assert path.read_bytes() == b""


def test_what_cannot_be_shown_is_named(path):
    with pytest.raises(ReviewError, match="the run holds no record"):
        Review([], path, SAMPLE)
    with pytest.raises(ReviewError, match="item x: field action_units: "):
        Review([item("x", units=("AU99",))], path, SAMPLE)
    with pytest.raises(ReviewError, match="sample: expected 1 item or more, found 0"):
        Sample(0)
    with (
        Review(ITEMS, path, SAMPLE, read_only=True) as review,
        pytest.raises(ReviewError, match="for reading only"),
    ):
        judge(review, "a", "t-e", "accept")
    assert not path.exists()


def test_action_units_are_said_in_words(path):
    records = [item("a", units=("AU4", "AUL12B"))]
    with Review(records, path, SAMPLE) as review:
        assert review.page(0)["units"] == [
            {"code": "AU4", "name": "Brow Lowerer", "degree": "full", "side": "both", "value": 1.0},
            {
                "code": "AUL12B",
                "name": "Lip Corner Puller",
                "degree": "slight",
                "side": "left",
                "value": 0.3,
            },
        ]
        assert "mouthSmileLeft" in review.face(0)
        assert "mouthSmileRight" not in review.face(0)


# ---- the counts


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # as statsmodels' proportion_confint(..., method="wilson") and R's prop.test give them
        (0, 10, 0.0, 0.2775328),
        (7, 10, 0.3967781, 0.8922087),
        (10, 10, 0.7224672, 1.0),
        (81, 100, 0.7222115, 0.8748525),
        (1, 1, 0.2065493, 1.0),
    ],
)
def test_the_interval_is_wilsons(successes, trials, low, high):
    assert wilson_interval(successes, trials) == pytest.approx((low, high), abs=1e-6)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_follows_its_formula(counts):
    successes, trials = counts
    z = NormalDist().inv_cdf(0.975)
    share, scale = successes / trials, 1 + z * z / trials
    middle = (share + z * z / (2 * trials)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2)
    assert wilson_interval(*counts) == pytest.approx((middle - half, middle + half), abs=1e-9)


def test_without_trials_there_is_no_interval():
    assert wilson_interval(0, 0) is None


def test_descriptions_are_cut_into_phrases():
    text = "The lips part, while the inner brows rise and the jaw drops; lips part."
    assert description_phrases(text) == ["lips part", "inner brows rise", "jaw drops"]


def test_the_summary_counts_as_one_would_by_hand(path):
    items = [
        item("a", description="Raised cheeks, and a wide smile."),
        item("b", ("joy", "pride"), "A wide smile and a lifted chin.", prompt="generate-v1"),
        item("c", ("anger",), "Lowered brows."),
        item("d"),
    ]
    with Review(items, path, SAMPLE) as review:
        for name in "abc":
            judge(review, name, "t-e", "accept")
            judge(review, name, "e-au", "accept")
        judge(review, "a", "d-au", "accept")
        judge(review, "b", "t-e", "reject", "wrong-tag", "not proud")
        judge(review, "b", "d-au", "reject", "says-absent")
        judge(review, "d", "t-e", "reject")
        summary = review.summary()
    relations = summary["relations"]
    assert relations["t-e"] == {
        "accepted": 2,
        "rejected": 2,
        "open": 0,
        "rate": 0.5,
        "low": 0.15,
        "high": 0.85,
    }
    assert (relations["e-au"]["accepted"], relations["e-au"]["open"]) == (3, 1)
    assert (relations["d-au"]["rate"], relations["d-au"]["open"]) == (0.5, 2)
    # complete: a (all accepted) and b (not)
    assert summary["complete"] == 2
    assert (relations["all"]["accepted"], relations["all"]["rejected"]) == (1, 1)
    assert summary["tags"]["joy"]["t-e"]["rate"] == round(1 / 3, 4)
    assert summary["tags"]["pride"]["t-e"]["rejected"] == 1
    assert summary["tags"]["anger"]["d-au"] == {
        **{"accepted": 0, "rejected": 0, "open": 1},
        **dict.fromkeys(("rate", "low", "high")),
    }
    assert summary["prompts"]["generate-v1"]["d-au"]["rejected"] == 1
    assert summary["prompts"]["score-v2"]["t-e"]["rejected"] == 1
    wrong_tag = summary["reasons"]["t-e"]["wrong-tag"]
    assert (wrong_tag["count"], wrong_tag["share"]) == (1, 0.25)
    assert summary["reasons"]["t-e"]["none given"]["count"] == 1
    assert summary["phrases"] == [
        {"phrase": "lifted chin", "rejected": 1, "reviewed": 1},
        {"phrase": "wide smile", "rejected": 1, "reviewed": 2},
    ]
    assert [(row["id"], row["relation"]) for row in summary["rejected"]] == [
        ("b", "t-e"),
        ("b", "d-au"),
        ("d", "t-e"),
    ]
    assert "Text of" not in json.dumps(summary)  # no transcript leaves the run through a summary
    text = summary_text(summary)
    assert "2 of 4 items reviewed in full (random sample, seed 7)" in text
    assert "1 of 2  wide smile" in text
    assert "15.0% to 85.0%" in text
