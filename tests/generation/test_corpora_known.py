"""The four known corpora, each in its authors' own form, with sentences written for these tests."""

import pytest

from countenance.errors import CorpusError
from countenance.generation.corpora import CorpusSpec, read_corpora

LABELS = [
    *(
        "admiration",
        "amusement",
        "anger",
        "annoyance",
        "approval",
        "caring",
        "confusion",
        "curiosity",
        "desire",
        "disappointment",
    ),
    *(
        "disapproval",
        "disgust",
        "embarrassment",
        "excitement",
        "fear",
        "gratitude",
        "grief",
        "joy",
        "love",
    ),
    *(
        "nervousness",
        "optimism",
        "pride",
        "realization",
        "relief",
        "remorse",
        "sadness",
        "surprise",
        "neutral",
    ),
]


def read(name, path, **options):
    return read_corpora([CorpusSpec(name, path)], **options)


def dropped(reading):
    (counts,) = reading.counts.values()
    assert counts.read == counts.kept + sum(counts.dropped.values())
    return dict(counts.dropped)


@pytest.fixture
def go_emotions(tmp_path):
    folder = tmp_path / "go_emotions"
    folder.mkdir()
    (folder / "labels.txt").write_text("\n".join(LABELS), encoding="utf-8")
    (folder / "train.tsv").write_text(
        "What a lovely little boat\t0,18\tabc1\n"
        '"He said ""never mind"" and left"\t10\tabc2\n'
        '"Quoted" is how it starts\t27\tabc3\n',
        encoding="utf-8",
    )
    (folder / "dev.tsv").write_text("[NAME] broke my favourite mug\t2\tdev1\n", encoding="utf-8")
    return folder


class TestGoEmotions:
    def test_texts_labels_and_ids(self, go_emotions):
        found = read("go_emotions", go_emotions).transcripts
        assert [(t.text, t.labels, t.source_id) for t in found] == [
            ("[NAME] broke my favourite mug", ("anger",), "dev1"),
            ("What a lovely little boat", ("admiration", "love"), "abc1"),
            ('He said "never mind" and left', ("disapproval",), "abc2"),
            ('"Quoted" is how it starts', ("neutral",), "abc3"),
        ]
        assert {t.source for t in found} == {"go_emotions"}
        assert {t.intensity for t in found} == {None}

    def test_one_file_or_its_folder(self, go_emotions):
        assert len(read("go_emotions", go_emotions / "dev.tsv").transcripts) == 1

    def test_without_a_label_file_the_packaged_order_holds(self, go_emotions):
        with_file = read("go_emotions", go_emotions).transcripts
        (go_emotions / "labels.txt").unlink()
        assert read("go_emotions", go_emotions).transcripts == with_file

    def test_the_label_file_beside_the_texts_decides_the_order(self, go_emotions):
        (go_emotions / "labels.txt").write_text("\n".join(reversed(LABELS)), encoding="utf-8")
        first = read("go_emotions", go_emotions).transcripts[0]
        assert first.labels == ("sadness",)

    def test_a_foreign_label_file_is_refused(self, go_emotions):
        (go_emotions / "labels.txt").write_text("hunger\nthirst\n", encoding="utf-8")
        with pytest.raises(CorpusError, match=r"labels.txt: expected GoEmotions .* found 'hunger'"):
            read("go_emotions", go_emotions)

    @pytest.mark.parametrize("index", ["28", "-1", "x", "", "3,", "1.0", "99999999999", "²"])
    def test_a_label_that_is_none_sets_the_row_aside(self, go_emotions, index):
        with (go_emotions / "dev.tsv").open("a", encoding="utf-8") as file:
            file.write(f"A perfectly fine sentence\t{index}\tdev2\n")
        assert dropped(read("go_emotions", go_emotions)) == {"bad_label": 1}

    def test_wrong_column_counts_and_blank_lines_are_counted(self, go_emotions):
        with (go_emotions / "dev.tsv").open("a", encoding="utf-8") as file:
            file.write("cut off in the mid\nand\tone\ttab\ttoo many\n\n   \n")
        found = dropped(read("go_emotions", go_emotions))
        assert found == {"wrong_columns": 2, "empty": 2}


class TestTweetIntensity:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "anger_train.tsv").write_text(
            "10001\t@someone you ate my lunch &amp; lied\\nagain #fuming\tanger\t0.812\n"
            "10002\tthe queue has not moved at all\tanger\tNONE\n"
            "10003\tno rating in this row\tanger\n"
            "10004\ta rating beyond the scale\tanger\t1.5\n"
            "10005\ta rating that is a word\tanger\tvery\n"
            "10006\ta tag of another kind\thunger\t0.5\n",
            encoding="utf-8",
        )
        (tmp_path / "fear-ratings-0to1.dev.txt").write_text(
            "20001\tThe queue has not moved, at all!\tfear\t0.4\n", encoding="utf-8"
        )
        return tmp_path

    def test_texts_labels_and_intensities(self, folder):
        reading = read("tweet_intensity", folder)
        assert [(t.text, t.labels, t.intensity) for t in reading.transcripts] == [
            ("@user you ate my lunch & lied again #fuming", ("anger",), 0.812),
            ("the queue has not moved at all", ("anger", "fear"), 0.4),
            ("no rating in this row", ("anger",), None),
        ]
        assert dropped(reading) == {"bad_intensity": 2, "bad_label": 1, "duplicate": 1}

    def test_of_two_ratings_the_higher_stays(self, tmp_path):
        (tmp_path / "a.tsv").write_text(
            "1\tsame words for both\tfear\t0.7\n2\tSame words, for both.\tanger\t0.2\n"
        )
        (found,) = read("tweet_intensity", tmp_path).transcripts
        assert (found.labels, found.intensity) == (("fear", "anger"), 0.7)


