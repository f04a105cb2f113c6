"""Parses a description once: its styles and colours with weights, what it rules out, and what no style can do."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from functools import cache

from stylize.errors import PromptError, Sentence
from stylize.prompts.reader import SHAPE, Mix, descriptions, is_made_of_words, is_off_topic, looks, nearest_styles
from stylize.prompts.russian import CYRILLIC, PATTERNS, russian_name
from stylize.prompts.vocabulary import COLOUR_WORDS, FILLERS, NAMES, SOURCE, STYLE_WORDS, nearest, phrases, tokens

NEGATIONS = frozenset(tokens("not no without never isn non except instead не без кроме вместо нет"))
CONTRASTS = frozenset(tokens("but rather а но зато"))  # a negation ends here
AMOUNTS = {
    **dict.fromkeys(tokens("slightly subtle subtly little bit faint faintly hint touch lightly somewhat mildly"), 0.5),
    **dict.fromkeys(tokens("слегка чуть немного немножко капельку легкий легкая легкое слабо"), 0.5),
    **dict.fromkeys(tokens("very extremely super strongly totally completely really extra intense"), 1.4),
    **dict.fromkeys(tokens("очень сильно супер полностью совсем крайне максимально ярко"), 1.4),
}
FRACTIONS = dict.fromkeys(tokens("half наполовину пол"), 0.5)
FACE_PARTS = re.compile(
    r"hair|eye|lip|teeth|tooth|nose|ear|brow|eyebrow|волос\w*|глаз\w*|губ\w*|зуб\w*|нос|ух\w*|бров\w*"
)
SILENT = frozenset(tokens("цвета цветом черты черта чертами"))  # their stems are also those of flowers and devils
AROUND = FILLERS | frozenset(
    tokens("""
    face portrait photo picture image person made turned into turn make draw drawn painted please want be become
    version effect filter for from at looking something of his her i one kind aesthetic vibe theme themed inspired
    plain ordinary natural s th е х в во на из как у с со и о об от по под к для меня мне я мой моя мое себя
    стиль стиля стиле сделай хочу быть будто
    портрет лицо лица фото фотография картинка картина рисунок образ виде вид фильтр эффект тема типа
    """)
)
MEANINGLESS = AROUND | SILENT
# Function words that share a stem with a description, as "лет" (years) does with summer:
FUNCTION_WORDS = NEGATIONS | CONTRASTS | {*AMOUNTS, *FRACTIONS, *tokens("may лет нас тот час сел дел рад")}
ENDINGS = tokens(
    "иями ями ами ого его ому ему ыми ими ией ией ях ах ов ев ей ой ий ый ая яя ое ее ые ие ую юю ым им ом ем ою ею "
    "ам ям ия ию ии а я о е ы и у ю ь й"
)
GREY = re.compile(r"(?<!\w)(?:b ?[&/]? ?w|ч ?/? ?б)(?!\w)", re.IGNORECASE)  # black and white, abbreviated
PEOPLE = frozenset(tokens("man woman male female boy girl мужчина женщина мальчик девочка парень девушка"))
# Words that add nothing next to a material or a style:
FORMS = frozenset(
    tokens("""
    statue sculpture bust drawing drawn painting print статуя скульптура бюст картина картину картины рисунок
    нарисуй нарисуйте нарисовать
    """)
)
DOUBT = 0.8  # confidence below which other styles are offered as well
SEEN = 0.1  # a smaller weight makes no visible difference


@dataclass(frozen=True)
class Prompt:
    """``text``: as written, with spaces tidied. ``styles`` and ``colours``: canonical names with weights, heaviest
    first. ``without``: styles and colours it rules out. ``shapes``: words that ask for another shape; ``parts``: words
    that ask to colour one part of the face. ``unknown``: unknown words. ``confidence``: how likely these styles are the
    intended ones, 0 to 1. ``named``: whether its words are known; otherwise the styles are the nearest in meaning.
    ``evoked``: whether they are known, but are not the names of these styles themselves. ``described``: whether it
    describes a look at all, rather than being random letters or off topic. ``nearest``: three names to offer."""

    text: str
    styles: Mix
    colours: Mix
    without: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    confidence: float = 1.0
    named: bool = True
    evoked: bool = False
    described: bool = True
    nearest: tuple[str, ...] = ()

    @property
    def drawable(self) -> bool:
        return bool(self.styles or self.colours or self.photo) and self.described

    @property
    def photo(self) -> bool:
        """Whether it asks for no style at all: "a photo of a face"."""
        said = (self.styles, self.colours, self.without, self.shapes, self.parts, self.unknown)
        return not any(said) and not {word for word, _, _ in words_of(self.text)} <= FILLERS

    @property
    def caption(self) -> str:
        """The prompt in words that the mini text-image model was trained on: "blue van gogh painting"."""
        return " ".join([*list(self.colours)[:1], *list(self.styles)[:2]]) or SOURCE

    @property
    def notes(self) -> list[str]:
        """What to tell the user about how it was understood."""
        said: list[str] = []
        if not self.named and not self.photo:
            nearest_ = ", ".join((*self.styles, *self.colours))
            said.append(Sentence("The nearest that can be drawn: {} ({:.0%} sure).", nearest_, self.confidence))
        elif self.evoked:
            said.append(Sentence("What was drawn for it: {}.", ", ".join((*self.styles, *self.colours))))
        said += [
            Sentence("Left out: {}, because a single part of the face cannot be coloured.", words)
            for words in self.parts
        ]
        said += [
            Sentence("Left out: {}, because it needs another shape; the full model can draw it.", words)
            for words in self.shapes
        ]
        if self.named and self.unknown:
            said.append(Sentence("Left out, because unknown: {}.", ", ".join(self.unknown)))
        return said

    @property
    def fully_known(self) -> bool:
        """Whether it is made of names of styles and colours that can be drawn."""
        missing = (self.evoked, self.unknown, self.without, self.shapes, self.parts)
        return self.named and bool(self.styles or self.colours) and not any(missing)

    @property
    def uncaptioned(self) -> tuple[str, ...]:
        """The words that ``caption`` leaves out."""
        return (*self.unknown, *self.shapes, *self.parts) if self.named else ()

    @property
    def negated(self) -> str:
        """The word by which it rules something out."""
        return next((word for word, _, _ in words_of(self.text) if word in NEGATIONS), "")

    def check(self, model: str) -> None:
        """Raises PromptError if a ``model`` that changes colours and strokes only can draw nothing of it; says why and
        offers the nearest."""
        if self.drawable:
            return
        russian = bool(CYRILLIC.search(self.text))
        near = ", ".join(map(russian_name, self.nearest) if russian else self.nearest)
        words = ", ".join(map(repr, self.unknown or (self.text,)))
        said = Sentence("The {} model does not know {}; the nearest it knows: {}.", model, words, near)
        if self.shapes:
            said = Sentence(
                "The {} model draws colours and strokes, not shapes such as {!r}; the full "
                "model can (python -m stylize download full, then --model full).",
                model,
                self.shapes[0],
            )
        elif self.parts:
            said = Sentence(
                "The {} model cannot colour just one part of the face, as {!r} asks; name a colour for the whole face.",
                model,
                self.parts[0],
            )
        elif self.without and not self.unknown:
            said = Sentence(
                "The description {!r} only says what not to draw; say what the face should become.", self.text
            )
        elif not russian and not self.text.isascii():
            said = Sentence(
                "The {} model reads English and Russian, and does not know {}; the nearest it knows: {}.",
                model,
                words,
                near,
            )
        raise PromptError(said, nearest=self.nearest)


def stem(word: str) -> str:
    """Crude stemming: a word without its ending."""
    word = word.replace("ё", "е")
    if re.search("[а-я]", word):
        ending = next((end for end in ENDINGS if word.endswith(end) and len(word) - len(end) >= 3), "")
        return word.removesuffix(ending)
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def words_of(text: str) -> list[tuple[str, int, int]]:
    """Words, numbers, and clause-ending punctuation, with their positions, in British spelling."""
    text = text.lower().replace("’", "'")
    found = [(m[0], m.start(), m.end()) for m in re.finditer(r"[^\W\d_]+|\d+|[,.;:!?()%]", text)]
    spelling = {"color": "colour", "colors": "colours", "gray": "grey", "sculpted": "sculpture"}
    return [(spelling.get(word, word), start, end) for word, start, end in found]


def key(text: str) -> tuple[str, ...]:
    """The lookup key of a phrase: the stems of its words, without filler words."""
    words = [word for word, _, _ in words_of(text) if word.isalnum()]
    return tuple(stem(word) for word in words if word not in AROUND) or tuple(map(stem, words))


@cache
def _named() -> dict[tuple[str, ...], Mix]:
    """The names of styles and colours themselves."""
    colours = {(stem(word),): {name: 1.0} for name, words in COLOUR_WORDS.items() for word in words}
    whole = {key(text): {w.name: 1.0} for w in STYLE_WORDS.values() for text in (*w.phrases, *w.held_out, *w.sayings)}
    return colours | whole | {tuple(map(stem, words)): {name: 1.0} for words, name in phrases().items()}


@cache
def _looks() -> dict[tuple[str, ...], Mix]:
    return {key(text): mix for text, mix in reversed(looks().items())} | _named()


@cache
def lexicon() -> dict[tuple[str, ...], Mix]:
    """All known phrases, by key."""
    return {key(text): mix for text, mix in reversed(descriptions().items())} | _looks()


@cache
def _single() -> list[str]:
    return [words[0] for words in _looks() if len(words) == 1 and len(words[0]) > 3]


@cache
def _longest() -> int:
    return max(map(len, lexicon()))


@dataclass
class _Found:
    mix: Mix
    words: str
    factor: float
    share: bool
    negated: bool

    @property
    def subject(self) -> bool:
        """Whether it is a subject of a picture rather than a look."""
        own = key(self.words)
        return own in lexicon() and own not in _looks()

    @property
    def exact(self) -> bool:
        """Whether it is the name of a style or colour itself."""
        return key(self.words) in _named() or any(pattern.search(self.words.lower()) for _, pattern in PATTERNS)


def _scan(text: str) -> tuple[list[_Found], list[str], list[str], int, int]:
    """(known phrases, colours of face parts, unknown words, number of letters understood, number of letters that
    matter)."""
    tokens, lower = words_of(text), text.lower()
    found: list[_Found] = []
    parts: list[str] = []
    unknown: list[str] = []
    understood = letters = place = 0
    factor, share, negated = 1.0, False, False
    while place < len(tokens):
        word, start, end = tokens[place]
        if word.isdecimal() and place + 1 < len(tokens) and tokens[place + 1][0] == "%":
            factor, share = min(int(word[:4]), 100) / 100, True
            place += 2
            continue
        mix, length = _longest_match(tokens, lower, place)
        if mix is None and len(word) > 4 and word not in MEANINGLESS and word not in AMOUNTS:
            close = difflib.get_close_matches(stem(word)[:20], _single(), 1, 0.86)
            mix, length = (lexicon()[(close[0],)], 1) if close else (None, 0)
        if mix is not None:
            last = tokens[place + length - 1][2]
            size = sum(len(w) for w, _, _ in tokens[place : place + length])
            understood, letters = understood + size, letters + size
            after = tokens[place + length][0] if place + length < len(tokens) else ""
            if set(mix) <= set(COLOUR_WORDS) and FACE_PARTS.fullmatch(stem(after)):
                parts.append(text[start : tokens[place + length][2]])
                place += 1
            else:
                found.append(_Found(mix, text[start:last], factor, share, negated or factor == 0))
            factor, share = 1.0, False
            place += length
            continue
        if word in NEGATIONS:
            negated = True
        elif word in CONTRASTS or not word[0].isalnum():
            negated = False
        elif word in AMOUNTS:
            factor = AMOUNTS[word]
        elif word in FRACTIONS:
            factor, share = FRACTIONS[word], True
        elif word not in MEANINGLESS and not FACE_PARTS.fullmatch(stem(word)):
            letters += len(word)
            unknown.append(text[start:end])
        place += 1
    return found, parts, list(dict.fromkeys(unknown)), understood, letters


def _longest_match(tokens: list[tuple[str, int, int]], lower: str, place: int) -> tuple[Mix | None, int]:
    """(the mix of the longest known phrase that starts here, its number of words)."""
    word, start, _ = tokens[place]
    if not word[0].isalnum():
        return None, 0
    stems: list[str] = []
    best: tuple[Mix | None, int] = (None, 0)
    if place + 1 < len(tokens) and (joined := (stem(word + tokens[place + 1][0]),)) in _looks():
        best = _looks()[joined], 2  # "cyber punk"
    for count, (other, _, _) in enumerate(tokens[place : place + _longest() + 3], 1):
        if not other[0].isalnum():
            break
        if count == 1 and (other in SILENT or (other in AROUND and (stem(other),) not in lexicon())):
            break
        if other not in AROUND:
            stems.append(stem(other))
            mix = {} if count == 1 and other in FUNCTION_WORDS else lexicon().get(tuple(stems), {})
            if mix and (SHAPE not in mix or len(stems) == count):  # an "old photo of a man" is not an old man
                best = max(best, (mix, count), key=lambda pair: pair[1])
        elif tuple(map(stem, (t[0] for t in tokens[place : place + count]))) in lexicon():
            best = lexicon()[tuple(map(stem, (t[0] for t in tokens[place : place + count])))], count
    if re.match("[а-яё]", word):
        for name, pattern in PATTERNS:
            if match := pattern.match(lower, start):
                count = sum(start <= at < match.end() for _, at, _ in tokens)
                if count >= best[1]:
                    return {name: 1.0}, count
    return best


def _scaled(parts: Iterable[tuple[float, Mix]], known: Collection[str]) -> tuple[Mix, Mix]:
    """(styles, colours) of weighted mixes; within one mix, the weights of the drawable styles add up to its weight."""
    styles: Mix = {}
    colours: Mix = {}
    for weight, mix in parts:
        own = {name: w for name, w in mix.items() if name in known and name in NAMES}
        tints = {name: w for name, w in mix.items() if name in COLOUR_WORDS}
        for names, out in ((own, styles), (tints, colours)):
            total = max(1.0, sum(names.values())) if names is own or not own else 1.0
            for name, w in names.items():
                out[name] = out.get(name, 0.0) + weight * w / total
    return _heaviest(styles), _heaviest(colours)


def _heaviest(mix: Mix, count: int = 3) -> Mix:
    """The largest weights, without invisibly small ones; the sum is kept."""
    order = sorted(mix, key=lambda name: -mix[name])[:count]
    kept = {name: mix[name] for name in order if mix[name] >= 0.2 * mix[order[0]]}
    total = sum(mix.values()) / sum(kept.values()) if kept else 1.0
    return {name: round(weight * total, 3) for name, weight in kept.items()}


def parse(text: str, known: Collection[str] = NAMES) -> Prompt:
    """Parses a description for a model that draws the styles ``known``."""
    text = " ".join(text.split())
    found, parts, unknown, understood, letters = _scan(GREY.sub("monochrome", text))
    without = {name for item in found if item.negated for name in item.mix}
    wanted = [item for item in found if not item.negated]
    shapes = tuple(item.words for item in wanted if SHAPE in item.mix)
    asked = [item for item in wanted if SHAPE not in item.mix]
    if asked:  # people named as the subject, not as the look to draw
        shapes = tuple(words for words in shapes if words.lower() not in PEOPLE)
    if any(item.words.lower() not in FORMS for item in asked):
        asked = [item for item in asked if item.words.lower() not in FORMS]
        unknown = [word for word in unknown if word.lower() not in FORMS]
    if any(set(item.mix) & set(NAMES) and not item.subject for item in asked):  # a pencil sketch of a sailor
        asked = [item for item in asked if not item.subject]
    evoked = not all(item.exact for item in asked)
    styled = [item for item in asked if set(item.mix) & set(NAMES)]
    even = 1.0 if any(item.share for item in styled) else 1 / max(1, len(styled))
    weighted = [(item.factor * (even if item in styled else 1.0), item.mix) for item in asked]
    styles, colours = _scaled([(w, {n: x for n, x in mix.items() if n not in without}) for w, mix in weighted], known)
    covered = understood / letters if letters else 0.0
    confidence, named = 1.0 if not unknown else 0.6 + 0.4 * covered, True
    offered: Mix = {}
    described = True
    if asked and not (styles or colours):  # known, but this model has no domain for it
        unknown, covered, asked = [*unknown, *(item.words for item in asked)], 0.0, []
    if unknown and covered < 0.6 and is_off_topic(text):  # even if some words are known
        shapes, described = (), False
    elif unknown and covered < 0.5:
        offered, nearest_confidence = nearest_styles(text, known, without)
        described = is_made_of_words(text)
        if offered.get(SHAPE, 0) > 0.5 * sum(offered.values()) and described and not asked:
            shapes = shapes or (text,)
            styles, colours, confidence = {}, {}, nearest_confidence
        elif described or not asked:
            mix = {name: weight for name, weight in offered.items() if name != SHAPE and weight >= SEEN}
            alike = _scaled([(1.0, mix)], known)
            if asked:
                alike = _scaled([(0.6, {**styles, **colours}), (0.4, {**alike[0], **alike[1]})], known)
            styles, colours = alike
            confidence, named = nearest_confidence, False
        else:
            described = True
    prompt = Prompt(
        text, styles, colours, tuple(sorted(without)), shapes, tuple(parts), tuple(unknown), round(confidence, 2),
        named, evoked, described,
    )  # fmt: skip
    if prompt.drawable and (named or confidence >= DOUBT):
        return prompt
    offered = offered or nearest_styles(text, known, {SHAPE, *without})[0]
    near = [*sorted(offered, key=lambda name: -offered[name]), *nearest(text, 9)]
    near = [name for name in dict.fromkeys(near) if name in known and name not in without]
    return replace(prompt, nearest=tuple(near[:3]))
