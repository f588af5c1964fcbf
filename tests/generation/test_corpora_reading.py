"""Several corpora in one reading: order, duplicates, limits, and accounts that always add up."""

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from countenance.errors import CorpusError
from countenance.generation.corpora import CorpusSpec, read_corpora
from countenance.generation.transcripts import DropReason, normalise, transcript_id

WORDS = ["amber", "birch", "cedar", "daisy", "ember", "fjord", "grove", "heath", "inlet", "juniper"]


def text_file(path, lines):
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return CorpusSpec("text", path)


def sentences(word, number):
    return [f"{word} stands by the {a} {b}" for a in WORDS for b in WORDS][:number]


def adds_up(reading):
    for counts in reading.counts.values():
        assert counts.read == counts.kept + sum(counts.dropped.values())
        assert all(counts.dropped.values())
    assert len(reading.transcripts) == sum(counts.kept for counts in reading.counts.values())
    return True


def test_transcripts_come_in_the_order_of_the_specs_and_rows(tmp_path):
    one = text_file(tmp_path / "one.txt", sentences("amber", 3))
    two = text_file(tmp_path / "two.txt", sentences("birch", 2))
    reading = read_corpora([two, one])
    expected = sentences("birch", 2) + sentences("amber", 3)
    assert [t.text for t in reading.transcripts] == expected
    assert read_corpora([two, one]) == reading


def test_a_duplicate_in_another_corpus_gives_its_tags_to_the_first(tmp_path):
    first = text_file(tmp_path / "plain.txt", ["Who ate the LAST one?"])
    labelled = tmp_path / "x.tsv"
    labelled.write_text("who ate the last one\t2\ta\nsomething else is here\t17\tb\n")
    reading = read_corpora([first, CorpusSpec("go_emotions", labelled)])
    assert [(t.text, t.source, t.labels) for t in reading.transcripts] == [
        ("Who ate the LAST one?", "text:plain.txt", ("anger",)),
        ("something else is here", "go_emotions", ("joy",)),
    ]
    assert reading.counts_as_dict()["go_emotions"] == {
        "read": 2,
        "kept": 1,
        "dropped": {"duplicate": 1},
    }


def test_near_duplicates_are_one_with_all_tags_and_the_higher_intensity(tmp_path):
    path = tmp_path / "joy_train.tsv"
    path.write_text(
        "1\tthe bus is late again @anna #raging\tanger\t0.4\n"
        "2\tThe bus is late agaaaain\tsadness\t0.7\n"
        "3\tThe bus is late agaaaain!\tfear\t0.1\n"
        "4\tthe bus is never late again\tjoy\t0.5\n"
    )
    reading = read_corpora([CorpusSpec("tweet_intensity", path)])
    assert [(t.text, t.source_id, t.labels, t.intensity) for t in reading.transcripts] == [
        ("the bus is late again @user #raging", "1", ("anger", "sadness", "fear"), 0.7),
        ("the bus is never late again", "4", ("joy",), 0.5),
    ]
    assert reading.counts["tweet_intensity"].dropped == {"near_duplicate": 1, "duplicate": 1}


def test_the_first_stays_though_a_later_near_duplicate_is_longer(tmp_path):
    lines = ["thank you very much", "oh thank you so much", "thank you for nothing"]
    reading = read_corpora([text_file(tmp_path / "x.txt", lines)])
    assert [t.text for t in reading.transcripts] == [lines[0], lines[2]]


def test_foreign_lines_are_counted(tmp_path):
    lines = ["what a long day", "was für ein schöner Tag heute", "aww yay lol"]
    reading = read_corpora([text_file(tmp_path / "x.txt", lines)])
    assert [t.text for t in reading.transcripts] == [lines[0], lines[2]]
    assert reading.counts["text:x.txt"].dropped == {"foreign_language": 1}


def test_a_transcript_names_the_file_that_it_comes_from(tmp_path):
    for name in ("dev", "train"):
        (tmp_path / f"{name}.tsv").write_text(f"my {name} sentence is here\t2\ta\n")
    reading = read_corpora([CorpusSpec("go_emotions", tmp_path)])
    assert [t.part for t in reading.transcripts] == ["dev", "train"]
    assert transcript_id(reading.transcripts[0]) == transcript_id(
        replace(reading.transcripts[0], part="train")
    )


def test_the_same_corpus_twice_adds_nothing(tmp_path):
    spec = text_file(tmp_path / "x.txt", sentences("cedar", 5))
    reading = read_corpora([spec, spec])
    assert reading.counts_as_dict() == {
        "text:x.txt": {"read": 10, "kept": 5, "dropped": {"duplicate": 5}}
    }


def test_a_limit_is_shared_among_the_corpora(tmp_path):
    large = text_file(tmp_path / "large.txt", sentences("daisy", 50))
    small = text_file(tmp_path / "small.txt", sentences("ember", 3))
    reading = read_corpora([large, small], limit=20)
    assert adds_up(reading)
    kept = {source: counts.kept for source, counts in reading.counts.items()}
    assert kept == {"text:large.txt": 17, "text:small.txt": 3}
    texts = [t.text for t in reading.transcripts]
    assert texts == sentences("daisy", 17) + sentences("ember", 3)


