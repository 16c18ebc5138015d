"""Written words are found where they stand and said as people say them, whatever the text."""

import random

import pytest

from mmer.transcript.spelling import MAX_LETTERS, find_directions, spell_word, split_words


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
        ("etc. vs. Jan. 5", "et cetera versus january fifth"),
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


BESIDE = [
    ("at 5.30pm or 5.05 a.m.", "at five thirty p m or five oh five a m"),
    ("it costs 5.30", "it costs five point three zero"),
    ("a 6in pipe, 1in, 5 in a row", "a six inches pipe one inch five in a row"),
    ("5 mm x 3 mm 8.5in x 11in", "five millimeters by three millimeters eight point five inches by eleven inches"),
    ("solve for x 3 times", "solve for x three times"),
    ("p ≤ 5 x ≥ 3 ∞", "p less than or equal to five x greater than or equal to three infinity"),
    ("Act Ⅳ, scene ii, part vii; Henry Ⅷ", "act four scene two part seven henry the eighth"),
    ("I put it in step vivid xi", "i put it in step vivid xi"),
    ("10⁶ 5² 10¹²", "ten to the six five squared ten to the twelve"),
    ("UTC-5 GMT+1 UTC-03", "u t c minus five g m t plus one u t c minus three"),
    ("Beverly Hills, CA 90210", "beverly hills ca nine zero two one zero"),
]


@pytest.mark.parametrize(("text", "said"), BESIDE)
def test_signs_and_neighbours(text, said):
    assert say(text) == said


@pytest.mark.parametrize(("text", "guessed"), [("I <3 you", "3"), ("NY 10001", "10001"), ("10⁻⁶", "⁶")])
def test_what_signs_and_neighbours_leave_open_is_a_guess(text, guessed):
    assert [word.text for word in split_words(text) if word.is_guess] == [guessed]


