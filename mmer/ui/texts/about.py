"""What the About tab says; CLASSES stands for the words that the heads choose from."""

from __future__ import annotations

TEXT = """
### What this is for
Seeing how machines that claim to hear emotion come to their verdict: which words, syllables and frames enter the sum, which layers of the
encoders are read, and how three ways to fuse voice and text agree or don't. It follows *Multi-level Fusion of Wav2vec 2.0 and BERT for
Multimodal Emotion Recognition* (Zhao, Wang, Wang; Interspeech 2022), with heads trained for this app. The Learn tab explains it step by
step.

### What the machine hears, and what not
It hears how a voice and its words resemble **acted** speech and film lines that somebody labelled with one of a few words:
CLASSES. It must choose one of them. It does not hear what a person feels, means or hides; irony, context, faces and
culture are outside. Microphones, rooms, accents, age and illness change the sound as much as a mood does, and it errs more for voices
unlike those it learned from.

**Languages.** The recogniser, the pronunciations and the texts are English; of the voices that the shipped heads learned from, some are
Polish. Another language may be analysed all the same: its result means nothing. No head was tested on children, on telephone lines or on
speakers of English as a second language.

### Law: not for judging people
**Nobody may be judged with this at work or in school:** no hiring, no grading, no monitoring, no diagnosis. In the European Union, the AI
Act (Regulation (EU) 2024/1689, Article 5(1)(f)) prohibits putting on the market, putting into service for this purpose, or using AI
systems that infer the emotions of a person in the workplace and in education institutions, except for medical or safety reasons. Where
emotion recognition is not prohibited, the Act counts it among the high-risk uses (Annex III) and asks that the people exposed to it are
told (Article 50). Teaching how such a model works, on examples or on your own voice, is what this page is made for. This is a summary,
not legal advice.

### Privacy: nothing of yours stays on the server
What you record or upload, its words and its results are kept in memory and in a temporary folder for your session alone, deleted within
the hour, sent nowhere, and used for nothing else. There are no accounts and no analytics. An HTML report that you save holds the sound; a
JSON does not unless you ask for it. Record others only if they agree.

### Reading the colours
Orange speaks for the chosen emotion, blue against it; colour-blind people can tell them apart, and every tile gives its number when you
point at it. A contribution says where the sum comes from. The encoders are deep, so each state has already seen its surroundings: a
syllable's tile carries some of its neighbours.

### From other programs
What this page does can be called: analyse, transcribe, align, intervene, leave one out, compare, with `gradio_client` or as tools of an
MCP server, and many clips at once from the shell. `docs/api.md` in the project tells how; `mmer schema` prints the JSON schemas.

### Data and licences
The code is Apache-2.0. The examples are public-domain readings from LibriVox and speech synthesised with espeak-ng (CC0). The shipped
heads learned from RAVDESS and nEMO (voices, CC BY-NC-SA 4.0), MELD (lines of a TV series, GPL-3.0), EmoryNLP and GoEmotions (lines and
comments, Apache-2.0), so they are for non-commercial use; each has a model card. IEMOCAP, the paper's corpus, is licensed by its makers
to research groups and is not part of this app. The encoders and the heads of this page:
"""

UNPINNED = " Unpinned: these are the hub's files of the day on which they were fetched; nobody here has compared their hashes."
ENCODERS = ("speech encoder", "text encoder", "recogniser")
COMPUTED_ON, MODELS = "computed on", "encoders and heads"
LANGUAGES, LICENCE = "languages", "Licence"