class TestIsear:
    def write(self, folder, rows, encoding="latin-1"):
        path = folder / "isear.csv"
        path.write_bytes(("emo;txt\r\n" + rows).encode(encoding))
        return path

    def test_stray_marks_at_line_breaks_vanish(self, tmp_path):
        path = self.write(
            tmp_path,
            'joy;"When the letter came and \xe1\nI read it on the \xe1\nstairs. \xe1"\r\n'
            "fear;When the ice began to crack.\r\n"
            'anger;"Somebody had cut\xe1\nthe rope; on purpose."\r\n',
        )
        found = read("isear", path).transcripts
        assert [(t.text, t.labels, t.source_id) for t in found] == [
            ("When the letter came and I read it on the stairs.", ("joy",), "1"),
            ("When the ice began to crack.", ("fear",), "2"),
            ("Somebody had cut the rope; on purpose.", ("anger",), "3"),
        ]

    def test_a_utf8_copy_reads_the_same(self, tmp_path):
        rows = 'joy;"A visit to the caf\xe9 with \xe1\nmy aunt."\r\n'
        latin = read("isear", self.write(tmp_path, rows)).transcripts
        assert read("isear", self.write(tmp_path, rows, "utf-8")).transcripts == latin
        assert latin[0].text == "A visit to the café with my aunt."

    def test_shame_and_guilt_take_the_nearest_go_emotions_names(self, tmp_path):
        path = self.write(
            tmp_path,
            "shame;When I forgot her name on stage.\nguilt;When I took the last seat.\n",
        )
        labels = [t.labels for t in read("isear", path).transcripts]
        assert labels == [("embarrassment",), ("remorse",)]

    @pytest.mark.parametrize(
        "answer",
        [
            "[ No response.]",
            "NO RESPONSE TO THIS",
            "[ No responce given.]",
            "None.",
            "Blank.",
            "[ Never.]",
            "[ Cannot remember one.]",
            "Couldn't think of a situation.",
            "I do not remember any situation like it.",
            "I have never felt this emotion in all my years.",
            "I have not had this feeling yet.",
            "Not applicable to me.",
            "Same as for disgust.",
            'The same event described under "fear".',
        ],
    )
    def test_an_answer_that_is_none_is_counted(self, tmp_path, answer):
        quoted = answer.replace('"', '""')
        path = self.write(tmp_path, f'joy;"{quoted}"\njoy;When the band began to play.\n')
        assert dropped(read("isear", path)) == {"no_response": 1}

    @pytest.mark.parametrize(
        "answer",
        [
            "When I could not remember the words of my own song.",
            "I can't remember the day. But it was the first snow of the year.",
            "No one came to my door all winter.",
            "I have never felt so happy as on that ferry.",
            "Nothing moved in the house, and then a door closed.",
            "Never being asked to dance.",
            "The same event described under fear - the boat and the storm.",
        ],
    )
    def test_an_answer_that_tells_something_stays(self, tmp_path, answer):
        path = self.write(tmp_path, f"fear;{answer}\n")
        assert read("isear", path).transcripts[0].text == answer

    def test_brackets_around_an_account_go(self, tmp_path):
        path = self.write(tmp_path, "joy;[ A walk along the canal.]\n")
        assert read("isear", path).transcripts[0].text == "A walk along the canal."

    def test_another_header_is_refused(self, tmp_path):
        path = tmp_path / "isear.csv"
        path.write_text("Field1,SIT\njoy,When it rained\n")
        with pytest.raises(
            CorpusError,
            match=r"isear.csv: row 1: expected a header with 'emo', 'txt'; found 'Field1",
        ):
            read("isear", path)


class TestMeld:
    HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season\r\n"

    def test_lines_labels_and_ids(self, tmp_path):
        (tmp_path / "dev_sent_emo.csv").write_text(
            self.HEADER
            + '1,"Well, who moved the piano?",Ann,surprise,positive,3,0,1\r\n'
            + "2,It was like this when I came.,Bob,neutral,neutral,3,1,1\r\n"
            + "3,You two owe me a piano.,Ann,hunger,negative,3,2,1\r\n"
            + "4,One, comma too many,Ann,joy,positive,3,3,1\r\n",
            encoding="utf-8",
        )
        reading = read("meld", tmp_path)
        assert [(t.text, t.labels, t.source_id) for t in reading.transcripts] == [
            ("Well, who moved the piano?", ("surprise",), "dev_3_0"),
            ("It was like this when I came.", ("neutral",), "dev_3_1"),
        ]
        assert dropped(reading) == {"bad_label": 1, "wrong_columns": 1}

    @pytest.mark.parametrize("apostrophe", [b"\x92", b"\xc2\x92", b"\xe2\x80\x99"])
    def test_an_apostrophe_of_windows_is_one_however_it_is_encoded(self, tmp_path, apostrophe):
        (tmp_path / "dev_sent_emo.csv").write_bytes(
            self.HEADER.encode()
            + b"1,It"
            + apostrophe
            + b"s nobody else,Ann,sadness,negative,3,0,1\r\n"
        )
        texts = [t.text for t in read("meld", tmp_path).transcripts]
        assert texts == ["It\u2019s nobody else"]

    def test_a_header_without_the_emotion_is_refused(self, tmp_path):
        path = tmp_path / "x_sent_emo.csv"
        path.write_text("Utterance,Speaker\nHello there you,Ann\n")
        with pytest.raises(CorpusError, match="expected a header with 'Utterance', 'Emotion'"):
            read("meld", path)
