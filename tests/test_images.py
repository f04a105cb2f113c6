"""Any file in, upright RGB or one clear sentence out."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylize.errors import PhotoError
from stylize.images import MOST_PIXELS, read_photo, save_image, to_image, to_tensor


def ramp(width: int = 48, height: int = 32) -> Image.Image:
    x = np.linspace(0, 255, width, dtype=np.uint8)
    return Image.fromarray(np.repeat(np.stack([x, x[::-1], x // 2], 1)[None], height, 0))


def encoded(image: Image.Image, kind: str, **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **settings)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "YCbCr", "HSV", "LAB", "I", "F", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    image = ramp()
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    elif mode == "LAB":
        image = Image.new("LAB", (48, 32))
    else:
        image = image.convert("L").convert(mode) if mode in ("LA", "I", "F") else image.convert(mode)
    photo = read_photo(image)
    assert photo.mode == "RGB"
    assert photo.size == (48, 32)


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 32 * 32).reshape(32, 32).astype(np.uint16)
    photo = np.asarray(read_photo(encoded(Image.fromarray(values), "PNG")))
    assert np.abs(photo[..., 0].astype(float) - values / 257).max() <= 1


def test_orientation_is_obeyed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its left side
    photo = read_photo(encoded(ramp(), "JPEG", exif=exif))
    assert photo.size == (32, 48)
    assert np.asarray(photo)[0].mean(0)[0] < np.asarray(photo)[-1].mean(0)[0]


def test_transparency_is_laid_on_white() -> None:
    assert read_photo(Image.new("RGBA", (20, 20), (255, 0, 0, 0))).getpixel((3, 3)) == (255, 255, 255)


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    photo = read_photo(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    assert photo.getpixel((5, 5)) == (255, 0, 0)


def test_unusable_files_are_named_in_one_sentence(tmp_path: Path) -> None:
    text = tmp_path / "letter.jpg"
    text.write_text("Dear reader")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(encoded(ramp(640, 480), "JPEG")[:900])
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, words in ((text, "not a picture"), (cut, "damaged"), (empty, "not a picture")):
        with pytest.raises(PhotoError, match=words) as caught:
            read_photo(path)
        assert "\n" not in str(caught.value)
        assert str(tmp_path) not in str(caught.value)  # where uploads lie is nobody's business
    with pytest.raises(PhotoError, match="There is no picture"):
        read_photo(tmp_path / "nowhere.jpg")
    with pytest.raises(PhotoError, match="only 10x4"):
        read_photo(Image.new("RGB", (10, 4)))


def test_a_picture_of_too_many_pixels_is_refused_unread() -> None:
    side = int(MOST_PIXELS**0.5) + 10
    with pytest.raises(PhotoError, match="megapixels"):
        read_photo(encoded(Image.new("1", (side, side)), "PNG"))


def test_tensors_and_pictures_convert_without_loss() -> None:
    image = Image.fromarray(np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 16, 16)
    assert (tensor.min(), tensor.max()) == (-1, 1)
    assert np.array_equal(np.asarray(to_image(tensor)), np.asarray(image))
    assert to_image(torch.full((3, 4, 4), 9.0)).getpixel((0, 0)) == (255, 255, 255)


def test_a_saved_png_tells_its_settings(tmp_path: Path) -> None:
    save_image(ramp(), tmp_path / "a.png", {"to": "эскиз", "strength": 0.5})
    with Image.open(tmp_path / "a.png") as image:
        assert json.loads(image.text["stylize"]) == {"to": "эскиз", "strength": 0.5}
