"""What the page says, in English and Russian."""

from __future__ import annotations

import re

import gradio as gr

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "tagline": "Your photo in, your face in any style out. Pick a style or describe one.",
        "photo": "Your photo",
        "examples": "Or try one of these",
        "faces": "Faces found",
        "faces_info": "All are stylised unless you choose some",
        "ready": "Ready styles: click one",
        "describe": "Or describe a style",
        "describe_info": "A style that is not ready is trained for you: about a minute on a small machine",
        "describe_hint": "a graphite portrait, a red mosaic, a frozen statue ...",
        "go": "Stylise",
        "cancel": "Cancel",
        "strength": "Strength",
        "strength_info": "0 leaves the face as it is, 1 is the style as trained, more exaggerates",
        "detail": "Detail",
        "detail_info": "left: the model's own picture; right: all the detail of your photo",
        "more": "More settings",
        "source": "What the face is now",
        "steps": "Training steps",
        "steps_info": "more steps take longer and go further",
        "seed": "Seed",
        "seed_info": "the same number gives the same result",
        "whole": "Before | after",
        "aligned": "The face alone",
        "understood": "What the model understood",
        "domain_file": "The style as a file",
        "picture_file": "The picture as a file (PNG)",
        "start": "Choose a photo with a face to begin.",
        "found_one": "One face found. Now pick a style or describe one.",
        "found_many": "{n} faces found. Now pick a style or describe one.",
        "need_photo": "Choose a photo with a face first.",
        "need_style": "Pick a ready style or describe one.",
        "training": "Training “{name}”: step {step} of {steps}, about {left} s left. The picture shows it so far.",
        "waiting": "Training “{name}” starts ...",
        "done": "Done: {name}.",
        "cancelled": "Cancelled. The picture shows the last step.",
    },
    "ru": {
        "tagline": "Загрузите фото — и получите лицо в любом стиле. Выберите стиль или опишите его.",
        "photo": "Ваше фото",
        "examples": "Или попробуйте одно из этих",
        "faces": "Найденные лица",
        "faces_info": "Изменяются все, если не выбрать некоторые",
        "ready": "Готовые стили: нажмите на любой",
        "describe": "Или опишите стиль",
        "describe_info": "Новый стиль обучается для вас: около минуты на небольшой машине",
        "describe_hint": "портрет карандашом, красная мозаика, ледяная статуя ...",
        "go": "Применить",
        "cancel": "Отмена",
        "strength": "Сила",
        "strength_info": "0 — лицо без изменений, 1 — стиль как обучен, больше — преувеличение",
        "detail": "Детали",
        "detail_info": "слева — рисунок самой модели, справа — все детали вашего фото",
        "more": "Другие настройки",
        "source": "Что на фото сейчас",
        "steps": "Шаги обучения",
        "steps_info": "больше шагов — дольше и сильнее",
        "seed": "Зерно",
        "seed_info": "одно и то же число даёт один и тот же результат",
        "whole": "До | после",
        "aligned": "Только лицо",
        "understood": "Что поняла модель",
        "domain_file": "Стиль в виде файла",
        "picture_file": "Картинка в виде файла (PNG)",
        "start": "Для начала выберите фото с лицом.",
        "found_one": "Найдено одно лицо. Выберите стиль или опишите его.",
        "found_many": "Найдено лиц: {n}. Выберите стиль или опишите его.",
        "need_photo": "Сначала выберите фото с лицом.",
        "need_style": "Выберите готовый стиль или опишите его.",
        "training": "Обучается «{name}»: шаг {step} из {steps}, осталось около {left} с. На картинке — что вышло.",
        "waiting": "Начинается обучение «{name}» ...",
        "done": "Готово: {name}.",
        "cancelled": "Отменено. Картинка показывает последний шаг.",
    },
}

I18N = gr.I18n(**WORDS)


def language(request: gr.Request | None) -> str:
    """The visitor's language, "en" or "ru", as the browser's Accept-Language header names it."""
    wanted = (request.headers.get("accept-language", "") if request is not None else "")[:2].lower()
    return wanted if wanted in WORDS else "en"


def say(request: gr.Request | None, key: str, **values: object) -> str:
    """A sentence in the visitor's language."""
    return WORDS[language(request)][key].format(**values)


