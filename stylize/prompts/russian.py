"""Descriptions in Russian, translated for the models: names of styles and colours, and the words that may surround
them."""

from __future__ import annotations

import re

# For every style: its Russian name, and patterns of words that mean it; a stem without an ending matches any ending.
RUSSIAN_STYLES: dict[str, tuple[str, str]] = {
    # A pattern that contains another style's noun comes before that style.
    "coloured pencil": ("цветные карандаши", r"цветн\w* карандаш\w*"),
    "ink and wash": ("размывка тушью", r"размывк\w*(?: туш\w*)?|туш\w* (?:с размывк\w*|и акварел\w*)"),
    "crayon drawing": ("восковые мелки", r"воск\w*(?: мел\w*)?"),
    "vintage film": ("плёнка", r"(?:винтаж\w* |стар\w* )?пл[её]нк\w*|поляроид\w*"),
    "ukiyo-e print": ("укиё-э", r"уки[её](?:[ -]?[эе])?|японск\w* гравюр\w*"),
    "graffiti": ("граффити", r"графф?ити|стрит-?арт\w*"),
    "pencil sketch": ("карандаш", r"карандаш\w*|эскиз\w*|наброс\w*|скетч\w*|графит\w*"),
    "charcoal drawing": ("уголь", r"уголь\w*|угл(?:я|ю|ем|ём|е)|угольк\w*"),
    "ink drawing": ("тушь", r"туш(?:ь|и|ью|евой|евый|евая)|чернил\w*|перо|пером|лайн-?арт\w*|контурн\w*"),
    "oil painting": ("масло", r"масл\w*|холст\w*"),
    "watercolour": ("акварель", r"акварел\w*"),
    "cartoon": ("мультфильм", r"мульт\w*|анимац\w*|анимир\w*"),
    "comic halftone": ("полутоновый комикс", r"(?:полутон|растров)\w*(?: комикс\w*)?"),
    "pixel art": ("пиксели", r"пиксел\w*|(?:8|восьми)[ -]?бит\w*"),
    "mosaic": ("мозаика", r"мозаи\w*|плитк\w*|смальт\w*"),
    "sepia": ("сепия", r"сепи\w*|винтаж\w*"),
    "old black and white photo": (
        "старое фото",
        r"ч[её]рно-?бел\w*|монохром\w*|стар\w* (?:фото\w*|снимо?к\w*)|ретро(?:[ -]?фото\w*)?",
    ),
    "neon": ("неон", r"неон\w*|светящ\w*"),
    "thermal camera": ("тепловизор", r"теплов\w*|термограф\w*|термокам\w*"),
    "negative": ("негатив", r"негатив\w*|инверт\w*|инверси\w*"),
    "blueprint": ("чертёж", r"черт[её]ж\w*|светокоп\w*"),
    "cyanotype": ("цианотипия", r"цианот\w*|берлинск\w* лазур\w*"),
    "marble statue": ("мрамор", r"мрамор\w*|камен\w*|камня"),
    "bronze statue": ("бронза", r"бронз\w*"),
    "gold statue": (
        "золото",
        r"золот(?:о|а|у|ом|е)|золот\w* (?:стату\w*|скульп\w*|бюст\w*)(?! из)",
    ),
    "zombie": ("зомби", r"зомби\w*|нежит\w*|мертвец\w*|мертвяк\w*"),
    "joker": ("джокер", r"джокер\w*|клоун\w*"),
    "blue alien": ("инопланетянин", r"инопланет\w*|пришел(?:ец|ьц\w*)|аватар\w*|син\w* кож\w*"),
    "vampire": ("вампир", r"вампир\w*|дракул\w*|упыр\w*"),
    "pop art": ("поп-арт", r"поп[ -]?арт\w*|уорхол\w*"),
    "woodblock print": ("гравюра", r"гравюр\w*|ксилограф\w*"),
    "stained glass": ("витраж", r"витраж\w*"),
    "pastel drawing": ("пастель", r"пастел\w*"),
    "embossed relief": ("рельеф", r"(?:ба|го)?рельеф\w*|чекан\w*|тисн[её]н\w*"),
    "infrared photo": ("инфракрасное", r"инфракрасн\w*"),
    "night vision": ("ночное видение", r"ночн\w*(?: виден\w*)?"),
    "duotone": ("двухцветное", r"двухцвет\w*|двух цвет\w*|дуотон\w*"),
    "sunset light": ("закат", r"закат\w*|золот\w* час\w*|вечерн\w*"),
    "ice sculpture": ("лёд", r"л[её]д|льд\w*|ледян\w*|ледов\w*|зам[её]рз\w*|замор[ао]ж\w*|мороз\w*"),
    "clay sculpture": ("глина", r"глин\w*|терракот\w*"),
    "porcelain figure": ("фарфор", r"фарфор\w*|гжел\w*|кукл\w*|кукол\w*"),
    "hulk": ("халк", r"халк\w*|зел[её]н\w* (?:великан|гигант|монстр|чудовищ)\w*"),
    "devil": ("дьявол", r"дьявол\w*|демон\w*|бес(?:а|у|ом|е|ы|ов)?|ч[её]рт(?:а|у|ом|е|и|ей)?|сатан\w*"),
    "chalkboard drawing": (
        "мел на доске",
        r"(?:мел(?:а|у|ом|е|ок|ки|ком)?|мелов\w*)(?: на (?:\w+ )?доск\w*)?|(?:школьн\w* )?доск\w*",
    ),
    "cyberpunk": ("киберпанк", r"кибер-?панк\w*"),
    "x ray": ("рентген", r"рентген\w*|икс-?луч\w*"),
    "van gogh painting": ("ван гог", r"ван[ -]?гог\w*|зв[её]здн\w* ноч\w*"),
    "anime": ("аниме", r"аниме|манг\w*"),
    "pointillism": ("пуантилизм", r"пуантил\w*"),
    "low poly": ("лоу-поли", r"лоу[ -]?поли|(?:низко)?полигон\w*|треугольник\w*"),
    "comic book": ("комикс", r"комикс\w*|графическ\w* роман\w*|супергеро\w*"),
    "synthwave": ("синтвейв", r"синтвейв\w*|ретровейв\w*|восьмидесят\w*"),
    "tattoo art": ("татуировка", r"тату(?:иров\w*|шк\w*)?"),
    "linocut": ("линогравюра", r"линогравюр\w*|линорез\w*"),
    "toy bricks": ("кубики", r"кубик\w*|лего|конструктор\w*"),
    "embroidery": ("вышивка", r"выши[вт]\w*|гладью|крестиком"),
    "matrix code": ("матрица", r"матриц\w*"),
    "frost": ("иней", r"ине(?:й|я|ем)|изморозь\w*"),
    "lava": ("лава", r"лав(?:а|ы|е|у|ой)|магм\w*|вулкан\w*"),
    "galaxy": ("галактика", r"галактик\w*|косм(?:ос|ич)\w*|туманност\w*"),
    "wood carving": ("резьба по дереву", r"резьб\w*(?: по дереву)?|деревянн\w*|дерева"),
    "film noir": ("нуар", r"(?:фильм[ -])?нуар\w*"),
    "paper cutout": ("бумага", r"бума[гж]\w*|аппликац\w*"),
    "hologram": ("голограмма", r"гологра\w*"),
    "chrome statue": ("хром", r"хром(?:а|у|ом|е)?|хром(?:ир|ов)\w*"),
    "glitch": ("глитч", r"глитч\w*|помех\w*"),
    "risograph": ("ризография", r"ризогр\w*"),
}
RUSSIAN_COLOURS: dict[str, tuple[str, str]] = {
    "red": ("красный", r"красн\w*|ал(?:ый|ая|ое|ые|ого|ой|ому|ым|ую|ых|ыми|ом)|багр\w*|бордов\w*|малинов\w*|пунцов\w*"),
    "blue": ("синий", r"син(?:ий|яя|ее|ие|его|ей|ему|им|юю|их|ими|ем)|сине(?=-)|голуб\w*|лазурн\w*"),
    "green": ("зелёный", r"зел[её]н\w*|изумруд\w*|салатов\w*"),
    "golden": ("золотой", r"золот(?:ой|ая|ое|ые|ого|ому|ым|ую|ых|ыми)|золотист\w*|ж[её]лт\w*"),
    "pink": ("розовый", r"розов\w*"),
    "purple": ("фиолетовый", r"фиолет\w*|пурпур\w*|сирен\w*|лилов\w*"),
    "orange": ("оранжевый", r"оранж\w*|рыж\w*"),
    "teal": ("бирюзовый", r"бирюз\w*|аквамарин\w*"),
    "brown": ("коричневый", r"коричн\w*|бур(?:ый|ая|ое|ые|ого|ой|ому|ым|ую|ых|ыми|ом)|шоколадн\w*"),
    "silver": ("серебряный", r"серебр\w*"),
}


def _pattern(table: dict[str, tuple[str, str]], key: str) -> re.Pattern[str]:
    """Matches whole words, also after a hyphen: "жёлто-красный"."""
    return re.compile(rf"(?<!\w)(?:{table[key][1]})(?!\w)")


# Styles come first, because some include a colour.
PATTERNS = [(name, _pattern(RUSSIAN_STYLES, name)) for name in RUSSIAN_STYLES] + [
    (name, _pattern(RUSSIAN_COLOURS, name)) for name in RUSSIAN_COLOURS
]
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


def russian_name(name: str) -> str:
    """The Russian name of a style or colour; its own name if there is none."""
    return (RUSSIAN_STYLES | RUSSIAN_COLOURS).get(name, (name,))[0]
