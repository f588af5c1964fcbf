"""What the mapping refuses, and that each message says what to do."""

import json
from pathlib import Path
from types import MappingProxyType

import pytest

import countenance.au_mapping
from countenance.au_mapping import ActionUnit, load_mapping
from countenance.errors import ActionUnitError, CountenanceError, TableError

V1 = Path(countenance.au_mapping.__file__).parent / "tables" / "v1.json"


@pytest.fixture
def write_table(tmp_path):
    """Write v1 with one change, and give the path of the file."""

    def write(change, name="mine"):
        document = json.loads(V1.read_text(encoding="utf-8"))
        document["version"] = name
        change(document)
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(document), encoding="utf-8")
        return path

    return write


def refused(units, name="v1"):
    with pytest.raises(ActionUnitError) as caught:
        load_mapping(name).to_blendshapes(units)
    assert isinstance(caught.value, CountenanceError)
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_unit_that_the_extended_table_has_points_there():
    assert refused(["AUL46B"]) == (
        "AU46 (Wink) is not in table 'v1'; use load_mapping(\"extended\"), which has it"
    )


def test_a_unit_that_no_table_has_says_why_and_lists_those_there_are():
    message = refused(["AU12", "AU51"], "extended")
    assert message.startswith(
        "AU51 (Head Turn Left) is not in table 'extended' (head pose has no ARKit blendshape); "
        "it has AU1, AU2, AU4"
    )
    assert message.endswith("AU66, MS")


def test_a_side_on_a_unit_without_sides():
    assert refused(["AUL1B"]) == (
        "AUL1B (Inner Brow Raiser) has no sides in table 'v1': write AU1B"
    )


def test_a_missing_side():
    assert refused(["AU30C"], "extended") == (
        "AU30C (Jaw Sideways) needs a side: write AUL30C or AUR30C"
    )
    assert "write LMS or RMS" in refused(["MS"], "extended")


@pytest.mark.parametrize(
    ("units", "message"),
    [
        ("AU12", r"expected a list of action units, found str 'AU12'; write for example \["),
        (ActionUnit(12), r"expected a list of action units, found ActionUnit 'AU12'"),
        ({"AU12": 0.5}, r"expected a list of action units, found dict .*0\.5.*letters A to E"),
        (MappingProxyType({"AU12": 0.5}), r"expected a list of action units, found mappingproxy"),
        ({}, r"expected a list of action units, found dict '\{\}'"),
        (b"AU12", r"expected a list of action units, found bytes"),
        (None, r"expected a list of action units, found NoneType"),
        (12, r"expected a list of action units, found int"),
        ([12], r"not an action unit: 12 is not text"),
        ([["AU12"]], r"not an action unit: .*unhashable"),
        (["AU12", "grin"], r"not an action unit: 'grin'"),
    ],
)
def test_what_is_no_list_of_units(units, message):
    with pytest.raises(ActionUnitError, match=message):
        load_mapping().to_blendshapes(units)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ([["AU12"], ["AU99"]], r"list 1: unknown action unit 'AU99'"),
        (
            [["AU12"]] * 9000 + [["AU1", "AUL1"]],
            r"list 9000: AUL1 \(Inner Brow Raiser\) has no sides",
        ),
        ([["AU12"], "12"], r"list 1: expected a list of action units, found str '12'"),
        ([["AU12"], {"AU12": 0.5}], r"list 1: expected a list of action units, found dict"),
        (
            {"smile": ["AU12"]},
            r"expected lists of action units, found dict .*write for example \[\[",
        ),
        ("AU12", r"expected lists of action units, found str 'AU12'"),
        ([None], r"list 0: expected a list of action units, found NoneType"),
        ([[["AU12"]]], r"list 0: not an action unit: .*unhashable"),
        (["AU12", "AU6"], r"list 0: expected a list of action units, found str 'AU12'"),
    ],
)
def test_a_batch_names_the_list_at_fault(lists, message):
    with pytest.raises(ActionUnitError, match=message):
        load_mapping().to_blendshapes_batch(lists)


@pytest.mark.parametrize("ask", ["info", "shapes_of"])
def test_questions_about_unknown_units(ask):
    with pytest.raises(ActionUnitError, match=r"AU61 .* is not in table 'v1'"):
        getattr(load_mapping(), ask)("AU61")
    with pytest.raises(ActionUnitError, match=r"not an action unit: 'smile'"):
        getattr(load_mapping(), ask)("smile")


def test_mirror_refuses_a_mapping():
    with pytest.raises(ActionUnitError, match="expected a list of action units, found dict"):
        load_mapping().mirror({"AU12": 0.5})


def test_mirror_checks_its_units():
    with pytest.raises(ActionUnitError, match=r"AU61 .* is not in table 'v1'"):
        load_mapping().mirror(["AU12", "AU61"])


@pytest.mark.parametrize("name", ["v2", "", "facs-v1", "arkit-51", "V1"])
def test_an_unknown_table_lists_the_known_ones(name):
    with pytest.raises(TableError, match=rf"unknown AU table '{name}'; known tables: extended, v1"):
        load_mapping(name)


def test_a_table_of_ones_own_is_loaded_by_path(write_table):
    path = write_table(lambda document: document["action_units"].pop())
    for given in (path, str(path)):
        mapping = load_mapping(given)
        assert (mapping.version, len(mapping.action_units)) == ("mine", 25)


def test_a_table_without_rules_takes_the_plain_maximum(write_table):
    mapping = load_mapping(write_table(lambda document: document["rules"].clear()))
    shown = mapping.to_blendshapes(["AU5", "AU43"])
    assert shown[0] == pytest.approx(1.0)
    assert shown[6] == pytest.approx(0.9)
    assert (mapping.to_blendshapes_batch([["AU5", "AU43"]])[0] == shown).all()
    assert [str(unit) for unit in mapping.to_action_units(shown)] == ["AU5E", "AU43E"]


