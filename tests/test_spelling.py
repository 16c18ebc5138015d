"""Written words are found where they stand and said as people say them, whatever the text."""

import random

import pytest

from mmer.spelling import MAX_LETTERS, spell_word, split_words


def say(text):
    return " ".join(s for word in split_words(text) for s in word.spoken)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("21", "twenty one"),
        ("3,000", "three thousand"),
        ("1,234,567", "one million two hundred thirty four thousand five hundred sixty seven"),
        ("0", "zero"),
        ("007", "zero zero seven"),
        ("-5", "minus five"),
        ("3.14", "three point one four"),
        ("0.5", "zero point five"),
        (".5", "zero point five"),
        ("1st 2nd 3rd 21st", "first second third twenty first"),
        ("in 1999", "in nineteen ninety nine"),
        ("1905 2005 2010 2000", "nineteen oh five two thousand five twenty ten two thousand"),
        ("1990s '90s", "nineteen nineties nineties"),
        ("1990-1995", "nineteen ninety to nineteen ninety five"),
        ("5–10", "five to ten"),
        ("555-1234", "five five five one two three four"),
        ("1/2 3/4 2/3", "one half three quarters two thirds"),
        ("24/7", "twenty four seven"),
        ("½", "one half"),
        ("$5 $1 €5 5€ £2 ¥100", "five dollars one dollar five euros five euros two pounds one hundred yen"),
        ("$5.50", "five dollars and fifty cents"),
        ("$0.01", "one cent"),
        ("$5 million", "five million dollars"),
        ("50%", "fifty percent"),
        ("99.9 %", "ninety nine point nine percent"),
        ("10:30 10:05", "ten thirty ten oh five"),
        ("10:00", "ten o'clock"),
        ("10:00 a.m.", "ten a m"),
        ("at 7 pm", "at seven p m"),
        ("10am", "ten a m"),
        ("5kg 1kg 20°C", "five kilograms one kilogram twenty degrees celsius"),
        ("#1", "number one"),
        ("12345678901234567890", "one two three four five six seven eight nine zero one two three four five six seven eight nine zero"),
        ("٣ １２", "three twelve"),
        ("MP3 H2O covid19", "m p three h two o covid nineteen"),
    ],
)
def test_numbers(text, said):
    assert say(text) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Mr. Smith and Dr Who", "mister smith and doctor who"),
        ("St. John lives on Main St.", "saint john lives on main street"),
        ("No. 5? No.", "number five no"),
        ("etc. vs. Jan. 5", "et cetera versus january five"),
        ("e.g. i.e. U.S. U.S.A.", "for example that is u s u s a"),
        ("FBI BBC USA TV TVs", "f b i b b c u s a t v t v's"),
        ("IEMOCAP NASA", "iemocap nasa"),
        ("GO AWAY NOW! HMM, I DON'T", "go away now hmm i don't"),
        ("rock & roll, AT&T, R&B", "rock and roll a t and t r and b"),
        ("well-known e-mail", "well known e mail"),
        ("don't I'M it’s y'all 'cause", "don't i'm it's y'all 'cause"),
        ("nothin' o'clock", "nothin' o'clock"),
        ("'hello' “there” ‘you’", "hello there you"),
        ("café naïve Straße Łódź ﬁne e\u0301a", "cafe naive strasse lodz fine ea"),
        ("wait—what...no… and/or", "wait what no and or"),
        ("me@home a+b=c", "me at home a plus b equals c"),
    ],
)
def test_words(text, said):
    assert say(text) == said


@pytest.mark.parametrize(
    "text", ["😀", "👨‍👩‍👧", "👍🏽", "♥️", "привет", "世界", "नमस्ते", "สวัสดี", "مرحبا", "שָׁלוֹם", "©", "x" * (MAX_LETTERS + 1)]
)
def test_what_is_not_said_is_one_word_without_speech(text):
    (word,) = split_words(f"  {text} ")
    assert (word.text, word.spoken) == (text, ())


@pytest.mark.parametrize("text", ["", " \n\t", "...", "—", ":) =)", '"!?"', "___", "’’ ''", "<>", "**"])
def test_punctuation_is_no_word(text):
    assert split_words(text) == ()


def test_markup_is_text():
    assert [w.text for w in split_words("<b>hi</b> <script>alert(1)</script>")] == ["b", "hi", "b", "script", "alert", "1", "script"]


def test_written_word_keeps_its_signs_and_loses_the_punctuation_around_it():
    text = 'He said: "Mr. Smith owes $5.50, at 10:30 (or 50%)!"'
    assert [w.text for w in split_words(text)] == ["He", "said", "Mr.", "Smith", "owes", "$5.50", "at", "10:30", "or", "50%"]


def test_any_text_at_all_gives_words_in_their_places():
    signs = "abcXYZ019 .,:;/-–—'’\"&%$€#@°+=<>_*~^`|\\()[]{}!?\n\t\u200d\ufe0f\u0301\u093eéßŁ½²٣५猫яش😀👍🏽ا𝟙①"
    pieces = [*signs, "Mr.", "$5", "10:", "1/", "st", "°C"]
    pick = random.Random(0)
    for _ in range(5000):
        text = "".join(pick.choice(pieces) for _ in range(pick.randint(1, 25)))
        end = 0
        for word in split_words(text):
            assert word.start >= end and word.end > word.start
            assert text[word.start : word.end] == word.text and word.text.strip() == word.text
            end = word.end
            for said in word.spoken:
                assert said and said.isascii() and said == said.lower() and said.replace("'", "").isalpha(), (text, word)


def test_one_word_alone():
    assert spell_word("21") == ("twenty", "one") and spell_word("") == ()
