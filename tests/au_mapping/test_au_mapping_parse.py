"""How an action unit is written and read, and what its intensity is worth."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countenance.au_mapping import FACS_CODES, FULL_INTENSITY, INTENSITIES, ActionUnit
from countenance.errors import ActionUnitError

units = st.builds(
    ActionUnit,
    code=st.sampled_from(sorted(FACS_CODES)),
    intensity=st.sampled_from([None, *INTENSITIES]),
    side=st.sampled_from([None, "L", "R"]),
)


@pytest.mark.parametrize(
    ("text", "canonical", "code", "side", "intensity"),
    [
        ("AU12", "AU12", "12", None, None),
        ("AU12B", "AU12B", "12", None, "B"),
        ("AUL12B", "AUL12B", "12", "L", "B"),
        ("L12B", "AUL12B", "12", "L", "B"),
        ("12", "AU12", "12", None, None),
        ("R14", "AUR14", "14", "R", None),
        ("AD29", "AU29", "29", None, None),
        ("ADL30E", "AUL30E", "30", "L", "E"),
        ("AU06", "AU6", "6", None, None),
        ("aul12b", "AUL12B", "12", "L", "B"),
        ("LMS", "LMS", "MS", "L", None),
        ("rmse", "RMSE", "MS", "R", "E"),
        ("AUR4", "AUR4", "4", "R", None),
    ],
)
def test_text_is_read_and_printed_in_canonical_form(text, canonical, code, side, intensity):
    unit = ActionUnit.parse(text)
    assert (unit.code, unit.side, unit.intensity) == (code, side, intensity)
    assert str(unit) == canonical
    assert ActionUnit.parse(canonical) == unit


@given(units)
@settings(deadline=None)
def test_printing_and_parsing_are_inverse(unit):
    assert ActionUnit.parse(str(unit)) == unit
    assert ActionUnit.parse(str(unit).lower()) == unit


@given(st.text(max_size=12))
@settings(max_examples=300, deadline=None)
def test_any_text_either_parses_or_is_refused_in_one_line(text):
    message = None
    try:
        unit = ActionUnit.parse(text)
    except ActionUnitError as error:
        message = str(error)
    if message is None:
        assert ActionUnit.parse(str(unit)) == unit
    else:
        assert len(message.splitlines()) == 1


def test_an_action_unit_is_a_value():
    unit = ActionUnit("12", "B", "L")
    assert unit == ActionUnit(12, "B", "L")
    assert len({unit, ActionUnit.parse("L12B")}) == 1
    assert unit.id == "AU12"
    assert ActionUnit("MS", side="L").id == "MS"
    with pytest.raises(dataclasses.FrozenInstanceError):
        unit.code = "6"


def test_intensities_are_fixed_and_rise_from_a_to_e():
    assert dict(INTENSITIES) == {"A": 0.10, "B": 0.30, "C": 0.55, "D": 0.80, "E": 1.0}
    values = [ActionUnit("12", letter).value for letter in "ABCDE"]
    assert values == sorted(set(values))
    assert values[-1] <= ActionUnit("12").value == FULL_INTENSITY == 1.0


def test_intensities_cannot_be_changed():
    with pytest.raises(TypeError):
        INTENSITIES["A"] = 0.5


@pytest.mark.parametrize(
    "text",
    ["", "smile", "AU", "AU 12", " AU12", "AU12BB", "AUX12", "AULR12", "12.5", "AU12-B", "ML"],
)
def test_what_is_no_action_unit_says_how_to_write_one(text):
    with pytest.raises(ActionUnitError, match=r"not an action unit: .*; write for example AU12"):
        ActionUnit.parse(text)


@pytest.mark.parametrize("value", [12, None, 1.5, b"AU12", ["AU12"]])
def test_what_is_not_text_is_refused(value):
    with pytest.raises(ActionUnitError, match=r"not an action unit: .* is not text"):
        ActionUnit.parse(value)


@pytest.mark.parametrize(
    ("text", "number"), [("AU99", "99"), ("AU3", "3"), ("0", "0"), ("AU123", "123")]
)
def test_a_number_that_facs_does_not_have_lists_those_it_has(text, number):
    with pytest.raises(
        ActionUnitError,
        match=rf"unknown action unit '{text}': FACS has no number {number}; .* 4-46",
    ):
        ActionUnit.parse(text)


@pytest.mark.parametrize("text", ["AU12F", "12L", "au6z"])
def test_a_bad_letter_names_the_letters(text):
    with pytest.raises(
        ActionUnitError, match=r"bad intensity letter '[FLZ]' in .* A \(trace\) to E"
    ):
        ActionUnit.parse(text)


def test_long_text_is_shortened_in_the_message():
    with pytest.raises(ActionUnitError) as caught:
        ActionUnit.parse("x" * 10_000)
    assert len(str(caught.value)) < 150


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (("99",), "'99' is not the number of a FACS action unit"),
        (("12", "F"), "bad intensity letter 'F' in '12'"),
        (("12", "b"), "bad intensity letter 'b'"),
        (("12", None, "left"), "bad side 'left': expected 'L', 'R' or None"),
    ],
)
def test_the_constructor_refuses_nonsense(fields, message):
    with pytest.raises(ActionUnitError, match=message):
        ActionUnit(*fields)