def test_a_packaged_table_of_another_kind_is_no_mapping():
    with pytest.raises(TableError, match=r"facs-v1\.json: kind: 'au-mapping' was expected"):
        load_mapping(V1.with_name("facs-v1.json"))


def test_a_missing_file(tmp_path):
    with pytest.raises(TableError, match=r"none\.json: cannot be read: No such file"):
        load_mapping(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"mine\.json: is not JSON: line 1 column 2: "),
        (b"[1]", r"mine\.json: is not a table: expected a JSON object"),
        (b'{"a": NaN}', r"mine\.json: is not a table: NaN is not a number"),
        (b'{"a": 1, "a": 2}', r"mine\.json: is not a table: the key 'a' stands twice"),
        (b"[" * 100_000, r"mine\.json: is not a table: "),
        (b"\xff\xfe", r"mine\.json: is not UTF-8 text \(byte 0\)"),
        (
            b"{}",
            r"mine\.json: top level: '\w+' is a required property",
        ),
    ],
)
def test_a_file_that_is_no_table(tmp_path, content, message):
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(TableError, match=message):
        load_mapping(path)


def set_at(*steps, value):
    def change(document):
        *way, last = steps
        for step in way:
            document = document[step]
        document[last] = value

    return change


def delete_at(*steps):
    def change(document):
        *way, last = steps
        for step in way:
            document = document[step]
        del document[last]

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            set_at("action_units", 3, "weights", "eyeWideLeft", value=1.5),
            r"action_units\[3\]\.weights\.eyeWideLeft: 1\.5 is greater than the maximum of 1",
        ),
        (
            set_at("action_units", 0, "weights", "browInnerUp", value=0),
            r"action_units\[0\]\.weights\.browInnerUp: 0 is less than or equal to the minimum",
        ),
        (delete_at("action_units", 1, "reason"), r"action_units\[1\]: 'reason' is a required"),
        (
            set_at("action_units", 1, "sides", value="left"),
            r"action_units\[1\]\.sides: 'left' is not",
        ),
        (set_at("colour", value="red"), r"top level: .*'colour' was unexpected"),
        (set_at("version", value="other"), r"version: 'other' must equal the file's stem 'mine'"),
        (
            set_at("action_units", 0, "code", value="99"),
            r"action_units\[0\]\.code: '99' is not in facs",
        ),
        (
            set_at("action_units", 1, "code", value="1"),
            r"action_units\[1\]\.code: '1' stands twice",
        ),
        (
            set_at("action_units", 0, "weights", value={"browUp": 0.7}),
            r"action_units\[0\]\.weights: 'browUp' is not one of the 51",
        ),
        (
            set_at("action_units", 8, "weights", "mouthSmileLeft", value=0.8),
            r"action_units\[8\]\.weights: left and right must mirror each other",
        ),
        (
            set_at("action_units", 0, "sides", value="optional"),
            r"action_units\[0\]\.sides: 'optional' needs shapes that all have a side, browInnerUp",
        ),
        (
            set_at("action_units", 0, "mirror", value="AU62"),
            r"action_units\[0\]\.mirror: 'AU62' is not in the table",
        ),
        (
            set_at("action_units", 0, "source", value=["hearsay"]),
            r"action_units\[0\]\.source: 'hearsay' is not explained under sources",
        ),
        (set_at("rules", 0, "source", value=["hearsay"]), r"rules\[0\]\.source: 'hearsay' is not"),
        (set_at("rules", 0, "keep", value=-1), r"rules\[0\]\.keep: -1 is less than the minimum"),
        (delete_at("rules", 0, "keep"), r"rules\[0\]: 'keep' is a required property"),
        (set_at("rules", 0, "share", value=1), r"rules\[0\]: Unevaluated .*'share' was unexpected"),
        (set_at("rules", 0, "to", value=0.0), r"rules\[0\]\.to: 0\.0 must be above from, 0\.0"),
        (set_at("rules", 0, "kind", value="forbid"), r"rules\[0\]\.kind: 'forbid' is not one of"),
        (set_at("rules", 1, "id", value="smile-against-frown"), r"rules\[5\]\.id: .* stands twice"),
        (
            set_at("rules", 1, "pairs", value=[["eyeWideLeft", "eyeBlinkLeft"]]),
            r"rules\[1\]\.pairs: the mirror of eyeWideLeft, eyeBlinkLeft is missing",
        ),
        (
            set_at("rules", 1, "pairs", value=[["eyeWide", "eyeBlink"]]),
            r"rules\[1\]\.pairs: 'eyeWide' is not one of the 51",
        ),
        (
            set_at("blendshapes", 0, value="eyeBlinkBoth"),
            r"blendshapes: must be the 51 names of arkit",
        ),
        (set_at("blendshapes", value=["jawOpen"]), r"blendshapes: \['jawOpen'\] is too short"),
        (set_at("action_units", value="none"), r"action_units: 'none' is not of type 'array'"),
    ],
)
def test_a_malformed_table_names_the_file_and_the_field(write_table, change, message):
    path = write_table(change)
    with pytest.raises(TableError, match=message) as caught:
        load_mapping(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_long_offending_value_does_not_flood_the_message(write_table):
    path = write_table(set_at("description", value=["x" * 50] * 500))
    with pytest.raises(TableError, match=r"description: breaks the rule type: string") as caught:
        load_mapping(path)
    assert len(str(caught.value)) < 400