def test_a_limit_stops_reading(tmp_path):
    spec = text_file(tmp_path / "x.txt", sentences("fjord", 90))
    assert read_corpora([spec], limit=4).counts["text:x.txt"].read == 4


def test_a_seed_draws_from_the_whole_corpus(tmp_path):
    large = text_file(tmp_path / "large.txt", sentences("grove", 90))
    small = text_file(tmp_path / "small.txt", sentences("heath", 4))
    drawn = read_corpora([large, small], limit=20, seed=1)
    assert adds_up(drawn)
    assert drawn == read_corpora([large, small], limit=20, seed=1)
    assert drawn.transcripts != read_corpora([large, small], limit=20, seed=2).transcripts
    texts = [t.text for t in drawn.transcripts]
    assert len(texts) == 20
    assert texts[16:] == sentences("heath", 4)
    assert texts[:16] == [t for t in sentences("grove", 90) if t in set(texts)]
    assert drawn.counts["text:large.txt"].dropped == {"not_sampled": 74}


def test_every_drop_is_reported_with_file_row_and_reason(tmp_path):
    spec = text_file(
        tmp_path / "x.txt", ["fine little sentence", "no", "", "Fine, little sentence!"]
    )
    dropped = []
    read_corpora([spec], on_drop=dropped.append)
    assert [(d.source, d.file.name, d.row, d.reason) for d in dropped] == [
        ("text:x.txt", "x.txt", 2, DropReason.TOO_SHORT),
        ("text:x.txt", "x.txt", 3, DropReason.EMPTY),
        ("text:x.txt", "x.txt", 4, DropReason.DUPLICATE),
    ]
    assert [(d.text, d.repeats) for d in dropped] == [
        ("", ""),
        ("", ""),
        ("Fine, little sentence!", "fine little sentence"),
    ]


def test_length_limits_can_be_set(tmp_path):
    spec = text_file(
        tmp_path / "x.txt", ["amber birch", "amber birch fir", "amber birch fir heath"]
    )
    reading = read_corpora([spec], min_words=2, max_characters=15)
    assert [t.text for t in reading.transcripts] == ["amber birch", "amber birch fir"]


phrases = st.lists(st.sampled_from(["oh", "wow", "rain", "again", "today"]), min_size=3, max_size=4)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    corpora=st.lists(st.lists(phrases.map(" ".join), min_size=1, max_size=12), min_size=1),
    limit=st.integers(min_value=1, max_value=20),
)
def test_a_larger_limit_only_adds_to_what_a_smaller_one_gives(tmp_path, corpora, limit):
    specs = [text_file(tmp_path / f"{i}.txt", lines) for i, lines in enumerate(corpora)]
    few = read_corpora(specs, limit=limit)
    assert adds_up(few)
    for larger in (limit + 1, limit + 5, None):
        many = read_corpora(specs, limit=larger)
        for spec in specs:
            begun = [t.text for t in few.transcripts if t.source == spec.source]
            texts = [t.text for t in many.transcripts if t.source == spec.source]
            assert texts[: len(begun)] == begun


pieces = [
    *(b"the same old words", b"The same, old words!", b'"open quote here', b'a "b" c d', b"{}"),
    *(b'{"text": "a small json line"}', b"text\tid", b"a b c\t2\tx1", b"7\ta b c\tjoy\t0.4"),
    *(b"joy;what a day it was", b"a,b,c", b'"x y z",1', b"\xff\xfe", b""),
]
lines = st.one_of(
    st.binary(max_size=40),
    st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(pieces),
)
HEADERS = {
    "csv": b"text,id\n",
    "tsv": b"text\tid\n",
    "isear": b"emo;txt\n",
    "meld": b"Utterance,Emotion,Dialogue_ID,Utterance_ID\n",
    "samples": b"id\ttext\temotions\tintensity\n",
}


@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.sampled_from(
        [
            "csv",
            "tsv",
            "isear",
            "meld",
            "samples",
            "jsonl",
            "text",
            "go_emotions",
            "tweet_intensity",
        ]
    ),
    rows=st.lists(lines, max_size=12),
    good=st.sampled_from([b"the same old words", b'{"text": "one two three"}']),
)
def test_whatever_a_file_holds_the_accounts_add_up(tmp_path, name, rows, good):
    path = tmp_path / "corpus"
    path.write_bytes(HEADERS.get(name, b"") + b"\n".join([*rows, good]))
    try:
        reading = read_corpora([CorpusSpec(name, path)], min_words=1)
    except CorpusError:
        return
    assert adds_up(reading)
    keys = [normalise(t.text) for t in reading.transcripts]
    assert len(set(keys)) == len(keys)
    for transcript in reading.transcripts:
        transcript.text.encode("utf-8")
        transcript.source_id.encode("utf-8")
        assert transcript.text
