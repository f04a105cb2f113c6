"""What the page says, in English and Russian."""

from __future__ import annotations

import gradio as gr

from stylize.prompts.russian import russian_name

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "tagline": (
            "Your photo in, your face in any style out. Describe a style, pick one, mix several, or train your "
            "own."
        ),
        "photo": "Your photo",
        "examples": "Or try one of these",
        "random": "Random face",
        "random_seed": "Or a face that nobody has",
        "random_info": "the same number draws the same face",
        "whole": "Before, after",
        "aligned": "Face alone",
        "understood": "The model's view",
        "faces": "All faces",
        "faces_info": "All are stylised unless you choose some",
        "strength": "Strength",
        "strength_info": "right: more of the style. 0 is your own face, 1 the style as made, below 0 its opposite",
        "detail": "Detail",
        "detail_info": "right: more of your photo; left: the model's own picture and its strokes",
        "own_colours": "Keep my colours",
        "own_colours_info": "take only light and shade from the style",
        "save_png": "Download PNG",
        "keep_shown": "Keep the style",
        "copy_link": "Copy link",
        "link": "Link to these settings",
        "link_info": "copied; it carries the styles and the random face, never your photo",
        "tab_instant": "Instant",
        "tab_text": "By words",
        "tab_oneshot": "By picture",
        "tab_video": "Video",
        "tab_library": "Library",
        "ready": "Ready styles: click one",
        "describe": "Describe a style",
        "describe_info": "The picture follows as soon as you stop typing",
        "describe_info_ready": (
            "A ready style, with a colour if you like; the picture follows as soon as you stop typing"
        ),
        "describe_hint": "teal ink, pink watercolour, frozen zombie ...",
        "ideas": "Ideas: click one",
        "mix": "Mix up to four styles",
        "mix_info": (
            "Add styles to the one above: ready, described, or your own. To the right a style counts more, 0 "
            "leaves it out, below 0 takes it away."
        ),
        "style_2": "Second style",
        "style_3": "Third style",
        "style_4": "Fourth style",
        "weight_1": "Weight of the first style",
        "weight_2": "Weight of the second",
        "weight_3": "Weight of the third",
        "weight_4": "Weight of the fourth",
        "weight_info": "right: more of it",
        "levels_1": "Structure, features, colours of the first style",
        "levels_2": "Structure, features, colours of the second",
        "levels_3": "Structure, features, colours of the third",
        "levels_4": "Structure, features, colours of the fourth",
        "way": "Between the styles",
        "way_info": "in the mix, the grid and the movie; turning keeps a mix as strong as its styles",
        "straight": "straight",
        "turning": "turning",
        "pictured": "Style from a picture, at once",
        "pictured_info": (
            "Takes the colours and tones of a picture and adds it to the mix. A picture that looks like an ordinary "
            "photo changes little, and strokes do not come along: for those, train it in the tab “By picture”."
        ),
        "pictured_label": "Picture of the style",
        "picture_name": "picture {name}",
        "levels": "Structure, features, colours of all",
        "coarse": "Structure (coarse)",
        "coarse_info": "right: more of the style in shapes and pose; 0 keeps yours",
        "medium": "Features (medium)",
        "medium_info": "right: more of the style in eyes, mouth and hair; 0 keeps yours",
        "fine": "Colours and texture (fine)",
        "fine_info": "right: more of the style in colours and strokes; 0 keeps yours",
        "edits": "Change the face",
        "edit_info": "right: more; visible where Detail is low",
        "grid": "Grid between the styles",
        "grid_info": (
            "One picture with your styles in its corners and their mixes in between. Click a place in it to use "
            "that mix."
        ),
        "grid_go": "Draw the grid",
        "grid_done": "The grid is drawn; click a place in it to use that mix.",
        "morph": "Moving picture",
        "morph_info": "Your face walks from its own look through every style above.",
        "format": "File",
        "seconds": "Seconds for each style",
        "seconds_info": "right: slower, and longer to draw",
        "morph_go": "Draw the movie",
        "moving": "Your moving picture",
        "drawing": "Drawing picture {n} of {of}, about {left} s left.",
        "morph_done": "The moving picture is ready to download.",
        "stop": "Stop",
        "halted": "Stopped.",
        "left": "about {left} s left",
        "continue": "Continue",
        "text_info": (
            "Trains a style of your own for a description. It takes about a minute on a small machine; you "
            "watch it and stop when you like it."
        ),
        "describe_target": "What the face becomes",
        "source": "What the face is now",
        "source_face": "a photo of a face",
        "source_info": "the training moves from this description to the one above",
        "more": "More settings",
        "preset": "How long",
        "preset_info": "right: takes longer, goes further",
        "fast": "fast",
        "balanced": "balanced",
        "strong": "strong",
        "seed": "Seed",
        "seed_info": "same number, same result",
        "train": "Train",
        "idle": "Nothing is trained yet.",
        "preview": "So far: your face, then random faces",
        "loss": "Loss",
        "name": "Name",
        "name_info": "under which you keep it",
        "keep": "Keep",
        "apply": "Apply",
        "download": "Download",
        "discard": "Discard",
        "domain_file": "The style as a file",
        "oneshot_info": (
            "Trains a style from one to ten pictures of it: a drawing, a painting, a filtered portrait. Faces "
            "are best. Your own colours stay with “Keep my colours” under the result."
        ),
        "references": "Pictures of the style, 1 to 10",
        "style_mix": "Style of the picture",
        "style_mix_info": "right: more of the picture's own texture and colours; left: only what was learnt",
        "video_info": (
            "Every face of a short video or GIF in the style of the tab “Instant”, with the strength, detail and "
            "colours set under the result. The sound stays. Up to 60 s (as GIF or WebP 20 s)."
        ),
        "video_source": "Your video or GIF",
        "video_go": "Stylise the video",
        "video_frame": "So far",
        "video_done": "Your video",
        "video_waiting": "Reading the video ...",
        "video_faces": "Following the faces: {percent} %, about {left} s left.",
        "video_encode": "Understanding the faces: {percent} %, about {left} s left.",
        "video_draw": "Drawing: {percent} %, about {left} s left.",
        "video_ready": "Ready in {seconds} s, {rate} frames a second.",
        "video_smaller": "It is drawn at {width}x{height} px and {fps} frames a second, to be quicker.",
        "video_hdr": "It has high dynamic range ({kind}); its colours become ordinary ones.",
        "video_stopped": "Stopped; nothing is kept.",
        "need_video": "Choose a video or a GIF first.",
        "live": "Live camera",
        "live_info": "Your camera in the style of the tab “Instant”, as you move. Nothing is kept.",
        "live_camera": "Camera",
        "live_result": "In the style",
        "library": "Styles",
        "library_info": "Ready styles first, then yours (★). Yours are kept in this browser only.",
        "library_info_shared": (
            "Ready styles first, then those that are kept (★). They are shared with everybody who uses this "
            "page."
        ),
        "library_pick": "Click a style to use, rename, download or delete it.",
        "picked": "“{name}” is yours: use, rename, download or delete it.",
        "picked_ready": "“{name}” is a ready style: use or download it.",
        "only_own": "Ready styles stay as they are; pick one of yours (★).",
        "rename": "Rename",
        "delete": "Delete",
        "import": "Import files or packs",
        "export": "Export all as a pack",
        "style_file": "File of the style",
        "renamed": "It is called “{name}” now.",
        "name_taken": "The name “{name}” is empty or taken; choose another.",
        "deleted": "“{name}” is deleted.",
        "imported": "{n} styles imported.",
        "nothing_kept": "You have kept no style yet.",
        "model": "Model",
        "full_info": (
            "This is the small model. The full one draws 1024 px and understands any English description; it "
            "takes 2.5 GB and a fast machine."
        ),
        "full_get": "Get the full model",
        "full_only_here": "Only who sits at this machine may fetch the full model.",
        "full_done": "The full model is here; start the page again to use it.",
        "example": "Example",
        "empty": "Nothing here yet",
        "too_large": "The file is larger than {size} MB; make it smaller first.",
        "wrong_kind": "The file is not of the kind that is asked for here; choose another.",
        "start": "Choose a photo with a face to begin.",
        "found_one": "One face found. Now describe a style or pick one.",
        "found_many": "{n} faces found. Now describe a style or pick one.",
        "too_small": "Too small to be changed, narrower than {least} px: {n}, in grey under “All faces”.",
        "random_face": "A random face, number {seed}. Now describe a style or pick one.",
        "need_photo": "Choose a photo with a face first.",
        "need_style": "Describe a style or pick a ready one.",
        "training": "Training “{name}”: step {step} of {steps}, about {left} s left.",
        "waiting": "Training “{name}” starts ...",
        "trained": "Trained “{name}” in {step} steps; keep it, apply it, or continue.",
        "stopped": "Stopped after step {step}; keep it, apply it, or continue.",
        "nothing_trained": "Nothing is trained yet; press Train first.",
        "kept": "Kept as “{name}”; it is in the library.",
        "link_own": "The link calls for “{names}”, which only you have: send the file too (Library, Download).",
        "done": "Done: {name}.",
    },
    "ru": {
        "tagline": (
            "Загрузите фото — и получите лицо в любом стиле. Опишите стиль, выберите, смешайте несколько или "
            "обучите свой."
        ),
        "photo": "Ваше фото",
        "examples": "Или попробуйте одно из этих",
        "random": "Случайное лицо",
        "random_seed": "Или лицо, которого нет ни у кого",
        "random_info": "одно число — одно и то же лицо",
        "whole": "До и после",
        "aligned": "Только лицо",
        "understood": "Что поняла модель",
        "faces": "Все лица",
        "faces_info": "Изменяются все, если не выбрать некоторые",
        "strength": "Сила",
        "strength_info": "вправо — больше стиля. 0 — ваше лицо, 1 — стиль как есть, ниже 0 — наоборот",
        "detail": "Детали",
        "detail_info": "вправо — больше от вашего фото, влево — рисунок самой модели с её штрихами",
        "own_colours": "Сохранить мои цвета",
        "own_colours_info": "взять у стиля только свет и тень",
        "save_png": "Скачать PNG",
        "keep_shown": "Сохранить стиль",
        "copy_link": "Ссылка",
        "link": "Ссылка на эти настройки",
        "link_info": "скопирована; в ней стили и случайное лицо, но не ваше фото",
        "tab_instant": "Сразу",
        "tab_text": "По словам",
        "tab_oneshot": "По фото",
        "tab_video": "Видео",
        "tab_library": "Мои",
        "ready": "Готовые стили: нажмите на любой",
        "describe": "Опишите стиль",
        "describe_info": "Картинка меняется, как только вы перестанете печатать",
        "describe_info_ready": "Готовый стиль, можно с цветом; картинка меняется, как только вы перестанете печатать",
        "describe_hint": "бирюзовая тушь, розовая акварель, ледяной зомби ...",
        "ideas": "Идеи: нажмите на любую",
        "mix": "Смешать до четырёх стилей",
        "mix_info": (
            "Добавьте стили к описанному выше: готовые, описанные или свои. Вправо — больше стиля, 0 — без "
            "него, ниже 0 — вычитается."
        ),
        "style_2": "Второй стиль",
        "style_3": "Третий стиль",
        "style_4": "Четвёртый стиль",
        "weight_1": "Вес первого стиля",
        "weight_2": "Вес второго",
        "weight_3": "Вес третьего",
        "weight_4": "Вес четвёртого",
        "weight_info": "вправо — больше",
        "levels_1": "Форма, черты, цвета первого стиля",
        "levels_2": "Форма, черты, цвета второго",
        "levels_3": "Форма, черты, цвета третьего",
        "levels_4": "Форма, черты, цвета четвёртого",
        "way": "Между стилями",
        "way_info": "в смеси, сетке и ролике; с поворотом смесь так же сильна, как её стили",
        "straight": "прямо",
        "turning": "с поворотом",
        "pictured": "Стиль с картинки, сразу",
        "pictured_info": (
            "Берёт цвета и тона картинки и добавляет её в смесь. Картинка, похожая на обычное фото, меняет мало, а "
            "штрихи не переносятся: для них обучите стиль во вкладке «По фото»."
        ),
        "pictured_label": "Картинка стиля",
        "picture_name": "картинка {name}",
        "levels": "Форма, черты, цвета всей смеси",
        "coarse": "Форма (крупное)",
        "coarse_info": "вправо — больше стиля в форме и позе; 0 — ваши",
        "medium": "Черты (среднее)",
        "medium_info": "вправо — больше стиля в глазах, губах и волосах; 0 — ваши",
        "fine": "Цвета и фактура (мелкое)",
        "fine_info": "вправо — больше стиля в цветах и штрихах; 0 — ваши",
        "edits": "Изменить лицо",
        "edit_info": "вправо — больше; заметно, когда «Детали» малы",
        "grid": "Сетка между стилями",
        "grid_info": (
            "Одна картинка: стили по углам, их смеси между ними. Нажмите на любое место, чтобы взять эту смесь."
        ),
        "grid_go": "Нарисовать сетку",
        "grid_done": "Сетка готова; нажмите на любое место, чтобы взять эту смесь.",
        "morph": "Движущаяся картинка",
        "morph_info": "Ваше лицо проходит от себя самого через все стили выше.",
        "format": "Файл",
        "seconds": "Секунд на каждый стиль",
        "seconds_info": "вправо — медленнее, и рисуется дольше",
        "morph_go": "Нарисовать",
        "moving": "Ваша движущаяся картинка",
        "drawing": "Рисуется кадр {n} из {of}, осталось около {left} с.",
        "morph_done": "Движущуюся картинку можно скачать.",
        "stop": "Стоп",
        "halted": "Остановлено.",
        "left": "осталось около {left} с",
        "continue": "Продолжить",
        "text_info": (
            "Обучает ваш собственный стиль по описанию. На небольшой машине — около минуты; вы видите ход и "
            "можете остановить."
        ),
        "describe_target": "Чем станет лицо",
        "source": "Что на фото сейчас",
        "source_face": "фото лица",
        "source_info": "обучение идёт от этого описания к описанию выше",
        "more": "Другие настройки",
        "preset": "Как долго",
        "preset_info": "правее — дольше и сильнее",
        "fast": "быстро",
        "balanced": "средне",
        "strong": "сильно",
        "seed": "Зерно",
        "seed_info": "то же число — тот же результат",
        "train": "Обучить",
        "idle": "Пока ничего не обучено.",
        "preview": "Пока так: ваше лицо, затем случайные",
        "loss": "Ошибка",
        "name": "Имя",
        "name_info": "под которым вы его сохраните",
        "keep": "Сохранить",
        "apply": "Применить",
        "download": "Скачать",
        "discard": "Выбросить",
        "domain_file": "Стиль в виде файла",
        "oneshot_info": (
            "Обучает стиль по картинкам, от одной до десяти: рисунок, живопись, портрет с фильтром. Лучше всего "
            "лица. Ваши цвета сохранит «Сохранить мои цвета» под результатом."
        ),
        "references": "Картинки стиля, от 1 до 10",
        "style_mix": "Стиль картинки",
        "style_mix_info": "вправо — больше фактуры и цветов картинки; влево — только выученное",
        "video_info": (
            "Все лица короткого видео или GIF в стиле вкладки «Сразу», с силой, деталями и цветами, выбранными под "
            "результатом. Звук остаётся. До 60 с (GIF и WebP — до 20 с)."
        ),
        "video_source": "Ваше видео или GIF",
        "video_go": "Обработать видео",
        "video_frame": "Пока так",
        "video_done": "Ваше видео",
        "video_waiting": "Читаю видео ...",
        "video_faces": "Ищу лица: {percent} %, осталось около {left} с.",
        "video_encode": "Узнаю лица: {percent} %, осталось около {left} с.",
        "video_draw": "Рисую: {percent} %, осталось около {left} с.",
        "video_ready": "Готово за {seconds} с, {rate} кадра в секунду.",
        "video_smaller": "Рисуется {width}x{height} px и {fps} кадров в секунду — так быстрее.",
        "video_hdr": "В нём широкий динамический диапазон ({kind}); цвета станут обычными.",
        "video_stopped": "Остановлено; ничего не сохранено.",
        "need_video": "Сначала выберите видео или GIF.",
        "live": "Камера вживую",
        "live_info": "Ваша камера в стиле вкладки «Сразу», пока вы двигаетесь. Ничего не хранится.",
        "live_camera": "Камера",
        "live_result": "В стиле",
        "library": "Стили",
        "library_info": "Сначала готовые стили, затем ваши (★). Ваши хранятся только в этом браузере.",
        "library_info_shared": (
            "Сначала готовые стили, затем сохранённые (★). Они общие для всех, кто пользуется этой страницей."
        ),
        "library_pick": "Нажмите на стиль, чтобы применить, переименовать, скачать или удалить его.",
        "picked": "«{name}» — ваш: примените, переименуйте, скачайте или удалите.",
        "picked_ready": "«{name}» — готовый стиль: примените или скачайте.",
        "only_own": "Готовые стили не меняются; выберите свой (★).",
        "rename": "Переименовать",
        "delete": "Удалить",
        "import": "Загрузить файлы или наборы",
        "export": "Выгрузить все набором",
        "style_file": "Файл стиля",
        "renamed": "Теперь он называется «{name}».",
        "name_taken": "Имя «{name}» пустое или занято; выберите другое.",
        "deleted": "«{name}» удалён.",
        "imported": "Загружено стилей: {n}.",
        "nothing_kept": "Вы ещё не сохранили ни одного стиля.",
        "model": "Модель",
        "full_info": (
            "Это маленькая модель. Полная рисует 1024 px и понимает любое описание по-английски; ей нужно 2,5 "
            "ГБ и быстрая машина."
        ),
        "full_get": "Скачать полную модель",
        "full_only_here": "Полную модель может скачать только тот, кто сидит за этой машиной.",
        "full_done": "Полная модель здесь; запустите страницу заново, чтобы её использовать.",
        "example": "Пример",
        "empty": "Здесь пока пусто",
        "too_large": "Файл больше {size} МБ; сначала уменьшите его.",
        "wrong_kind": "Здесь нужен файл другого рода; выберите другой.",
        "start": "Для начала выберите фото с лицом.",
        "found_one": "Найдено одно лицо. Опишите стиль или выберите его.",
        "found_many": "Найдено лиц: {n}. Опишите стиль или выберите его.",
        "too_small": "Слишком мелких, у́же {least} пикселей: {n}; они в серых рамках на вкладке «Все лица».",
        "random_face": "Случайное лицо номер {seed}. Опишите стиль или выберите его.",
        "need_photo": "Сначала выберите фото с лицом.",
        "need_style": "Опишите стиль или выберите готовый.",
        "training": "Обучается «{name}»: шаг {step} из {steps}, осталось около {left} с.",
        "waiting": "Начинается обучение «{name}» ...",
        "trained": "«{name}» обучен (шагов: {step}); сохраните, примените или продолжите.",
        "stopped": "Остановлено после шага {step}; сохраните, примените или продолжите.",
        "nothing_trained": "Пока ничего не обучено; сначала нажмите «Обучить».",
        "kept": "Сохранено как «{name}»; оно во вкладке «Мои».",
        "link_own": "Ссылка зовёт «{names}», а это есть только у вас: пошлите и файл («Мои», «Скачать»).",
        "done": "Готово: {name}.",
    },
}

I18N = gr.I18n(**WORDS)


def language(request: gr.Request | None) -> str:
    """The visitor's language, "en" or "ru", as the browser's Accept-Language header names it."""
    wanted = (request.headers.get("accept-language", "") if request is not None else "")[:2].lower()
    return wanted if wanted in WORDS else "en"


def style_name(request: gr.Request | None, name: str) -> str:
    """A ready style in the visitor's language."""
    return russian_name(name) if language(request) == "ru" else name


def say(request: gr.Request | None, key: str, **values: object) -> str:
    """A sentence in the visitor's language."""
    return WORDS[language(request)][key].format(**values)