SAID = {
    "money": """
        $5M = five million dollars
        $1.5M = one point five million dollars
        €1.5m = one point five million euros
        $2.5bn £3bn = two point five billion dollars three billion pounds
        $10K $10k = ten thousand dollars ten thousand dollars
        $1B = one billion dollars
        $5 m a year = five million dollars a year
        $5 million 5 million € = five million dollars five million euros
        US$5 A$5 = five u s dollars five australian dollars
        US$5M = five million u s dollars
        -$5 $-5 = minus five dollars minus five dollars
        $ 5 5 € = five dollars five euros
        5¢ 1¢ 99 ¢ = five cents one cent ninety nine cents
        ₹500 ₹1 ₩100 = five hundred rupees one rupee one hundred won
        ₽5 ₺5 ₪5 ₱5 ฿5 = five rubles five lira five shekels five pesos five baht
        5 USD 1 USD 5 CHF = five u s dollars one u s dollar five swiss francs
        £1.01 £13.60 = one pound and one penny thirteen pounds and sixty pence
        $1 000 = one thousand dollars
        $5-10 $5-$10 $10–$20 = five to ten dollars five dollars to ten dollars ten dollars to twenty dollars
        $5-10M $1-2 million = five to ten million dollars one to two million dollars
        €3,50 £1,50 $1,500 = three euros and fifty cents one pound and fifty pence one thousand five hundred dollars
        R$10 R$1 ₹2 lakh £3 crore = ten reais one real two lakh rupees three crore pounds
        ($5) (-5) = five dollars minus five
        $.50, $.5, £.99 = fifty cents zero point five dollars ninety nine pence
        a $20 bill, an $8,000 loss = a twenty dollar bill an eight thousand dollar loss
        a $5 or $10 bills, a £5 note = a five dollars or ten dollars bills a five pound note
        $100/day $20/hr $1,500/mo = one hundred dollars per day twenty dollars per hour one thousand five hundred dollars per month""",
    "telephone numbers": """
        1-800-555-0199 = one eight zero zero five five five zero one nine nine
        (555) 123-4567 = five five five one two three four five six seven
        555-123-4567 555.123.4567 = five five five one two three four five six seven five five five one two three four five six seven
        +1 555 123 4567 = one five five five one two three four five six seven
        1-800-FLOWERS = one eight zero zero flowers
        +44 20 7946 0958 = four four two zero seven nine four six zero nine five eight
        call 911 = call nine one one""",
    "dates": """
        2020-12-25 = twenty twenty december twenty fifth
        1999-01-02 = nineteen ninety nine january second
        12/25/2020 = december twenty fifth twenty twenty
        25/12/2020 25.12.2020 = december twenty fifth twenty twenty december twenty fifth twenty twenty
        1/1/05 = january first oh five
        2020-13-45 = twenty twenty to thirteen to forty five
        Mar. 3 Jul. 4 Tues. = march third july fourth tuesday
        July 4, 1776 May 5, 2021 = july fourth seventeen seventy six may fifth twenty twenty one
        Dec 25 Sept 5th = december twenty fifth september fifth
        Jan is here in March 2020 = jan is here in march twenty twenty
        4 March 2021, 1 Jan 2020 = fourth march twenty twenty one first january twenty twenty
        Mon-Fri Jan-Mar ca. 1900 = monday to friday january to march circa nineteen hundred
        March 5 kg, may 5 people = march five kilograms may five people""",
    "units": """
        60 mph 1 mph = sixty miles per hour one mile per hour
        10 km/h 1 km/h 10km/h = ten kilometers per hour one kilometer per hour ten kilometers per hour
        5 kg 1 kg 2 lb 5 lbs = five kilograms one kilogram two pounds five pounds
        5 ft 1 ft 3 cm 5 m = five feet one foot three centimeters five meters
        5'10" 5’10” 5 ft 10 in = five foot ten five foot ten five feet ten inches
        20 °C 72°F 1° = twenty degrees celsius seventy two degrees fahrenheit one degree
        50 % 0.5% = fifty percent zero point five percent
        30 min 1 hr 5 hrs 5 sec = thirty minutes one hour five hours five seconds
        ½ cup 1/2 lb 2½ lb = one half cup one half pound two and one half pounds
        2 L 12 V 100 W 5V = two liters twelve volts one hundred watts five volts
        5 km/s 5 m/min 100 km / h = five kilometers per second five meters per minute one hundred kilometers per hour
        10 s 5 µm 5 kΩ 2 tsp 10 Mbps = ten seconds five micrometers five kilohms two teaspoons ten megabits per second
        30 fps 30 mpg 60 km/hr 6-8 ft = thirty frames per second thirty miles per gallon sixty kilometers per hour six to eight feet
        5' tall 4x6 = five feet tall four by six
        5m² x² = five meters squared x squared""",
    "letters behind numbers": """
        5G 4K 8K TV = five g four k eight k t v
        5g 100K 100k 5M = five grams one hundred thousand one hundred thousand five million
        3D 10x B2B = three d ten x b two b""",
    "names with signs": """
        C++ C# F# .NET = c plus plus c sharp f sharp dot net
        Node.js ASP.NET = node dot j s asp dot net
        A+ v2.0 = a plus v two point zero
        w/ w/o b/c n/a I/O = with without because n a i o""",
    "Roman numerals": """
        World War II, World War I = world war two world war one
        Henry VIII Louis XIV Elizabeth II = henry the eighth louis the fourteenth elizabeth the second
        Charles V and I = charles the fifth and i
        Chapter IV, Part I, vol. II, Act III = chapter four part one volume two act three
        Rocky IV Type II = rocky four type two
        Malcolm X, X-ray, a CD = malcolm x x ray a c d""",
    "degrees and titles": """
        Ph.D. PhD PhDs = p h d p h d p h d's
        B.A. M.A. M.Sc. BSc MBA = b a m a m s c b s c m b a
        U.S. D.C. a.k.a. = u s d c a k a""",
    "decades": """
        mid-20s early-90s = mid twenties early nineties
        '90s 1990s mid-1990s 20s = nineties nineteen nineties mid nineteen nineties twenties""",
    "times": """
        3:30pm 3:30 p.m. 10 a.m. = three thirty p m three thirty p m ten a m
        9am-5pm 2 p.m.-4 p.m. = nine a m to five p m two p m to four p m
        10:30-11:45 = ten thirty to eleven forty five
        noon-1pm = noon one p m
        13:45 10:05 = thirteen forty five ten oh five""",
    "fractions and ranges": """
        2 1/2 cups 1⁄2 = two and one half cups one half
        10%-20% 5-10% = ten percent to twenty percent five to ten percent
        5-10 5–10 5 - 10 5~6 ~5 = five to ten five to ten five to ten five to six about five
        5k-10k 5kg-10kg = five thousand to ten thousand five kilograms to ten kilograms
        16:9 9/11 = sixteen to nine nine eleven
        1,000th = one thousandth""",
    "groups of thousands": """
        10 000, 1'000, 12’000’000 = ten thousand one thousand twelve million
        1.000.000 1 000 000 = one million one million
        1.000,50 1,234.5 = one thousand point five zero one thousand two hundred thirty four point five""",
    "powers": """
        2*3 x^2 5 > 3 §5 √2 = two times three x to the two five greater than three section five square root of two
        2^10 1e5 1e-5 = two to the ten one times ten to the five one times ten to the minus five""",
    "addresses": """
        me@example.com = me at example dot com
        www.example.com https://example.com/a?b=1 = w w w dot example dot com example dot com slash a
        #hashtag @user = hashtag hashtag at user""",
    "notes on sounds": """
        [[laugh]] no ((laughter)) yes = no yes
        **bold** <b>it</b> 5* hotel = bold b it b five hotel
        [laughter] yes = yes
        (laughs) no (laughing softly) = no
        <noise> ok <unk> = okay
        *sighs* fine {breath} = fine
        {LG} {NOISE} yes = yes
        [door slams] [MUSIC] go = go
        (not a note) *really* = not a note really""",
}


