"""Any file in, upright RGB or one clear sentence out."""

from __future__ import annotations

import errno
import io
import json
import os
import struct
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms

from stylize.errors import PhotoError, StylizeError
from stylize.images import MAX_PIXELS, PICTURE_FORMATS, ROTATIONS, read_photo, save_image, to_image, to_tensor
from stylize.places import atomic_write


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
    side = int(MAX_PIXELS**0.5) + 10
    with pytest.raises(PhotoError, match="megapixels"):
        read_photo(encoded(Image.new("1", (side, side)), "PNG"))


def test_tensors_and_pictures_convert_without_loss() -> None:
    image = Image.fromarray(np.arange(256 * 3, dtype=np.uint8).reshape(16, 16, 3))
    tensor = to_tensor(image)
    assert tensor.shape == (1, 3, 16, 16)
    assert (tensor.min().item(), tensor.max().item()) == (-1, 1)
    assert np.array_equal(np.asarray(to_image(tensor)), np.asarray(image))
    assert to_image(torch.full((3, 4, 4), 9.0)).getpixel((0, 0)) == (255, 255, 255)


def test_a_saved_png_tells_its_settings(tmp_path: Path) -> None:
    save_image(ramp(), tmp_path / "a.png", {"to": "эскиз", "strength": 0.5})
    with Image.open(tmp_path / "a.png") as image:
        assert json.loads(image.info["stylize"]) == {"to": "эскиз", "strength": 0.5}


# --- colours ------------------------------------------------------------------------------------------


def fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def profile(red: tuple[float, ...], green: tuple[float, ...], blue: tuple[float, ...], gamma: float) -> bytes:
    """An ICC profile of these primaries (XYZ under D50), as short as one can be."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)
    white = b"XYZ " + bytes(4) + b"".join(map(fixed, (0.9642, 1.0, 0.8249)))
    words = b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(80)
    tags = {b"wtpt": white, b"desc": words, b"cprt": b"text" + bytes(8)}
    for letter, xyz in zip(b"rgb", (red, green, blue), strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + b"".join(map(fixed, xyz))
        tags[bytes([letter]) + b"TRC"] = curve
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, value in tags.items():
        value += bytes(-len(value) % 4)
        table += name + struct.pack(">II", start + len(body), len(value))
        body += value
    head = bytes(4) + b"none" + struct.pack(">I", 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(map(fixed, (0.9642, 1.0, 0.8249))) + bytes(48)
    content = head + struct.pack(">I", len(tags)) + table + body
    return struct.pack(">I", len(content)) + content[4:]


DISPLAY_P3 = profile((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841), 2.2)
ADOBE_RGB = profile((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446), 2.2)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("kind", "stored", "shown"), [(DISPLAY_P3, (181, 76, 31), (196, 67, 2)), (ADOBE_RGB, (167, 76, 31), (196, 75, 17))]
)
@pytest.mark.parametrize("file", ["PNG", "JPEG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_colours_are_those_that_the_profile_means(
    file: str, kind: bytes, stored: tuple[int, ...], shown: tuple[int, ...]
) -> None:
    settings: dict[str, object] = {"quality": 100, "subsampling": 0} if file == "JPEG" else {}
    photo = read_photo(encoded(Image.new("RGB", (32, 32), stored), file, icc_profile=kind, **settings))
    assert np.abs(np.subtract(np.asarray(photo)[16, 16], shown, dtype=float)).max() <= 6
    assert "icc_profile" not in photo.info


def test_srgb_stays_as_it_is_to_the_byte() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    for settings in ({}, {"icc_profile": SRGB}):
        assert np.array_equal(np.asarray(read_photo(encoded(image, "PNG", **settings))), np.asarray(image))


@pytest.mark.parametrize("broken", [b"no profile", DISPLAY_P3[:200], DISPLAY_P3.replace(b"RGB XYZ", b"CMYKXYZ")])
def test_a_broken_profile_is_ignored(broken: bytes) -> None:
    photo = read_photo(encoded(Image.new("RGB", (32, 32), (181, 76, 31)), "PNG", icc_profile=broken))
    assert photo.getpixel((3, 3)) == (181, 76, 31)


def test_transparent_pictures_have_profiles_too() -> None:
    image = Image.new("RGBA", (32, 32), (181, 76, 31, 255))
    image.paste((0, 0, 0, 0), (0, 0, 8, 8))
    photo = read_photo(encoded(image, "PNG", icc_profile=DISPLAY_P3))
    assert photo.getpixel((3, 3)) == (255, 255, 255)
    assert np.abs(np.subtract(np.asarray(photo)[16, 16], (196, 67, 2), dtype=float)).max() <= 6


# --- kinds of file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_every_kind_of_file_is_turned_upright(kind: str, turn: int) -> None:
    upright = ramp()
    upright.paste("black", (0, 0, 24, 6))
    exif = Image.Exif()
    exif[0x0112] = turn
    back = {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored = upright.transpose(back[turn] if turn in back else ROTATIONS[turn]) if turn > 1 else upright
    photo = read_photo(encoded(stored, kind, exif=exif.tobytes() if kind == "HEIF" else exif))
    assert photo.size == upright.size
    assert np.abs(np.asarray(photo).astype(int) - np.asarray(upright)).mean() < 8


def test_broken_exif_costs_no_good_picture() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(ramp(), "JPEG", exif=exif)
    place = data.index(b"Exif")
    for at in range(place + 6, place + 30):
        for value in (0, 7, 255):
            photo = read_photo(data[:at] + bytes([value]) + data[at + 1 :])
            assert sorted(photo.size) == [32, 48]


@pytest.mark.parametrize("kind", ["EPS", "PPM", "PCX", "ICO", "DDS", "SGI", "JPEG2000", "PDF", "SVG", "JPEG XL"])
def test_other_kinds_are_refused_by_name(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started a program"))
    made = {"SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>", "JPEG XL": b"\xff\x0a" + bytes(40)}
    path = tmp_path / "a.jpg"
    path.write_bytes(made[kind] if kind in made else encoded(ramp(), kind))
    for source in (path, path.read_bytes()):
        with pytest.raises(PhotoError, match=f"has the unsupported format {kind}; save it as JPEG or PNG"):
            read_photo(source)


def test_a_jpeg_may_lack_its_end_but_no_part_of_its_picture() -> None:
    for settings in ({}, {"progressive": True}):
        whole = encoded(ramp(640, 480), "JPEG", **settings)
        assert np.array_equal(np.asarray(read_photo(whole[:-2])), np.asarray(read_photo(whole)))
        for cut in (len(whole) // 2, len(whole) - 40):
            with pytest.raises(PhotoError, match="incomplete"):
                read_photo(whole[:cut])


def test_limits_are_the_same_for_files_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "long.tif"
    for size, words in (((96, 458_848), "96x458848"), ((9000, 9000), "megapixels"), ((8, 8), "larger")):
        Image.new("1", size).save(path, compression="group4")
        said = []
        for source in (path, path.read_bytes()):
            with pytest.raises(PhotoError, match=words) as caught:
                read_photo(source)
            said.append(str(caught.value))
        assert said[0] == said[1]


@pytest.mark.parametrize("kind", PICTURE_FORMATS)
def test_damaged_files_end_in_a_sentence(kind: str) -> None:
    random = np.random.default_rng(0)
    data = encoded(ramp(), kind)
    for _ in range(60):
        broken = bytearray(data)
        for at in random.integers(0, min(len(data), 200), 4):
            broken[at] = random.integers(256)
        with suppress(PhotoError):
            read_photo(bytes(broken))


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(PhotoError, match="There is no picture"):
        read_photo(tmp_path)


def test_nobody_in_this_process_starts_ghostscript(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("Popen", "check_call", "run"):
        monkeypatch.setattr(subprocess, name, lambda *_, **__: pytest.fail("started a program"))
    with pytest.raises(OSError, match="Ghostscript"), Image.open(io.BytesIO(encoded(ramp(), "EPS"))) as image:
        image.load()


# --- what phones send ---------------------------------------------------------------------------------


def sixteen_bits(values: NDArray[np.uint16]) -> bytes:
    """A PNG of (H, W, channels) with 16 bits a channel, which Pillow reads and does not write."""
    height, width, channels = values.shape

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_pictures_of_every_kind(channels: int) -> None:
    levels = np.asarray(ramp())
    values = np.full((*levels.shape[:2], channels), 65535, np.uint16)
    colours = channels - (channels in (2, 4))
    values[..., :colours] = levels[..., :colours] * np.uint16(257)
    photo = np.asarray(read_photo(sixteen_bits(values)))
    assert np.abs(photo[..., :colours].astype(int) - levels[..., :colours]).max() <= 1


@pytest.mark.parametrize("primary", [0, 1])
def test_of_a_live_photo_the_main_picture_is_taken(primary: int) -> None:
    pictures = [ramp(), Image.new("RGB", (64, 64), "red")]
    heif = pillow_heif.from_pillow(pictures[0])
    heif.add_from_pillow(pictures[1])
    file = io.BytesIO()
    heif.save(file, primary_index=primary, quality=90)
    photo = read_photo(file.getvalue())
    assert photo.size == pictures[primary].size
    assert np.abs(np.asarray(photo).astype(int) - np.asarray(pictures[primary])).mean() < 8


def test_ten_bits_grey_and_transparency_in_heic() -> None:
    levels = np.asarray(ramp())
    file = io.BytesIO()
    pillow_heif.from_bytes("RGB;16", (48, 32), (levels.astype(np.uint16) * 257).tobytes()).save(file, quality=95)
    assert np.abs(np.asarray(read_photo(file.getvalue())).astype(int) - levels).mean() < 6
    for mode in ("L", "RGBA"):
        photo = read_photo(encoded(ramp().convert(mode), "HEIF"))
        assert np.abs(np.asarray(photo).astype(int) - np.asarray(ramp().convert(mode).convert("RGB"))).mean() < 8


def test_a_picture_with_a_smaller_one_beside_it() -> None:
    """MPO, as phones write depth and gain maps."""
    photo = read_photo(encoded(ramp(), "MPO", save_all=True, append_images=[Image.new("RGB", (16, 16), "red")]))
    assert photo.size == (48, 32)
    assert np.abs(np.asarray(photo).astype(int) - np.asarray(ramp())).mean() < 8


def test_inks_are_light_on_white() -> None:
    photo = read_photo(encoded(ramp().convert("CMYK"), "JPEG", quality=95))
    assert np.abs(np.asarray(photo).astype(int) - np.asarray(ramp())).mean() < 8


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    out.write_bytes(b"before")
    with suppress(KeyboardInterrupt), atomic_write(out) as part:
        part.write_bytes(b"half")
        raise KeyboardInterrupt
    assert [out.read_bytes(), *tmp_path.iterdir()] == [b"before", out]
    with atomic_write(out) as part:
        part.write_bytes(b"all")
        assert out.read_bytes() == b"before"
    assert [out.read_bytes(), *tmp_path.iterdir()] == [b"all", out]


def test_a_full_disk_ends_in_one_sentence(tmp_path: Path) -> None:
    told = r"out\.png cannot be written \(No space left on device\); free some space"
    with pytest.raises(StylizeError, match=told), atomic_write(tmp_path / "out.png"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif", "bmp"])
def test_no_picture_is_cut_off_by_a_full_disk(ending: str, tmp_path: Path) -> None:
    code = (
        "import resource, signal, sys\n"
        "from PIL import Image\n"
        "from stylize.errors import StylizeError\n"
        "from stylize.images import save_image\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300))\n"
        "try: save_image(Image.effect_noise((64, 64), 99).convert('RGB'), sys.argv[1])\n"
        "except StylizeError as error: print(error)\n"
    )
    out = tmp_path / f"out.{ending}"
    done = subprocess.run([sys.executable, "-c", code, str(out)], check=True, capture_output=True, text=True)
    assert done.stdout == f"{out} cannot be written (File too large); free some space or choose another place.\n"
    assert not list(tmp_path.iterdir())
