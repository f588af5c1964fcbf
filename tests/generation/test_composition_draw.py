"""Drawing action units: seeded, mixed, moved by strength, and within the co-occurrence rules."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.errors import ActionUnitError, TableError
from countenance.generation.composition import draw_action_units, load_emotion_table, load_emotions
from countenance.generation.emotion_table import EMOTION_TABLE, LETTERS

NAMES = [emotion.name for emotion in load_emotions()]
FELT = [name for name in NAMES if name != "neutral"]
DRAWS = 400

seeds = st.integers(0, 2**32)
strengths = st.floats(0.0, 1.0)
emotion_lists = st.lists(st.sampled_from(NAMES), min_size=1, max_size=5, unique=True)


def draw(emotions, strength=0.5, seed=0):
    return draw_action_units(emotions, strength, np.random.default_rng(seed))


def many(emotions, strength=0.5, count=DRAWS):
    return [draw(emotions, strength, [7, number]) for number in range(count)]


def share(faces, unit):
    return sum(any(au.id == unit for au in face) for face in faces) / len(faces)


@given(emotion_lists, strengths, seeds)
@settings(max_examples=150, deadline=None)
def test_same_state_of_the_generator_same_units(emotions, strength, seed):
    assert draw(emotions, strength, seed) == draw(emotions, strength, seed)


@given(emotion_lists, strengths, seeds)
@settings(max_examples=300, deadline=None)
def test_units_are_sorted_distinct_and_lettered(emotions, strength, seed):
    face = draw(emotions, strength, seed)
    numbers = [int(au.code) for au in face]
    assert numbers == sorted(set(numbers))
    assert all(au.intensity for au in face)
    rows = load_emotion_table().emotions
    assert len(face) <= max(rows[emotion].max_action_units for emotion in emotions) <= 7


@given(emotion_lists, strengths, seeds)
@settings(max_examples=500, deadline=None)
def test_rules_hold(emotions, strength, seed):
    table = load_emotion_table()
    face = {au.id: au for au in draw(emotions, strength, seed)}

    def at_least(unit, letter):
        return unit in face and face[unit].intensity >= letter

    for first, second in table.exclusions:
        assert not (first in face and second in face), (first, second)
    for rule in table.rules["require"]:
        assert rule["adds"] in face or not at_least(rule["action_unit"], rule["minimum"]), rule
    for rule in table.rules["drop"]:
        assert not at_least(rule["action_unit"], rule["minimum"]) or not face.keys() & rule["drops"]
    for rule in table.rules["cap"]:
        if all(unit in face for unit in rule["action_units"]):
            assert all(face[unit].intensity <= rule["cap"] for unit in rule["action_units"])
    for rule in table.rules["soften"]:
        if not set(rule["unless"]) & set(emotions):
            for one in face.keys() & rule["first"]:
                for other in face.keys() & rule["second"]:
                    letters = [LETTERS.index(face[unit].intensity) for unit in (one, other)]
                    assert LETTERS[min(letters)] <= rule["cap"]
                    # A far weaker opponent is not seen, where the rule lets it go at all.
                    assert rule["keep"] == 1.0 or max(letters) - min(letters) < 2
    for rule in table.rules["one_sided"]:
        if rule["action_unit"] in face and face[rule["action_unit"]].side:
            assert not face.keys() & rule["drops"]


@pytest.mark.parametrize("emotion", FELT)
def test_a_felt_emotion_always_shows(emotion):
    for strength in (0.0, 0.5, 1.0):
        assert all(many([emotion], strength, 60))


@pytest.mark.parametrize("emotion", ["desire", "relief"])
def test_the_rules_take_the_core_from_few_faces(emotion):
    # At strength 0.5 the log odds do not move, so the table's own probabilities name the core.
    table = load_emotion_table()
    rows = table.emotions[emotion].candidates
    least = table.core_share * max(row.probability for row in rows)
    core = {row.action_unit for row in rows if row.probability >= least}
    bare = [not core & {au.id for au in face} for face in many([emotion], count=1000)]
    assert 0.0 < np.mean(bare) < 0.05


def test_neutral_is_mostly_empty_and_at_most_a_trace():
    faces = many(["neutral"], 1.0)
    assert sum(not face for face in faces) > 0.6 * DRAWS
    assert all(len(face) <= 1 and all(au.intensity == "A" for au in face) for face in faces)


@pytest.mark.parametrize("emotion", FELT)
def test_strength_raises_the_intensity_steadily_and_by_much(emotion):
    totals = [
        np.mean([sum(au.value for au in face) for face in many([emotion], strength)])
        for strength in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert totals == sorted(totals)
    assert totals[-1] > 2 * totals[0]


@pytest.mark.parametrize("emotion", FELT)
def test_strength_moves_the_number_of_units_less_than_their_intensity(emotion):
    weak, strong = many([emotion], 0.0), many([emotion], 1.0)
    letters = [np.mean([au.value for face in faces for au in face]) for faces in (weak, strong)]
    numbers = [np.mean([len(face) for face in faces]) for faces in (weak, strong)]
    assert numbers[0] < numbers[1]
    assert letters[1] / letters[0] > numbers[1] / numbers[0]


def test_frequencies_follow_the_table():
    faces = many(["anger"])
    assert share(faces, "AU4") == pytest.approx(0.95, abs=0.04)
    assert share(faces, "AU17") == pytest.approx(0.52, abs=0.07)


def test_the_inner_and_the_outer_brow_rise_together():
    faces = [{au.id for au in face} for face in many(["surprise"])]
    assert all(("AU1" in face) == ("AU2" in face) for face in faces)


def test_cheeks_rise_with_the_strength_of_the_smile():
    faces = [{au.id: au.intensity for au in face} for s in (0.1, 0.9) for face in many(["joy"], s)]
    by_letter = {
        wide: np.mean(["AU6" in face for face in faces if (face.get("AU12", "") in "DE") == wide])
        for wide in (False, True)
    }
    assert by_letter[True] > by_letter[False] + 0.15


def test_several_emotions_mix_and_the_first_one_rules():
    joy_first, fear_first = many(["joy", "fear"]), many(["fear", "joy"])
    assert share(joy_first, "AU12") > share(fear_first, "AU12") > 0.3
    assert share(fear_first, "AU20") > share(joy_first, "AU20") > 0.1


def test_tags_that_agree_show_more_surely():
    assert share(many(["caring", "love"]), "AU12") > share(many(["caring"]), "AU12") + 0.1


@given(st.sampled_from(FELT), strengths, seeds)
@settings(max_examples=50, deadline=None)
def test_neutral_beside_another_tag_changes_nothing(emotion, strength, seed):
    alone = draw([emotion], strength, seed)
    assert draw(["neutral", emotion], strength, seed) == alone
    assert draw([emotion, "neutral"], strength, seed) == alone


@pytest.mark.parametrize(
    ("emotions", "first", "second"),
    [
        (["sadness", "joy"], {"AU1", "AU4", "AU15"}, {"AU12"}),
        (["anger", "love"], {"AU4", "AU7", "AU24"}, {"AU12"}),
        (["amusement", "fear"], {"AU12"}, {"AU1", "AU4", "AU5"}),
        (["disgust", "joy"], {"AU9", "AU10"}, {"AU12", "AU25"}),
    ],
)
def test_opposed_tags_blend(emotions, first, second):
    faces = [{au.id for au in face} for face in many(emotions, 0.7)]
    assert np.mean([bool(face & first) for face in faces]) > 0.9
    assert np.mean([bool(face & first) and bool(face & second) for face in faces]) > 0.2
    assert max(map(len, faces)) <= 7


def test_no_cheek_rises_without_a_smile_where_all_tags_are_pleasant():
    pleasant = {emotion.name for emotion in load_emotions() if emotion.ekman == "joy"}
    for emotion in sorted(pleasant):
        for face in many([emotion, "joy"], count=100):
            shown = {au.id for au in face}
            assert "AU6" not in shown or "AU12" in shown, (emotion, shown)


@pytest.mark.parametrize("emotion", FELT)
def test_a_slight_cue_stays_below_extreme_at_any_strength(emotion):
    typical = {
        row.action_unit: row.letter for row in load_emotion_table().emotions[emotion].candidates
    }
    brought = {rule["adds"] for rule in load_emotion_table().rules["require"]}
    for au in (au for face in many([emotion], 1.0, 100) for au in face):
        if au.id not in brought:
            assert LETTERS.index(au.intensity) + 1 - typical[au.id] <= 2


def test_strength_is_seen_in_the_intensities_of_any_tag_set():
    rng, strengths_drawn, means = np.random.default_rng(3), [], []
    for _ in range(1500):
        tags = rng.choice(FELT, size=rng.integers(1, 6), replace=False).tolist()
        strengths_drawn.append(rng.random())
        face = draw_action_units(tags, strengths_drawn[-1], rng)
        means.append(np.mean([au.value for au in face]))
    assert np.corrcoef(strengths_drawn, means)[0, 1] > 0.5


def test_the_first_table_still_draws():
    assert EMOTION_TABLE != "emotion_action_units-v1"
    table = load_emotion_table("emotion_action_units-v1")
    assert draw_action_units(["joy"], 0.5, np.random.default_rng(0), table)


def test_contempt_and_doubt_are_often_one_sided():
    for emotion, unit in (("disapproval", "AU14"), ("confusion", "AU2")):
        sides = [au.side for face in many([emotion]) for au in face if au.id == unit]
        assert 0.35 < np.mean([side is not None for side in sides]) < 0.75
        assert {"L", "R"} < set(sides)


def test_only_units_with_one_sided_rows_are_ever_one_sided():
    sided = {au.id for name in NAMES for face in many([name], count=60) for au in face if au.side}
    assert sided <= {"AU2", "AU10", "AU12", "AU14"}


def test_one_face_is_crooked_to_one_side_only():
    for face in many(["disapproval"]):
        assert len({au.side for au in face if au.side}) <= 1


@pytest.mark.parametrize(
    ("emotions", "message"),
    [
        (["boredom"], "unknown emotion 'boredom': table emotion_action_units-v2 has admiration,"),
        ([], "no emotion given: expected at least one, 'neutral' for a face at rest"),
    ],
)
def test_bad_emotions_are_refused(emotions, message):
    with pytest.raises(TableError, match=message):
        draw(emotions)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_outside_the_unit_interval_is_refused(strength):
    with pytest.raises(ActionUnitError, match=rf"strength {strength} is outside \[0, 1\]"):
        draw(["joy"], strength)