@pytest.mark.parametrize(
    ("text", "said"), [[part.strip() for part in line.rsplit(" = ", 1)] for lines in SAID.values() for line in lines.strip().splitlines()]
)
def test_spoken_forms(text, said):
    assert say(text) == said


@pytest.mark.parametrize(
    ("text", "guesses"),
    [
        ("on 3/4/2021", ["3/4/2021"]),
        ("on 12/25/2020 or 3/3/2021 or 2021-03-04", []),
        ("100m", ["100m"]),
        ("100 m, 5kg, $5m", []),
        ("John Smith III", ["III"]),
        ("World War II, Henry VIII, Chapter IV", []),
        ("5 - 10", ["-"]),
        ("5-10, 1,234.56, 555.123.4567, 25.12.2020, 0.125", []),
        ("192.168.0.1 2^10 1e5 12,345,67", ["192.168.0.1", "2^10", "1e5", "12,345,67"]),
        ("1.500", ["1.500"]),
        ("4 March, 1 Jan. 2020, March 4", ["4", "1"]),
        (
            "2021-13-45 2019-06 06/2019 12/31 7/4 3-0 50-50 2020/21",
            ["2021-13-45", "2019-06", "06/2019", "12/31", "7/4", "3-0", "50-50", "2020/21"],
        ),
        ("1/2 3/4 2/3 24/7 9/11 5-10 1914-18 1990-1995 2020-12-25", []),
        ("0800 123 456, 10 500, 4111 1111", ["123", "456", "500", "1111"]),
        ("May 5 2021, 100, 200, 5 people in 2010, 10 000", []),
        ('"I am 12", a 7" pipe', ["7"]),
        ("5' pipe, 'he is 6'", ["5"]),
        ("Elizabeth I, Mary and I, James I", ["I", "I"]),
        ("5 N, 50 kr, 99p, 221B Baker St, bldg. 5", ["N", "kr", "99p", "221B", "St", "bldg"]),
        ("USD 50, 50 USD, Mr. and Ms Lee, hmm, TV, 3 kg, a 5 I", ["USD"]),
        ("8005550199 1000000", ["8005550199"]),
    ],
)
def test_what_may_be_said_in_another_way_is_a_guess(text, guesses):
    assert [w.text for w in split_words(text) if w.is_guess] == guesses


def test_notes_on_sounds_are_listed():
    assert find_directions("[laughter] yes (sighs) <b> [] (no)") == ("[laughter]", "(sighs)")


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
