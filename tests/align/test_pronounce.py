import pytest
from align_cases import read_dictionary

from mmer.align.phones import ARPABET
from mmer.align.pronounce import check_pronunciations, guess_pronunciation
from mmer.errors import AlignmentError


def edit_distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        diagonal, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (x != y))
    return row[-1]


def test_guesses_are_near_the_dictionary():
    """Every 600th word: 0.17 of the phones differ; a guess only has to be near enough to find the word in the sound."""
    errors = total = 0
    for word, phones in read_dictionary()[::600]:
        if word.isalpha():
            guess = guess_pronunciation(word)
            assert set(guess) <= ARPABET
            errors += edit_distance(guess, phones)
            total += len(phones)
    assert total > 1000 and errors / total < 0.22


def test_final_r_is_american():
    assert guess_pronunciation("whisper")[-1] == "ER"


def test_accents_are_read_as_letters():
    assert guess_pronunciation("café") == guess_pronunciation("cafe") != ()


@pytest.mark.parametrize("word", ["пока", "你好", "🙂", "", "'"])
def test_no_latin_letters_have_no_pronunciation(word):
    assert guess_pronunciation(word) == ()


def test_typed_pronunciations_lose_stress_and_case():
    assert check_pronunciations({"Zorblatt": ("z", "AO1", "R", "b")}) == {"zorblatt": ("Z", "AO", "R", "B")}


def test_wrong_phone_is_named():
    with pytest.raises(AlignmentError, match="“QQ” in the pronunciation of “zorblatt” is not an ARPAbet sound"):
        check_pronunciations({"zorblatt": ("Z", "QQ")})


def test_empty_pronunciation_is_named():
    with pytest.raises(AlignmentError, match="pronunciation of “zorblatt” is empty"):
        check_pronunciations({"zorblatt": ()})
