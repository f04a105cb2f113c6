"""The vocabulary of the mini text-image model: styles, colours, templates, and the style names in a description."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

PHOTO = "photo"
PHOTO_PHRASES = (
    "a photo of a face",
    "a photo",
    "a portrait photo",
    "a face",
    "a portrait",
    "a photo of a person",
    "a plain photo",
    "an ordinary photo of a face",
    "a colour photo of a face",
    "a natural portrait",
)

SOURCE = PHOTO_PHRASES[0]  # the source: a face without any style

Kind = Literal["picture", "look", "material", "person"]


@dataclass(frozen=True)
class Words:
    """The words for a style.

    phrases: synonyms to train on, the canonical name first; held_out: synonyms made of known words, but never trained
    on; sayings: complete captions of this style only; tints: whether it can be combined with a colour.
    """

    name: str
    kind: Kind
    phrases: tuple[str, ...]
    held_out: tuple[str, ...]
    sayings: tuple[str, ...] = ()
    tints: bool = False


def _words(kind: Kind, phrases: str, held_out: str, sayings: str = "", tints: bool = False) -> Words:
    def split(text: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in text.split("|") if part.strip())

    names = split(phrases)
    return Words(names[0], kind, names, split(held_out), split(sayings), tints)


_TABLE = (
    _words(
        "picture",
        "pencil sketch | pencil drawing | graphite sketch | pencil portrait | sketch | pencil",
        "graphite drawing | graphite portrait",
        "a face drawn in pencil | sketched with a pencil | a face sketched in graphite",
        tints=True,
    ),
    _words(
        "picture",
        "charcoal drawing | charcoal sketch | charcoal portrait | charcoal",
        "drawing in charcoal",
        "a face drawn in charcoal | smudged charcoal on grey paper",
        tints=True,
    ),
    _words(
        "picture",
        "ink drawing | pen and ink drawing | ink sketch | ink portrait | line art | ink",
        "pen drawing | pen sketch",
        "a face drawn in black ink | drawn with pen and ink",
        tints=True,
    ),
    _words(
        "picture",
        "oil painting | oil portrait | oil on canvas | classical painting | old master painting",
        "classical oil portrait",
        "a face painted in oil | painted in oil on canvas",
        tints=True,
    ),
    _words(
        "picture",
        "watercolour | watercolour painting | watercolour portrait | aquarelle",
        "aquarelle painting",
        "a face painted in watercolour | painted with watercolours on white paper",
        tints=True,
    ),
    _words(
        "picture",
        "cartoon | cartoon drawing | cartoon character | animated film character",
        "animated cartoon",
        "a face as a cartoon | drawn as a cartoon with flat colours",
        tints=True,
    ),
    _words(
        "picture",
        "comic halftone | comic | halftone print | comic strip | halftone dots",
        "halftone comic | halftone strip",
        "a face from a comic strip | printed with halftone dots",
        tints=True,
    ),
    _words(
        "look",
        "pixel art | pixel graphics | 8 bit game graphics | video game pixels | retro game",
        "8 bit pixel art",
        "a face in pixels | a face from an 8 bit video game",
        tints=True,
    ),
    _words(
        "picture",
        "mosaic | roman mosaic | tile mosaic | mosaic of tiles",
        "roman tile mosaic",
        "a face made of small tiles | a face laid in mosaic",
        tints=True,
    ),
    _words(
        "look",
        "sepia | sepia photo | sepia tone | brown vintage photo",
        "vintage sepia photo",
        "a photo in sepia | a portrait toned in sepia",
    ),
    _words(
        "picture",
        "old black and white photo | black and white photo | monochrome photo | old photo | greyscale photo",
        "old monochrome photo",
        "a photo in black and white | a grey faded old photo",
    ),
    _words(
        "look",
        "neon | neon glow | neon lights | neon lines | glowing sign",
        "neon sign | glowing neon",
        "a face drawn in glowing lines | a face in neon lights on black",
        tints=True,
    ),
    _words(
        "look",
        "thermal camera | thermal image | heat map | heat camera | thermography",
        "thermal heat map | heat image",
        "a face seen by a thermal camera | body heat in false colours",
    ),
    _words(
        "picture",
        "negative | photo negative | film negative | inverted photo",
        "inverted film negative",
        "a photo with inverted colours | a face on a film negative",
    ),
    _words(
        "picture",
        "blueprint | technical blueprint | blueprint drawing | technical drawing",
        "technical blueprint drawing",
        "white lines on blue paper | a face drawn as a blueprint",
    ),
    _words(
        "picture",
        "cyanotype | cyanotype print | prussian blue print | cyanotype photo",
        "prussian blue cyanotype",
        "a photo printed as a cyanotype | printed in prussian blue",
    ),
    _words(
        "material",
        "marble statue | marble bust | marble sculpture | white stone statue | marble",
        "white marble sculpture | stone bust",
        "a face carved in marble | carved from white stone",
    ),
    _words(
        "material",
        "bronze statue | bronze bust | bronze sculpture | bronze",
        "cast bronze bust",
        "a face cast in bronze | a bronze statue with green patina",
    ),
    _words(
        "material",
        "gold statue | golden statue | gold bust | gold sculpture | solid gold",
        "solid gold bust",
        "a face made of gold | a face cast in shining gold",
    ),
    _words(
        "person",
        "zombie | rotting zombie | undead zombie | walking dead",
        "dead zombie | rotting dead",
        "a face turned into a zombie | the face of the walking dead",
    ),
    _words(
        "person",
        "joker | evil clown | joker make up | clown with green hair",
        "clown make up",
        "a white face with a red mouth and green hair | made up as the joker",
    ),
    _words(
        "person",
        "blue alien | alien | alien with blue skin | blue skinned alien",
        "blue skin alien",
        "a face with blue skin | from another planet with blue skin",
    ),
    _words(
        "person",
        "vampire | pale vampire | count dracula | dracula",
        "pale dracula",
        "a pale face with red eyes | a face turned into a vampire",
    ),
    _words(
        "look",
        "pop art | pop art print | warhol | warhol screen print",
        "warhol pop art",
        "a portrait by warhol | printed in flat loud colours",
    ),
    _words(
        "picture",
        "woodblock print | woodblock | woodcut | woodcut print | woodblock portrait",
        "woodcut portrait | woodblock woodcut",
        "a face cut in wood and printed | lines cut in a block of wood",
        tints=True,
    ),
    _words(
        "look",
        "stained glass | stained glass window | church window | leaded glass",
        "leaded glass window",
        "a face in a church window | a face made of coloured glass",
        tints=True,
    ),
    _words(
        "picture",
        "pastel drawing | soft pastel | pastel painting | pastel portrait",
        "soft pastel drawing",
        "a face drawn in pastel | soft chalk pastel colours",
        tints=True,
    ),
    _words(
        "picture",
        "embossed relief | relief | embossed picture | bas relief",
        "embossed bas relief",
        "a face pressed into grey metal | a face embossed in grey",
        tints=True,
    ),
    _words(
        "look",
        "infrared photo | infrared | infrared film | infrared portrait",
        "infrared film photo",
        "a photo on infrared film | a face seen in infrared",
    ),
    _words(
        "look",
        "night vision | night vision goggles | night vision camera | green vision scope",
        "night scope | night goggles",
        "a face seen at night through goggles | a face in green night vision",
    ),
    _words(
        "look",
        "duotone | duotone print | duotone photo | pink and blue duotone",
        "blue and pink duotone print",
        "a photo in two colours | printed in two inks",
    ),
    _words(
        "look",
        "sunset light | sunset | golden hour | evening sun",
        "evening sunset | sunset sun",
        "a face lit by the evening sun | a photo at sunset",
    ),
    _words(
        "material",
        "ice sculpture | ice statue | frozen face | ice",
        "frozen ice | frozen statue",
        "a face frozen in ice | a face carved in ice | covered with ice",
    ),
    _words(
        "material",
        "clay sculpture | clay figure | clay bust | terracotta | clay",
        "terracotta bust | terracotta figure",
        "a face modelled in clay | a face of red terracotta clay",
    ),
    _words(
        "material",
        "porcelain figure | porcelain doll | porcelain | delft porcelain",
        "delft doll | delft figure",
        "a face of white porcelain | white porcelain painted in cobalt blue",
    ),
    _words(
        "person",
        "hulk | green hulk | green giant | green skinned monster",
        "green monster | hulk monster",
        "a face with green skin | a face turned into the hulk",
    ),
    _words(
        "person",
        "devil | red devil | demon | satan",
        "red demon | red satan",
        "a face with red skin and yellow eyes | a face turned into the devil",
    ),
    _words(
        "picture",
        "chalkboard drawing | blackboard drawing | white chalk drawing | chalkboard",
        "blackboard chalk drawing | blackboard chalk",
        "a face drawn with white chalk on a blackboard | chalk lines on a school board",
    ),
    _words(
        "look",
        "cyberpunk | cyberpunk light | cyberpunk city lights | cyberpunk city",
        "cyberpunk lights | cyberpunk sign",
        "a face lit in pink and cyan | a photo from a cyberpunk city",
    ),
    _words(
        "picture",
        "x ray | x ray photo | x ray image | radiograph",
        "radiograph image",
        "a face seen by x rays | an x ray from a hospital",
    ),
    _words(
        "picture",
        "van gogh painting | van gogh | van gogh portrait | swirling impasto painting | starry night painting",
        "swirling van gogh | impasto portrait",
        "a face painted by van gogh | painted in swirling strokes of blue and yellow",
        tints=True,
    ),
    _words(
        "picture",
        "anime | anime drawing | anime character | manga drawing | cel shaded anime",
        "manga character | anime portrait",
        "a face drawn as anime | drawn with clean lines and shiny hair",
        tints=True,
    ),
    _words(
        "picture",
        "ukiyo-e print | ukiyo-e | japanese print | edo print | japanese wave print",
        "japanese edo print | edo ukiyo-e",
        "an old japanese print with waves | a face printed in old japan",
    ),
    _words(
        "picture",
        "pointillism | pointillist painting | pointillist picture | painting of dots",
        "pointillist portrait | pointillism painting",
        "a face painted in small dots | dots of pure colour",
        tints=True,
    ),
    _words(
        "look",
        "low poly | low poly art | low poly triangles | polygon art | triangle mesh",
        "polygon mesh | triangle art",
        "a face made of triangles | a face built from polygons",
        tints=True,
    ),
    _words(
        "picture",
        "comic book | comic book drawing | comic book page | graphic novel | superhero comic",
        "graphic novel drawing | superhero comic book",
        "a face from a comic book | a hero drawn in ink and flat colours",
        tints=True,
    ),
    _words(
        "look",
        "synthwave | retrowave | outrun | eighties synthwave | vaporwave",
        "eighties retrowave | eighties outrun",
        "a face before a striped sun | a face from the eighties in purple",
    ),
    _words(
        "picture",
        "tattoo art | tattoo | tattoo drawing | tattoo design | dotwork tattoo",
        "dotwork design | tattoo dotwork",
        "a face tattooed on skin | a face as a tattoo on an arm",
    ),
    _words(
        "picture",
        "linocut | linocut print | lino print | lino block print",
        "block lino | block linocut",
        "a face cut in lino and printed in black | black ink printed from lino",
        tints=True,
    ),
    _words(
        "look",
        "toy bricks | lego | lego bricks | plastic toy bricks | building bricks",
        "lego toy | plastic lego",
        "a face built from toy bricks | plastic bricks with studs",
        tints=True,
    ),
    _words(
        "picture",
        "embroidery | embroidered portrait | needlework | cross stitch | stitched thread",
        "embroidered needlework | stitched needlework",
        "a face stitched with thread | a face embroidered on linen",
        tints=True,
    ),
    _words(
        "picture",
        "crayon drawing | wax crayon drawing | crayon portrait | wax crayon",
        "wax drawing | wax portrait",
        "a face drawn with wax crayons | drawn by a child with crayons",
        tints=True,
    ),
    _words(
        "look",
        "graffiti | graffiti art | street art | spray paint | graffiti wall",
        "spray paint graffiti | street graffiti",
        "a face sprayed on a brick wall | sprayed in loud colours on a wall",
    ),
    _words(
        "look",
        "vintage film | vintage film photo | faded film | polaroid | retro film photo",
        "faded polaroid | faded vintage film",
        "a photo on faded old film | a photo with a light leak",
    ),
    _words(
        "look",
        "matrix code | matrix | falling code | digital rain | matrix rain",
        "digital code | falling matrix rain",
        "a face made of falling code | a face in signs on a screen",
    ),
    _words(
        "picture",
        "ink and wash | ink and wash painting | ink wash | line and wash | pen and wash",
        "line and wash painting | ink wash painting",
        "a face in ink lines and thin washes | ink lines with a wash of grey",
        tints=True,
    ),
    _words(
        "look",
        "frost | hoarfrost | frosty window | frost crystals | frosty winter",
        "frosty hoarfrost | frosty crystals",
        "a face covered with frost | a face behind a frozen window",
    ),
    _words(
        "material",
        "lava | molten lava | magma | volcano rock | molten rock",
        "molten magma | volcano lava",
        "a face of glowing lava | cracks of fire in black rock",
    ),
    _words(
        "look",
        "galaxy | nebula | starry galaxy | deep space | cosmic stars",
        "cosmic nebula | cosmic galaxy",
        "a face made of stars | a face from deep space",
    ),
    _words(
        "material",
        "wood carving | carved wood | wooden statue | wooden bust | wooden sculpture",
        "carved wooden bust | carved wooden statue",
        "a face carved in wood | a face of brown wood with its grain",
    ),
    _words(
        "look",
        "film noir | noir | noir film | detective noir | detective film",
        "noir detective film | detective film noir",
        "a face in the shadow of a blind | a dark film from the forties",
    ),
    _words(
        "picture",
        "paper cutout | cut paper art | layered paper | paper collage | papercut",
        "layered paper cutout | layered papercut",
        "a face cut from paper | sheets of paper with their shadows",
        tints=True,
    ),
    _words(
        "look",
        "hologram | holographic projection | hologram projection | projected hologram",
        "holographic hologram | projected holographic projection",
        "a face projected in light | a see through face of blue light",
    ),
    _words(
        "material",
        "chrome statue | chrome bust | chrome sculpture | liquid metal | polished chrome",
        "polished chrome bust | liquid chrome",
        "a face of polished chrome | a face like a mirror of metal",
    ),
    _words(
        "look",
        "glitch | glitch art | vhs glitch | corrupted video | digital glitch",
        "corrupted vhs | corrupted glitch art",
        "a broken video picture of a face | a face torn by a bad signal",
    ),
    _words(
        "picture",
        "coloured pencil | coloured pencil drawing | coloured pencil portrait | colour pencil drawing",
        "colour pencil portrait | colour pencil picture",
        "a face drawn in coloured pencils | drawn with many coloured pencils",
    ),
    _words(
        "picture",
        "risograph | risograph print | riso print | riso poster | risograph poster",
        "riso risograph print | poster risograph",
        "a face printed in three inks | a poster printed with spot colours",
    ),
)

STYLE_WORDS: dict[str, Words] = {words.name: words for words in _TABLE}
NAMES: tuple[str, ...] = tuple(STYLE_WORDS)
# Never shown to what adapts the encoder to drawings: one-shot adaptation is measured on these.
UNSEEN_STYLES = (
    "bronze statue", "embroidery", "linocut", "mosaic", "negative", "oil painting", "pencil sketch", "pop art",
    "ukiyo-e print", "zombie",
)  # fmt: skip

COLOUR_WORDS: dict[str, tuple[str, ...]] = {
    "red": ("red", "crimson"),
    "blue": ("blue",),
    "green": ("green",),
    "golden": ("golden", "yellow"),
    "pink": ("pink", "rosy"),
    "purple": ("purple", "violet"),
    "orange": ("orange",),
    "teal": ("teal", "turquoise"),
    "brown": ("brown",),
    "silver": ("silver", "silvery"),
}
_TINTED = tuple(name for name in NAMES if STYLE_WORDS[name].tints)

# Two styles per colour are never trained on: the "unseen" combinations.
HELD_OUT: frozenset[tuple[str, str]] = frozenset(
    {
        ("red", "pencil sketch"),
        ("red", "stained glass"),
        ("blue", "charcoal drawing"),
        ("blue", "pastel drawing"),
        ("green", "ink drawing"),
        ("green", "comic halftone"),
        ("golden", "mosaic"),
        ("golden", "embossed relief"),
        ("pink", "cartoon"),
        ("pink", "ink drawing"),
        ("purple", "watercolour"),
        ("purple", "mosaic"),
        ("orange", "woodblock print"),
        ("orange", "pencil sketch"),
        ("teal", "oil painting"),
        ("teal", "charcoal drawing"),
        ("brown", "pixel art"),
        ("brown", "watercolour"),
        ("silver", "neon"),
        ("silver", "oil painting"),
    }
)

# For averaging text embeddings: each takes a phrase with its article, "a pencil sketch", "a photo of a face".
TEMPLATES = (
    "{}",
    "{}.",
    "this is {}",
    "here is {}",
    "{} of a face",
    "{} of a person",
    "{} of a woman",
    "{} of a man",
    "a picture, {}",
    "a portrait, {}",
    "a face, {}",
    "a portrait in the style of {}",
    "a face in the style of {}",
    "a face as {}",
    "a person as {}",
    "a portrait as {}",
    "a face that looks like {}",
    "a picture of {}",
    "an image of {}",
    "a fine example of {}",
)

_CAPTIONS: dict[Kind, tuple[str, ...]] = {
    "picture": (
        "{a}",
        "{p}",
        "{a} of a face",
        "{a} of a person",
        "{a} of a woman",
        "{a} of a man",
        "a face as {a}",
        "a portrait as {a}",
        "a portrait, {p}",
        "this is {a}",
        "a portrait in the style of {a}",
        "a face in the style of {a}",
        "{p} style",
    ),
    "look": (
        "{p}",
        "{p} portrait",
        "{p} style",
        "{p} look",
        "a face, {p}",
        "a face in {p}",
        "a portrait in {p}",
        "a portrait in the style of {p}",
        "a face in the style of {p}",
        "{p} picture of a person",
        "a picture in {p} style",
    ),
    "material": (
        "{a}",
        "{p}",
        "a face as {a}",
        "a face like {a}",
        "a person turned into {a}",
        "a picture of {a}",
        "a photo of {a}",
        "{a} of a woman",
        "{a} of a man",
        "a portrait as {a}",
        "a face that looks like {a}",
        "{p} style",
    ),
    "person": (
        "{a}",
        "{p}",
        "{p} face",
        "a face as {a}",
        "a person as {a}",
        "a person turned into {a}",
        "a photo of {a}",
        "a picture of {a}",
        "a portrait of {a}",
        "{p} portrait",
        "a face that looks like {a}",
    ),
}


def tokens(text: str) -> list[str]:
    """Lower-case words of any alphabet without punctuation, in British spelling."""
    text = text.lower().replace("color", "colour").replace("gray", "grey").replace("sculpted", "sculpture")
    return re.findall(r"[^\W\d_]+|[0-9]+", text)


_MASS = {
    "charcoal", "line art", "oil on canvas", "aquarelle", "ukiyo e", "soft pastel", "marble", "bronze",
    "solid gold", "ice", "clay", "terracotta", "porcelain", "delft porcelain", "walking dead", "joker make up",
    "count dracula", "dracula", "satan", "pencil", "ink", "pointillism", "tattoo art", "embroidery", "needlework",
    "stitched thread", "ink and wash", "ink wash", "line and wash", "pen and wash", "lava", "molten lava", "magma",
    "volcano rock", "molten rock", "carved wood", "cut paper art", "layered paper", "liquid metal", "polished chrome",
    "painting of dots",
}  # fmt: skip  # phrases without an article
FILLERS = frozenset(tokens("a an the of in as is this that with and on by like look looks style my me please"))

# Words found in the phrases of only one style that do not mean it on their own.
_VAGUE = frozenset(
    tokens(
        """
        old image picture print drawing white black dead film game light lights lines sign hair make up skin skinned
        character bit book soft map strip evil small flat church window classical master giant monster camera
        technical walking video retro graphics city count pale pen tone hour evening sun solid night inverted
        vintage stone cast screen figure doll glow glowing scope body heat dots page design block toy plastic building
        street wall spray paint faded digital falling rain code window winter deep space stars rock paper layered cut
        liquid metal polished novel poster swirling starry carved line pen triangle mesh collage stitched building
        """
    )
)


def article(phrase: str) -> str:
    """The phrase with "a" or "an", if it takes an article."""
    if phrase in _MASS:
        return phrase
    return f"{'an' if phrase[0] in 'aeio8' or phrase.startswith(('x ray', 'undead')) else 'a'} {phrase}"


def combinations(unseen: bool = False) -> list[tuple[str, str]]:
    """(colour, style) pairs to train on, or those held out."""
    pairs = [(colour, name) for colour in COLOUR_WORDS for name in (*_TINTED, PHOTO)]
    return [pair for pair in pairs if (pair in HELD_OUT) == unseen]


def caption(style: str, colour: str | None, rng: np.random.Generator) -> str:
    """A random caption of a style ("photo" for the plain photo), tinted or not. KeyError for unknown words.

    Never uses held-out phrases; the caller decides whether (colour, style) may be held out.
    """

    def choose(options: tuple[str, ...]) -> str:
        return options[int(rng.integers(len(options)))]

    if style == PHOTO:
        if colour is None:
            return choose(PHOTO_PHRASES)
        tint = choose(COLOUR_WORDS[colour])
        return choose((f"{article(tint)} photo", f"{article(tint)} photo of a face", f"a photo in {tint}", tint))
    words = STYLE_WORDS[style]
    if colour is None and words.sayings and rng.random() < 0.2:
        return choose(words.sayings)
    # People mostly type the canonical name.
    phrase = words.name if rng.random() < 0.4 else choose(words.phrases)
    if colour is not None:
        tint = choose(COLOUR_WORDS[colour])
        if rng.random() < 0.2:
            return f"{article(phrase) if words.kind != 'look' else phrase} in {tint}"
        phrase = f"{tint} {phrase}"
        words_article = f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}"
    else:
        words_article = article(phrase)
    return choose(_CAPTIONS[words.kind]).format(p=phrase, a=words_article)


@cache
def known_words() -> frozenset[str]:
    """All words that can occur in training captions."""
    texts = [*PHOTO_PHRASES, *(word for words in COLOUR_WORDS.values() for word in words)]
    texts += [text for words in STYLE_WORDS.values() for text in (*words.phrases, *words.sayings)]
    texts += [template for templates in _CAPTIONS.values() for template in templates]
    return frozenset(word for text in texts for word in tokens(re.sub(r"{\w*}", "", text))) | FILLERS


KNOWN_WORDS = known_words()


@cache
def phrases() -> dict[tuple[str, ...], str]:
    """Token sequences that name a style: its phrases, and words that occur in no other style's phrases."""
    table = {tuple(tokens(phrase)): words.name for words in _TABLE for phrase in (*words.phrases, *words.held_out)}
    generic = FILLERS | _VAGUE | {word for text in PHOTO_PHRASES for word in tokens(text)}
    generic |= {word for words in COLOUR_WORDS.values() for word in words}
    owners: dict[str, set[str]] = {}
    for words in _TABLE:
        for phrase in (*words.phrases, *words.held_out):
            for word in tokens(phrase):
                owners.setdefault(word, set()).add(words.name)
    for word, names in owners.items():
        if len(names) == 1 and word not in generic and len(word) > 1:
            table.setdefault((word,), next(iter(names)))
    return table


def nearest(text: str, count: int = 3) -> list[str]:
    """The styles with phrases spelled most like the description, nearest first."""
    wanted = " ".join(word for word in tokens(text) if word not in FILLERS)[:100]
    scores: dict[str, float] = {}
    for phrase, name in phrases().items():
        # A single word may be a misspelt keyword; a whole description a misspelt phrase.
        candidates = [wanted] if len(phrase) > 1 else [wanted, *wanted.split()]
        best = max((difflib.SequenceMatcher(None, " ".join(phrase), c).ratio() for c in candidates), default=0.0)
        scores[name] = max(scores.get(name, 0.0), best)
    return sorted(scores, key=lambda name: -scores[name])[:count]
