"""A line is set aside as foreign on strong evidence only. All sentences were written for this."""

from pathlib import Path

import pytest

from countenance.generation.language_check import is_foreign, spoken_part, weigh

ENGLISH = [
    "Aww yay lol",
    "omg lke ikr",
    "Oh la la",
    "noooo way dude",
    "B E N",
    "s p o o k y",
    "ha Ha HA",
    "Blah blah blah",
    "wat u doin m8",
    "gonna hafta skip dat",
    "Joey and Chandler?",
    "Die Hard 2",
    "Nah u mad lol",
    "ugh mondays amirite",
    "GO GO GO!",
    "que sera sera, I guess it is what it is",
    "my abuela makes the best tamales",
    "c'est la vie, what can you do",
    "She said «je ne sais quoi» and I laughed",
    "@user @user http #feliz #navidad",
    "im ded 😂😂😂",
    "luv ya bro",
    "kinda sus ngl",
    "Mr. Schwarzenegger, Ms. Kowalczyk",
    "hmm mmm uh huh",
    "RIP Grandpa Giuseppe",
]
FOREIGN = [
    "No puedo creer que ya sea lunes otra vez",
    "Te quiero mucho, mamá",
    "Estoy muy triste hoy, no quiero hablar con nadie",
    "@user no entiendo nada de lo que dices #lunes",
    "tengo miedo de salir sola de noche http",
    "Je suis tellement content de te voir",
    "C\u2019est vraiment n\u2019importe quoi",
    "Tu me manques beaucoup",
    "on a gagné, je n'y crois pas !",
    "Ich habe solche Angst vor morgen",
    "das macht mich richtig wütend",
    "Mir ist so langweilig",
    "WARUM SIND ALLE SO GEMEIN ZU MIR",
    "Não acredito que isso aconteceu",
    "hoje eu acordei muito feliz",
    "Ninguém me entende nessa casa",
    "Non ci posso credere",
    "ho paura di perdere tutto",
    "Quanto sei bella stasera",
    "Ik heb er zo'n zin in",
    "gefeliciteerd met je verjaardag lieverd",
    "Jag är så trött på det här",
    "Jeg er så glad i dag",
    "Olen niin väsynyt tänään",
    "jestem taki szczęśliwy dzisiaj",
    "Bugün çok mutluyum",
    "aku kangen banget sama kamu",
    "hindi ko alam ang gagawin ko",
    "Nu pot sa cred asa ceva",
    "Nagyon boldog vagyok ma",
    "Nemůžu tomu uvěřit",
    "leo nina furaha sana",
]


@pytest.mark.parametrize("line", ENGLISH)
def test_english_stays_however_it_is_written(line):
    assert not is_foreign(line)


@pytest.mark.parametrize("line", FOREIGN)
def test_plainly_foreign_lines_go(line):
    assert is_foreign(line)


@pytest.mark.parametrize("line", ["Merci beaucoup", "danke", "hola amigos #hola"])
def test_one_or_two_words_are_too_little_evidence(line):
    assert not is_foreign(line)


def test_most_short_lines_in_many_languages_are_found():
    lines = (Path(__file__).parent / "foreign_lines.tsv").read_text("utf-8").splitlines()
    missed = [line for line in lines if not is_foreign(line.split("\t")[1])]
    assert len(lines) == 97
    assert len(missed) <= 5, missed


def test_two_english_words_outweigh_any_detector():
    assert is_foreign("mi hermano quiere mucho dinero")
    assert not is_foreign("mi hermano quiere mucho dinero and that was funny")


def test_only_what_is_said_counts():
    assert spoken_part("Hola @user, 3 #Gatos de [NAME] http ya\u2019ll") == "hola , de ya'll"


def test_the_evidence_is_a_probability():
    evidence = weigh("das macht mich richtig wütend")
    assert evidence.language == "de"
    assert 0.9 < evidence.probability <= 1.0
    assert 0.0 <= evidence.english < 0.01
    assert weigh("").probability < 0.2
