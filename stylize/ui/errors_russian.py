"""The package's English error sentences in Russian.

A test fails if a sentence that the page can show is missing here.
"""

from __future__ import annotations

import re

from stylize.errors import Sentence
from stylize.prompts.russian import russian_name

# A sentence with {} for every value -> its translation, with numbered values.
SENTENCES: dict[str, str] = {
    # photos
    "No face found in the {} picture; use a photo with a face seen from the front, at least 80 px wide.": (
        "На картинке {0} не найдено лица; нужно фото с лицом спереди, не уже 80 px."
    ),
    "The face in the {} picture seems to be {}; turn the picture by {} and try again.": (
        "Лицо на картинке {0}, кажется, {1}; поверните её на {2} и попробуйте снова."
    ),
    "The largest face found is only {} px wide; use a photo with a face at least 80 px wide.": (
        "Самое большое лицо шириной всего {0} px; нужно фото с лицом не уже 80 px."
    ),
    "{} has the unsupported format {}; save it as JPEG or PNG.": (
        "{0} — файл вида {1}, с которым работать нельзя; сохраните его как JPEG или PNG."
    ),
    "{} has {} megabytes; use a picture of at most {}.": "{0} занимает {1} мегабайт; нужна картинка не больше {2}.",
    "{} cannot be read ({}); check its permissions.": "{0} не прочесть ({1}); проверьте, кому его можно читать.",
    "{} is not a picture that can be read; use JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF.": (
        "{0} — не картинка, которую можно прочесть; нужен JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP или GIF."
    ),
    "{} has too many pixels; use a picture of at most {} megapixels.": (
        "В {0} слишком много пикселей; нужна картинка не больше {1} мегапикселей."
    ),
    "{} is damaged or incomplete; save it again, or use another picture.": (
        "{0} повреждён или обрезан; сохраните его заново или возьмите другую картинку."
    ),
    "The picture has {}x{} pixels; use one of at most {} megapixels.": (
        "На картинке {0}x{1} пикселей; нужна не больше {2} мегапикселей."
    ),
    "The picture has only {}x{} pixels; use a larger one.": "На картинке всего {0}x{1} пикселей; нужна больше.",
    "There is no picture {}; check the path.": "Нет картинки {0}; проверьте путь.",
    # descriptions
    "The description is empty; say what the face should become, such as 'pencil sketch'.": (
        "Описание пусто; скажите, чем должно стать лицо, например «карандаш»."
    ),
    "The description has {} characters; use at most {}.": "В описании {0} знаков; можно не больше {1}.",
    "The {} model does not know {}; the nearest it knows: {}.": (
        "Модель {0} не знает {1}; ближайшее, что она знает: {2}."
    ),
    "The {} model reads English and Russian, and does not know {}; the nearest it knows: {}.": (
        "Модель {0} понимает английский и русский и не знает {1}; ближайшее, что она знает: {2}."
    ),
    "The nearest that can be drawn: {} ({} sure).": "Ближайшее, что можно нарисовать: {0} (уверенность {1}).",
    "What was drawn for it: {}.": "Что для этого нарисовано: {0}.",
    "Left out: {}, because a single part of the face cannot be coloured.": (
        "Пропущено: {0}; часть лица нельзя окрасить отдельно."
    ),
    "Left out: {}, because it needs another shape; the full model can draw it.": (
        "Пропущено: {0}; для этого нужна другая форма, её может полная модель."
    ),
    "Left out: {}, because it could not be translated into English.": (
        "Пропущено: {0}; это не удалось перевести на английский."
    ),
    "The text-image model reads English; it was given: {}.": "Модель читает по-английски; ей сказано: {0}.",
    "The text-image model does not understand {} and may draw what it rules out; "
    "describe only what should be visible.": (
        "Модель не понимает {0} и может нарисовать исключённое; опишите только то, что должно быть видно."
    ),
    "Left out, because unknown: {}.": "Пропущено: {0}; это неизвестно.",
    "The {} model draws colours and strokes, not shapes such as {}; the full model can (python -m stylize "
    "download full, then --model full).": (
        "Модель {0} рисует цвета и штрихи, а не формы, как {1}; их может полная модель (python -m stylize "
        "download full, затем --model full)."
    ),
    "The {} model cannot colour just one part of the face, as {} asks; name a colour for the whole face.": (
        "Модель {0} не может окрасить одну часть лица, как просит {1}; назовите цвет для всего лица."
    ),
    "The description {} only says what not to draw; say what the face should become.": (
        "Описание {0} говорит только, чего не рисовать; скажите, чем должно стать лицо."
    ),
    "The description {} has no words; use words, such as 'pencil sketch'.": (
        "В описании {0} нет слов; опишите словами, например «карандаш»."
    ),
    "The text-image model reads English, not {}; describe it in English.": (
        "Модель читает по-английски, а не {0}; опишите стиль по-английски."
    ),
    "The description is too long for the text-image model, which would cut {}.": (
        "Описание слишком длинное: модель отрезала бы {0}."
    ),
    "There is no ready style for {}; train one in the tab “By words”, or add a colour to a ready style.": (
        "{0} не готов; обучите его во вкладке «По словам» или добавьте цвет к готовому стилю."
    ),
    "There is no ready domain for {}; train it, or use one of: {}.": (
        "Для {0} нет готового стиля; обучите его или возьмите один из этих: {1}."
    ),
    "There is no style {}; import domain files in the library.": (
        "Нет стиля {0}; файлы стилей загружаются во вкладке «Мои»."
    ),
    # mixing and the look
    "All weights are 0, so nothing is left of the styles; change one of them.": (
        "Все веса равны 0, и от стилей ничего не осталось; сдвиньте один из них."
    ),
    "There is nothing to mix; give at least one domain with its weight.": (
        "Смешивать нечего; дайте хотя бы один стиль с его весом."
    ),
    "A style of the mix has {} characters; use at most {}.": "В стиле смеси {0} знаков; можно не больше {1}.",
    "The weight of {} is {}; use a finite number.": "Вес {0} равен {1}; нужно конечное число.",
    "These domains have style rows of different sizes; mix ones of the same kind.": (
        "Эти стили несут рисунок разного размера; смешивайте стили одного рода."
    ),
    "{} and {} cannot be mixed: their {} differs ({} and {}); use domains made for one generator in one order.": (
        "{0} и {1} нельзя смешать: у них разный {2} ({3} и {4}); нужны стили для одного генератора и в одном порядке."
    ),
    "The strength is {} but must be between {} and {}.": "Сила равна {0}, а должна лежать между {1} и {2}.",
    "The detail is {} but must be between 0 and 1.": "Детали равны {0}, а должны лежать между 0 и 1.",
    "The {} model has no edit {}; it has: {}.": "Модель {0} не умеет менять {1}; она умеет: {2}.",
    "The edit {} is {} but must be between {} and {}.": "Изменение {0} равно {1}, а должно лежать между {2} и {3}.",
    "This walk cannot be shown in {} frames; choose from {} to {}.": (
        "В {0} кадров этот путь не уложить; выберите от {1} до {2}."
    ),
    "Cannot write {}: an animation needs frames and a name ending in {}.": (
        "Нельзя записать {0}: анимации нужны кадры и имя, оканчивающееся на {1}."
    ),
    # videos
    "There is no file {}; check the path.": "Нет файла {0}; проверьте путь.",
    "Cannot write {}: the name must end in {}.": "Нельзя записать {0}: имя должно кончаться на {1}.",
    "No face found in {}; use a video with a face seen from the front, at least about a tenth of the picture wide.": (
        "В {0} не найдено лица; нужно видео с лицом спереди, не уже примерно десятой части кадра."
    ),
    "{} has no frames; use another file.": "В {0} нет кадров; возьмите другой файл.",
    "{} has no picture, only other streams; use a video.": "В {0} нет изображения, только другие дорожки; нужно видео.",
    "{} has {}x{} pixels; use one with sides of at least {} px and at most {} megapixels.": (
        "В {0} {1}x{2} пикселей; нужно от {3} px по стороне до {4} мегапикселей."
    ),
    "{} is a still picture; use a video or an animated picture.": (
        "{0} — неподвижная картинка; нужно видео или анимация."
    ),
    "{} is incomplete: only {} of its {} frames are there; save it again.": (
        "{0} обрезан: есть {1} из {2} кадров; сохраните его заново."
    ),
    "{} is damaged: its tilings have pieces below 0.": "Файл {0} повреждён: у кусков мозаики номера меньше нуля.",
    "{} is damaged or incomplete; save it again, or use another file.": (
        "{0} повреждён или обрезан; сохраните его заново или возьмите другой файл."
    ),
    "{} is not a readable video, or is incomplete; use MP4, MOV, WebM, GIF or WebP.": (
        "{0} — не видео, которое можно прочесть, или обрезан; нужен MP4, MOV, WebM, GIF или WebP."
    ),
    "{} lasts {} s; use one of at most {} s, or cut it.": "{0} длится {1} с; можно не дольше {2} с, обрежьте его.",
    # files of styles
    "There is no domain file {}; check the path.": "Нет файла стиля {0}; проверьте путь.",
    "{} has {} bytes, far too many for a domain file.": "В {0} {1} байт — слишком много для файла стиля.",
    "{} is not a domain file; use one written by `adapt` or `mix`.": (
        "{0} — не файл стиля; нужен тот, что скачан на этой странице."
    ),
    "{} is not a domain file or is damaged; create it again.": (
        "{0} — не файл стиля или повреждён; сделайте его заново."
    ),
    "{} is an incomplete or damaged domain file; create it again.": (
        "В {0} не хватает части файла стиля, или он повреждён; сделайте его заново."
    ),
    "{} contains numbers that no training produces, or is damaged; create it again.": (
        "В {0} числа, каких обучение не даёт, или он повреждён; сделайте его заново."
    ),
    "{} cannot be used: {}": "{0} нельзя использовать: {1}",
    "The domain's vector has the shape {} but its layout needs {} numbers; create it again.": (
        "Вектор стиля имеет форму {0}, а нужно чисел: {1}; сделайте его заново."
    ),
    "The domain {} contains non-finite numbers; create it again.": (
        "В стиле {0} есть бесконечные числа; сделайте его заново."
    ),
    "The domain's order is {} but must be one of {}.": "Порядок стиля — {0}, а должен быть одним из {1}.",
    "The style rows of the domain {} are damaged; create it again.": (
        "Рисунок стиля {0} повреждён; сделайте его заново."
    ),
    "The style rows of the domain {} do not fit this generator; create it again.": (
        "Рисунок стиля {0} не подходит этому генератору; сделайте его заново."
    ),
    (
        "The domain {} was made for {} and has {} numbers, but the {} px generator {} takes {}; use a domain made for "
        "it."
    ): (
        "Стиль {0} сделан для другого генератора: в нём {2} чисел, а генератору {3} px нужно {5}; "
        "возьмите стиль, сделанный для него."
    ),
    "The domain {} was made for the generator {}, not for {}; create it again.": (
        "Стиль {0} сделан для генератора {1}, а не для {2}; сделайте его заново."
    ),
    "The domain vector has {} numbers but this {} px generator takes {}; use a domain made for it.": (
        "В стиле {0} чисел, а генератору {1} px нужно {2}; возьмите стиль, сделанный для него."
    ),
    # the library
    "{} is not a readable zip file; export it again.": "{0} — не читаемый zip; выгрузите набор заново.",
    "There is room for {} kept styles; delete one first.": (
        "Места хватает на {0} сохранённых стилей; сначала удалите один."
    ),
    "{} contains no {} files; use a pack exported by this page.": (
        "В {0} нет файлов {1}; нужен набор, выгруженный этой страницей."
    ),
    "{} contains {} files; use packs of at most {}.": "В {0} файлов: {1}; нужен набор не больше {2}.",
    "{} in {} is far too large for a domain file.": "{0} в {1} слишком велик для файла стиля.",
    "The {} model was not loaded from a folder; load it from one.": (
        "Модель {0} не лежит в папке; загрузите модель из папки."
    ),
    # training
    "{} reference pictures were given; use 1 to {}.": "Картинок стиля дано: {0}; нужно от 1 до {1}.",
    "No face was found in reference {}, so its centre was used instead.": (
        "На картинке {0} лица не нашлось, взята её середина."
    ),
    "The face in reference {} is only {} px wide; a larger one works better.": (
        "Лицо на картинке {0} шириной всего {1} px; большее научит лучше."
    ),
    "The share of style mixing is {} but must be between 0 and 1.": (
        "Доля стиля картинки равна {0}, а должна лежать между 0 и 1."
    ),
    "There is no preset {}; choose from {}.": "Нет набора настроек {0}; есть: {1}.",
    "Cannot train for {} steps; choose from 1 to 10,000.": "Обучить {0} шагов нельзя; выберите от 1 до 10 000.",
    "The learning rate is {} but must be above 0 and at most 1.": (
        "Скорость обучения равна {0}, а должна быть больше 0 и не больше 1."
    ),
    "This training has done {} steps already; ask for more than {}.": (
        "Это обучение уже прошло {0} шагов; нужно больше, чем {1}."
    ),
    "The training diverged at step {}; use a lower learning rate.": (
        "Обучение разошлось на шаге {0}; нужна меньшая скорость обучения."
    ),
    "The saved training does not fit the model or is damaged; start it again.": (
        "Остаток этого обучения не подходит модели или повреждён; начните его заново."
    ),
    "The training has converged after {} steps.": "Обучение сошлось за {0} шагов.",
    "The description {} is what the face is already; describe something else.": (
        "{0} — это и так на фото; опишите что-нибудь другое."
    ),
    # the model
    "{} does not fit the encoder beside it; train it again.": (
        "{0} не подходит к кодировщику рядом; обучите его заново."
    ),
    "There is no file {}.": "Нет файла {0}.",
    "{} has a different architecture: {} ({} differences).": "В {0} другая архитектура: {1} (отличий: {2}).",
    "{} cannot be written ({}); free some space or choose another place.": (
        "{0} нельзя записать ({1}); освободите место или выберите другое."
    ),
    "{} is not a file of this project or is damaged ({}).": "{0} — не файл этого проекта или повреждён ({1}).",
    "{} has settings unknown to this version ({}).": "В {0} настройки, которых эта версия не знает ({1}).",
    "{} is not a generator; use a file that contains one.": "{0} — не генератор; нужен файл с ним.",
    "The generator knows {} parts of a face, not {}; use another.": (
        "Генератор знает {0} частей лица, а не {1}; возьмите другой."
    ),
    "{} is not a hypernetwork of this project.": "{0} — не гиперсеть этого проекта.",
    "The direction {} has the shape {} instead of ({},).": "Направление {0} имеет форму {1} вместо ({2},).",
    "This is not a mapper of the kind residual_channelin; no other kind is supported.": (
        "Это не гиперсеть вида residual_channelin; другие неизвестны."
    ),
    "The {} model has no hypernetwork; use a ready domain, or train on the description.": (
        "У модели {0} нет гиперсети; возьмите готовый стиль или обучите по описанию."
    ),
    "The hypernetwork was made for {}, not for {}; train it again or use its own.": (
        "Гиперсеть сделана для другого генератора ({0}), а не для {1}; обучите её заново или возьмите её собственный."
    ),
    "The hypernetwork takes embeddings of {} numbers, but this text-image model gives {}; "
    "use the one it was trained with.": (
        "Гиперсеть читает {0} чисел описания, а эта модель даёт {1}; возьмите ту, с которой её обучали."
    ),
    "The weights of {} cancel out, so nothing is left; change one of them.": (
        "Веса стилей {0} гасят друг друга, и ничего не остаётся; сдвиньте один из них."
    ),
    "{} in {} is not a number; write it like sepia=0.5 or sepia=0.5,fine=0.": (
        "{0} в {1} — не число; пишите так: sepia=0.5 или sepia=0.5,fine=0."
    ),
    "{} is not a style with its weight, like sepia=0.5 or sepia=0.5,fine=0.": (
        "{0} — не стиль с весом, как sepia=0.5 или sepia=0.5,fine=0."
    ),
    "The {} model has no encoder, so it cannot read photos; draw random samples, or use another model.": (
        "У модели {0} нет кодировщика, и читать фото она не может; берите случайные лица или другую модель."
    ),
    (
        "The {} model has no clip.safetensors to understand descriptions; run python -m stylize download full "
        "to get the full model's."
    ): (
        "У модели {0} нет clip.safetensors, который понимает описания; файл полной модели скачает "
        "python -m stylize download full."
    ),
    "The encoder and the generator in {} do not match.": ("Кодировщик и генератор в {0} не подходят друг другу."),
    "{} needs the encoder e4e as {} beside it; download e4e-ffhq.": (
        "Файлу {0} нужен рядом кодировщик e4e под именем {1}; скачайте e4e-ffhq."
    ),
    "The device {} is not available here; leave it out or use cpu.": (
        "Устройства {0} здесь нет; не указывайте его или возьмите cpu."
    ),
    "The full model is missing; run python -m stylize download full.": (
        "Полной модели здесь нет; её скачает python -m stylize download full."
    ),
    "There is no model {}; use mini, full or the path of a model's folder.": (
        "Нет модели {0}; есть mini, full или путь к папке модели."
    ),
    "The package face_recognition_models is missing; install requirements.txt.": (
        "Нет пакета face_recognition_models; установите requirements.txt."
    ),
    # fetching the full model
    "There is no download called {}; use full, {}.": "Под именем {0} скачивать нечего; есть full, {1}.",
    "{} is missing, and HF_HUB_OFFLINE forbids downloading it; unset it once.": (
        "{0} здесь нет, а HF_HUB_OFFLINE запрещает скачивать; один раз уберите её."
    ),
    "{} is not available now (the server answers {}); try again later to resume.": (
        "{0} сейчас не получить (сервер отвечает {1}); повторите позже, скачивание продолжится."
    ),
    "{} requires permission ({}): accept its terms on its page and log in with hf auth login.": (
        "{0} просит разрешения ({1}): примите условия на его странице и войдите через hf auth login."
    ),
    "{} was not found (404); get the file elsewhere and convert it with python -m stylize convert.": (
        "{0} там нет (404); найдите файл в другом месте и прочтите его через python -m stylize convert."
    ),
    (
        "{} was downloaded, but its SHA-256 is {}... instead of {}...; it was deleted: try again, or use another "
        "HF_ENDPOINT."
    ): (
        "{0} пришёл целиком, но его SHA-256 — {1}... вместо {2}...; он выброшен: повторите или возьмите другой "
        "HF_ENDPOINT."
    ),
    "The domains need their generator; run python -m stylize download full first.": (
        "Стилям нужен их генератор; сначала его скачает python -m stylize download full."
    ),
    "{} is a web page instead of a weights file; try again later.": (
        "{0} — веб-страница вместо файла весов; попробуйте позже."
    ),
    "{} has {} bytes instead of {}: it is a different file.": "В {0} {1} байт вместо {2}: это другой файл.",
    (
        "The download needs {} but the disk of {} has {} free; make space, or choose other places with HF_HOME and "
        "STYLIZE_FULL."
    ): ("Нужно {0}, а на диске с {1} свободно {2}; освободите место или выберите другое через HF_HOME и STYLIZE_FULL."),
    ("{} cannot be written to ({}); free some space there or choose another HF_HOME, and try again to resume."): (
        "В {0} нельзя писать ({1}); освободите место или выберите другой HF_HOME и повторите: скачивание продолжится."
    ),
    "{} could not be converted into {} ({}).": "{0} не удалось преобразовать в {1} ({2}).",
    ("The connection to {} failed ({}) after {}; check the network or HF_ENDPOINT and try again to resume."): (
        "Связь с {0} прервалась ({1}) после {2}; проверьте сеть или HF_ENDPOINT и повторите: скачивание продолжится."
    ),
}
VALUES = {
    "upside down": "перевёрнуто",
    "on its side": "лежит на боку",
    "180 degrees": "180 градусов",
    "90 degrees clockwise": "90 градусов по часовой стрелке",
    "90 degrees counter-clockwise": "90 градусов против часовой стрелки",
    "generator": "генератор",
    "layout": "состав",
    "order": "порядок",
}


def in_russian(sentence: str) -> str:
    """A sentence of the package in Russian; unknown ones are returned unchanged."""
    key, values = (sentence.key, sentence.values) if isinstance(sentence, Sentence) else (sentence, ())
    if key.strip("{} ") == "":  # several joined into one
        return " ".join(map(_value, values))
    russian = SENTENCES.get(key)
    return sentence if russian is None else russian.format(*map(_value, values)) if values else russian


def _value(value: str) -> str:
    """A value of a sentence, with Russian style names and quotes; it may itself be a sentence."""
    if isinstance(value, Sentence):
        return in_russian(value)
    return ", ".join(_name(part) for part in value.split(", "))


def _name(text: str) -> str:
    quoted = re.fullmatch(r"(['\"])(.*)\1", text, re.DOTALL)
    name = quoted[2] if quoted else text
    name = VALUES.get(name) or russian_name(name)
    return f"«{name}»" if quoted else name
