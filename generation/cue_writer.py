"""Wording cells: an action unit, or a look, at one strength on one side, several times over."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from random import Random

from ..au_mapping import INTENSITIES, ActionUnit, AUMapping
from ..errors import TableError
from .cue_combinations import Plausibility
from .cue_table import NO_LETTER, CueFrame, CueRow, CueTable
from .cue_text import BOTH, ONE, SIDES, fill_pattern
from .cue_wording import Cue, Voice, codes_of, fill_frame, lines_of

_LETTERS = tuple(INTENSITIES)
# Wordings of a unit's cell in coders' notation and names; the rest is plain English.
_FACS_WORDINGS = 3
_USES = {"set": 0.55, "nominal": 0.25, "act": 0.2}
# Left and right share this much of their wordings, word for word: only the side differs.
_MIRRORED_SHARE = 0.6
# Draws per wanted wording, after which a cell has no more to say.
_TRIES = 40
_WORDS = re.compile(r"[^\W_]+|%")


@dataclass(frozen=True)
class WordedCue:
    """A description with what is known of its wording.

    Attributes:
        description: The text.
        units: What it names, in the mapping's order.
        form: "sentence" or "prompt".
        register: "narration", "direction", "tag", "slang", "facs", "line" or "combination".
        row: Name of the row of the table ("AU12", "smirk"); "" for a drawn combination.
        pattern: The frame, line or join that it was made from.
    """

    description: str
    units: tuple[ActionUnit, ...]
    form: str
    register: str
    row: str
    pattern: str


class CueWriter:
    """Words cells and combinations; no two of its texts have the same words.

    Args:
        mapping: The units that there are, their sides and rules.
        table: The words.
        seed: Seeds every draw; each cell draws on its own.

    Attributes:
        worded: What has been worded so far.
        conflicts: Texts that were drawn again for other units, with both rows' names. A table
            without ambiguous words has none.
    """

    def __init__(self, mapping: AUMapping, table: CueTable, seed: int) -> None:
        self.mapping, self.table, self.seed = mapping, table, seed
        self.worded: list[WordedCue] = []
        self.conflicts: list[tuple[str, str, str]] = []
        self._seen: dict[str, tuple[tuple[ActionUnit, ...], str]] = {}

    def word_rows(self) -> None:
        """Word every unit of the mapping and every look, at each of its letters and sides.

        Raises:
            TableError: A unit has no row, or a cell has no words.
        """
        for unit in self.mapping.action_units:
            if unit not in self.table.units:
                raise TableError(
                    f"table {self.table.version} has no row for {unit}, which mapping "
                    f"{self.mapping.version} has: add one to its action_units"
                )
        units = (self.table.units[unit] for unit in self.mapping.action_units)
        for row in (*units, *self.table.looks):
            for cue in self._cells(row):
                self._word_cell(cue)

    def word_combinations(self, count: int) -> None:
        """Word drawn pairs and triples, one text each."""
        rng = self._rng("combinations")
        draws = Plausibility(self.table, self.mapping).draws(rng)
        wanted = len(self.worded) + count
        while len(self.worded) < wanted:
            units = next(draws)
            join = rng.choices(self.table.joins, [join["weight"] for join in self.table.joins])[0]
            pattern = rng.choice(join["two" if len(units) == 2 else "three"])
            text = self._joined(units, pattern, join["style"], join["form"], rng)
            if text is not None:
                self._add(text, units, join["form"], "combination", "", pattern)

    def _cells(self, row: CueRow) -> Iterator[Cue]:
        known = set(self.mapping.action_units)
        fitting = (units for units in row.units if all(code in known for code, _, _ in units))
        units = next(fitting, None)
        if units is None:
            return
        info = self.mapping.info(units[0][0])
        if row.sided is None:
            both = () if info.side_required else (BOTH,)
            sides = (*both, *((*SIDES, ONE) if info.sides else ()))
        else:
            sides = (*SIDES, ONE) if row.sided else (BOTH,)
        for letter in row.letters:
            for side in sides:
                yield self._cue(row, units, letter, side)

    def _cue(
        self, row: CueRow, units: Sequence[tuple[str, bool, str]], letter: str, side: str
    ) -> Cue:
        named = self.table.unnamed_side if side == ONE else side
        mark = {BOTH: None, "left": "L", "right": "R"}[named]
        built = []
        for code, one_sided, rule in units:
            sided = one_sided or (row.sided is None and self.mapping.info(code).sides)
            number = code.removeprefix("AU")
            built.append(ActionUnit(number, _letter(rule, letter), mark if sided else None))
        ordered = tuple(sorted(built, key=lambda u: self.mapping.action_units.index(u.id)))
        return Cue(row, letter, side, ordered, tuple(self.mapping.info(u) for u in ordered))

    def _word_cell(self, cue: Cue) -> None:
        single = cue.row.sided is None
        wanted = self.table.sizes["single" if single else "look"]
        if cue.side == ONE:
            wanted = max(1, round(wanted * self.table.unnamed_share))
        start = len(self.worded)
        own = self._rng(cue.row.name, cue.letter, cue.side)
        mirrored = own
        if cue.side in SIDES:
            mirrored = self._rng(cue.row.name, cue.letter, "a named side")
        lines = lines_of(cue)
        if cue.side == ONE:
            lines = own.sample(lines, min(len(lines), wanted))
        for line in lines:
            form = "sentence" if re.fullmatch(r"[A-Z].* .*[.?!]", line) else "prompt"
            self._add(line, cue.units, form, "line", cue.row.name, line)
        codes = self.table.frames["facs" if single else "codes"]
        self._draw(cue, codes, len(self.worded) + (_FACS_WORDINGS if single else 1), mirrored)
        shared = start + round(wanted * (_MIRRORED_SHARE if cue.side in SIDES else 1.0))
        self._draw_plain(cue, shared, mirrored)
        self._draw_plain(cue, start + wanted, own)
        if len(self.worded) == start and cue.side != ONE:
            raise TableError(
                f"table {self.table.version} has no words for {cue.row.name}, letter {cue.letter}, "
                f"side {cue.side}: add lines, nominals or sets to its row"
            )

    def _draw_plain(self, cue: Cue, wanted: int, rng: Random) -> None:
        for _ in range(_TRIES * self.table.sizes["single"]):
            if len(self.worded) >= wanted:
                return
            use = rng.choices(tuple(_USES), tuple(_USES.values()))[0]
            self._draw(cue, self.table.frames[use], len(self.worded) + 1, rng, tries=1)

    def _draw(
        self, cue: Cue, frames: Sequence[CueFrame], wanted: int, rng: Random, tries: int = _TRIES
    ) -> None:
        for _ in range(tries):
            if len(self.worded) >= wanted:
                return
            frame = rng.choice(frames)
            text = fill_frame(frame, cue, self._voice(rng), rng)
            if text is not None:
                row = cue.row.name
                self._add(text, cue.units, frame.form, frame.register, row, frame.pattern)

    def _joined(
        self, units: Sequence[ActionUnit], pattern: str, style: str, form: str, rng: Random
    ) -> str | None:
        """The text of a combination, its parts in any order but the codes', or None."""
        voice = self._voice(rng)
        if style == "code":
            codes = codes_of(units, rng)
            return codes and fill_pattern(pattern, lambda name: codes, form)
        parts: dict[str, str] = {"who": voice.who}
        for place, unit in enumerate(rng.sample(list(units), len(units))):
            part = self._part(unit, style, voice, rng)
            if part is None:
                return None
            parts[str(place)] = part
        return fill_pattern(pattern, parts.get, form)

    def _part(self, unit: ActionUnit, style: str, voice: Voice, rng: Random) -> str | None:
        side = {None: BOTH, "L": "left", "R": "right"}[unit.side]
        cue = Cue(
            self.table.units[unit.id],
            unit.intensity or NO_LETTER,
            side,
            (unit,),
            (self.mapping.info(unit),),
        )
        for _ in range(_TRIES):
            text = fill_frame(rng.choice(self.table.fragments[style]), cue, voice, rng)
            if text is not None:
                return text
        return None

    def _add(
        self,
        text: str,
        units: tuple[ActionUnit, ...],
        form: str,
        register: str,
        row: str,
        pattern: str,
    ) -> None:
        """Keep a text unless its words have come before."""
        key = words_of(text)
        known = self._seen.get(key)
        if known is None:
            self._seen[key] = (units, row)
            self.worded.append(WordedCue(text, units, form, register, row, pattern))
        elif known[0] != units:
            self.conflicts.append((text, known[1], row))

    def _voice(self, rng: Random) -> Voice:
        return Voice(*rng.choice(self.table.people))

    def _rng(self, *names: str) -> Random:
        key = "|".join((str(self.seed), *names))
        return Random(int.from_bytes(blake2b(key.encode(), digest_size=8).digest()))


def words_of(text: str) -> str:
    """What tells two texts apart: their words without case and signs, or the signs if no words."""
    return " ".join(_WORDS.findall(text.casefold())) or text


def _letter(rule: str, letter: str) -> str | None:
    """The letter of one unit of a row at a letter: "=" the same, "-" one less, else fixed."""
    given = letter if rule in "=-" else rule
    if rule == "-":
        index = len(_LETTERS) if letter == NO_LETTER else _LETTERS.index(letter)
        given = _LETTERS[max(0, min(index, len(_LETTERS) - 1) - 1)]
    return None if given == NO_LETTER else given