# The ready styles for Russian readers, and the word stems by which a Russian description names them.
RUSSIAN_STYLES: dict[str, tuple[str, tuple[str, ...]]] = {
    "pencil sketch": ("карандаш", ("карандаш", "эскиз", "наброс", "скетч")),
    "charcoal drawing": ("уголь", ("угл", "угол")),
    "ink drawing": ("тушь", ("туш", "чернил")),
    "oil painting": ("масло", ("масл",)),
    "watercolour": ("акварель", ("акварел",)),
    "cartoon": ("мультфильм", ("мульт",)),
    "comic halftone": ("комикс", ("комикс",)),
    "pixel art": ("пиксели", ("пиксел",)),
    "mosaic": ("мозаика", ("мозаи",)),
    "sepia": ("сепия", ("сепи",)),
    "old black and white photo": ("старое фото", ("черно", "чёрно", "стар", "ретро")),
    "neon": ("неон", ("неон",)),
    "thermal camera": ("тепловизор", ("теплов",)),
    "negative": ("негатив", ("негатив",)),
    "blueprint": ("чертёж", ("черт",)),
    "cyanotype": ("цианотипия", ("цианот",)),
    "marble statue": ("мрамор", ("мрамор",)),
    "bronze statue": ("бронза", ("бронз",)),
    "gold statue": ("золото", ("золото",)),
    "zombie": ("зомби", ("зомби",)),
    "joker": ("джокер", ("джокер",)),
    "blue alien": ("инопланетянин", ("инопланет", "пришел", "аватар")),
    "vampire": ("вампир", ("вампир",)),
    "pop art": ("поп-арт", ("поп-арт", "попарт")),
    "woodblock print": ("гравюра", ("гравюр",)),
    "stained glass": ("витраж", ("витраж",)),
    "pastel drawing": ("пастель", ("пастел",)),
    "embossed relief": ("рельеф", ("рельеф", "барельеф", "чекан")),
    "infrared photo": ("инфракрасное", ("инфракрасн",)),
    "night vision": ("ночное видение", ("ночн",)),
    "duotone": ("двухцветное", ("двухцвет", "дуотон")),
    "sunset light": ("закат", ("закат",)),
    "ice sculpture": ("лёд", ("лед", "лёд")),
    "clay sculpture": ("глина", ("глин",)),
    "porcelain figure": ("фарфор", ("фарфор",)),
    "hulk": ("халк", ("халк",)),
    "devil": ("дьявол", ("дьявол", "демон", "бес")),
    "chalkboard drawing": ("мел на доске", ("мел", "доск")),
    "cyberpunk": ("киберпанк", ("киберпанк",)),
    "x ray": ("рентген", ("рентген",)),
}
RUSSIAN_COLOURS = {
    "red": ("красн", "алый", "алая", "алое"),
    "blue": ("синий", "синяя", "синее", "сине", "голуб"),
    "green": ("зелен", "зелён"),
    "golden": ("золотой", "золотая", "золотое", "золотист", "желт", "жёлт"),
    "pink": ("розов",),
    "purple": ("фиолет", "пурпур"),
    "orange": ("оранж",),
    "teal": ("бирюз",),
    "brown": ("коричн",),
    "silver": ("серебр",),
}
RUSSIAN_FILLERS = ("рисун", "портр", "картин", "живопис", "стил", "фото", "стату", "скульп", "лиц", "изображ", "виден")


def russian_name(style: str) -> str:
    """What a ready style is called in Russian; its own name where there is no other."""
    return RUSSIAN_STYLES[style][0] if style in RUSSIAN_STYLES else style


def in_english(text: str) -> str:
    """A Russian description in the words of the model: its colours, then its styles; what is not understood stays."""
    words = re.findall(r"[a-zа-яё-]+", text.lower())
    if not any(re.search("[а-яё]", word) for word in words):
        return text
    colours, styles, rest = [], [], []
    for word in words:
        colour = next((name for name, stems in RUSSIAN_COLOURS.items() if word.startswith(stems)), None)
        style = next((name for name, (_, stems) in RUSSIAN_STYLES.items() if word.startswith(stems)), None)
        if colour:
            colours.append(colour)
        elif style:
            styles.append(style)
        elif len(word) > 3 and not word.startswith(RUSSIAN_FILLERS):
            rest.append(word)
    return " ".join(dict.fromkeys([*colours, *styles, *rest]))
