"""From emotions to a face in words: the seeded half of the annotation strategy ``score``.

``draw_action_units`` draws the action units of a face from its emotions; ``compose_description``
says in one sentence what the face shows. Both take a numpy generator and nothing else random: with
``np.random.default_rng([run_seed, item_number])`` an item is the same in any batch.

``describes`` and ``face_fault`` check a record's description and emotions against its action units.
"""

from .action_unit_draw import draw_action_units
from .clause_planning import Unit
from .composition_checks import describes, face_fault, read_description
from .description import compose_description, plan_description
from .description_text import Clause, DescriptionPlan, render_description
from .emotion_table import EmotionTable, load_emotion_table
from .phrase_reading import load_phrases
from .phrases import PhraseTable, Surface, Wording
from .tables_reading import Emotion, load_emotions

__all__ = [
    "Clause",
    "DescriptionPlan",
    "Emotion",
    "EmotionTable",
    "PhraseTable",
    "Surface",
    "Unit",
    "Wording",
    "compose_description",
    "describes",
    "draw_action_units",
    "face_fault",
    "load_emotion_table",
    "load_emotions",
    "load_phrases",
    "plan_description",
    "read_description",
    "render_description",
]
