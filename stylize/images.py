"""Reading and writing pictures: any file in, upright RGB out; float tensors in [-1, 1] inside."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pillow_heif
import torch
from PIL import EpsImagePlugin, Image, ImageChops, ImageCms, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from stylize.errors import PhotoError
from stylize.places import atomic_write

MAX_PIXELS = 64_000_000
MAX_SIDE = 60_000  # px: a few bytes can decompress to a line that long
MAX_BYTES = 600_000_000  # of a file: more than MAX_PIXELS take uncompressed
MIN_SIDE = 16
# The formats to decode, by Pillow's names: no file, whatever its name, reaches another decoder or Ghostscript.
PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF")
OTHERS = {b"\xff\x0a": "JPEG XL", b"\0\0\0\x0cJXL ": "JPEG XL", b"%PDF": "PDF", b"<svg": "SVG"}  # unknown to Pillow
ORIENTATION = 0x0112  # in EXIF
ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
JPEG_END = b"\xff\xd9"
FILLING = bytes(i * i * 37 % 251 for i in range(4096))  # filler to append to a JPEG: contains no marker
PROFILE_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # colour space of an ICC profile -> mode of Pillow
SAME_COLOUR = 2  # of 255: a profile that changes every colour by at most this counts as sRGB

EpsImagePlugin.gs_binary = False  # opening a picture must never start another program
pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)


def read_photo(source: str | Path | bytes | Image.Image) -> Image.Image:
    """Reads any picture as upright 8-bit sRGB: applies the EXIF orientation and colour profile, scales 16 bits down,
    puts transparency on white, takes the first frame of an animation.

    Raises PhotoError for anything that is not a usable picture.
    """
    name = Path(source).name if isinstance(source, str | Path) else "The picture"
    data = _content(Path(source)) if isinstance(source, str | Path) else source
    if isinstance(data, bytes) and (kind := other_kind(data)):
        raise PhotoError("{} has the unsupported format {}; save it as JPEG or PNG.", name, kind)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's warnings about odd files
            image = Image.open(io.BytesIO(data), formats=PICTURE_FORMATS) if isinstance(data, bytes) else data
            _check_size(image)
            return to_rgb(_upright(_decoded(image, data)))
    except PhotoError:
        raise
    except UnidentifiedImageError:
        raise PhotoError(
            "{} is not a picture that can be read; use JPEG, PNG, WebP, HEIC, AVIF, TIFF, BMP or GIF.", name
        ) from None
    except Image.DecompressionBombError:
        raise PhotoError(
            "{} has too many pixels; use a picture of at most {} megapixels.", name, MAX_PIXELS // 10**6
        ) from None
    except Exception:  # on damaged files decoders raise almost any exception
        raise PhotoError("{} is damaged or incomplete; save it again, or use another picture.", name) from None


def picture_kind(head: bytes) -> str | None:
    """Which of PICTURE_FORMATS a file has, by its first bytes; None for any other."""
    Image.init()
    return next((kind for kind in PICTURE_FORMATS if kind in Image.OPEN and _accepts(kind, head)), None)


def other_kind(head: bytes) -> str | None:
    """The name of a picture format that cannot be read, by its first bytes; None for any other file."""
    if picture_kind(head):
        return None
    if known := next((kind for begin, kind in OTHERS.items() if head.startswith(begin)), None):
        return known
    return next((kind for kind in Image.OPEN if _accepts(kind, head)), None)


def _accepts(kind: str, head: bytes) -> bool:
    accept = Image.OPEN[kind][1]
    try:
        return accept is not None and accept(head[:16]) is True
    except Exception:  # of few bytes
        return False


def _content(path: Path) -> bytes:
    if not path.is_file():
        raise PhotoError("There is no picture {}; check the path.", path)
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise PhotoError(
                "{} has {} megabytes; use a picture of at most {}.", path.name, size // 10**6, MAX_BYTES // 10**6
            )
        return path.read_bytes()
    except OSError as error:
        raise PhotoError("{} cannot be read ({}); check its permissions.", path.name, error.strerror) from None


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise PhotoError(
            "The picture has {}x{} pixels; use one of at most {} megapixels.",
            image.width,
            image.height,
            MAX_PIXELS // 10**6,
        )
    if min(image.size) < MIN_SIDE:
        raise PhotoError("The picture has only {}x{} pixels; use a larger one.", image.width, image.height)


def _decoded(image: Image.Image, data: bytes | Image.Image) -> Image.Image:
    """Decodes the picture. A JPEG may lack its last bytes if they hold no part of the picture."""
    try:
        image.seek(0) if data is image else None
        image.load()
    except OSError:
        if image.format not in ("JPEG", "MPO") or not isinstance(data, bytes):
            raise
        # The decoder fills missing data from what follows: if two endings give one picture, nothing was missing.
        image, other = (Image.open(io.BytesIO(data + end + JPEG_END), formats=["JPEG"]) for end in (b"", FILLING))
        if ImageChops.difference(image, other).getbbox(alpha_only=False):
            raise
    _check_size(image)  # for some formats it is known only now
    return image


def _upright(image: Image.Image) -> Image.Image:
    """Applies the EXIF orientation; unreadable EXIF is ignored."""
    try:
        turn = ROTATIONS.get(int(image.getexif().get(ORIENTATION, 1)))
    except Exception:  # on damaged EXIF Pillow raises almost any exception
        turn = None
    return image if turn is None else image.transpose(turn)


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts to 8-bit sRGB: scales 16 bits, applies the colour profile, puts transparency on white."""
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a channel: Pillow's own conversion clips
        values = np.nan_to_num(np.asarray(image).astype(np.float32))
        top = 65535.0 if values.max() > 255 else 255.0 if values.max() > 1 else 1.0
        grey = Image.fromarray((values / np.float32(top) * 255).clip(0, 255).round().astype(np.uint8))
        grey.info = {key: image.info[key] for key in ("icc_profile",) if key in image.info}
        image = grey
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        layer = Image.merge("RGBA", (*_in_srgb(layer, image.mode).split(), layer.getchannel("A")))
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    rgb = _in_srgb(image, image.mode)
    rgb.info.pop("icc_profile", None)
    return rgb


def _in_srgb(image: Image.Image, mode: str) -> Image.Image:
    """RGB of a picture that was read in ``mode``, converted to sRGB if its ICC profile names another colour space; a
    broken profile, or one for another mode, is ignored."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
        own = PROFILE_MODES[profile.profile.xcolor_space.strip()]
        if (own == "CMYK") != (mode == "CMYK") or (own == "L" and mode not in ("1", "L", "LA", "La")):
            return image.convert("RGB")
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            own,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        probe = _probe(own)
        change = np.abs(np.asarray(transform.apply(probe), dtype=int) - np.asarray(probe.convert("RGB")))
        return image.convert("RGB") if change.max() <= SAME_COLOUR else transform.apply(image.convert(own))
    except Exception:  # on damaged profiles almost any exception
        return image.convert("RGB")


def _probe(mode: str) -> Image.Image:
    """Sample colours that cover a colour space."""
    levels = np.linspace(0, 255, 9).astype(np.uint8)
    channels = np.meshgrid(*[levels] * len(mode), indexing="ij")
    return Image.merge(mode, [Image.fromarray(channel.reshape(9, -1)) for channel in channels])


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB picture as (1, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 127.5 - 1


def to_image(picture: Tensor) -> Image.Image:
    """(1, 3, H, W) or (3, H, W) in [-1, 1], clamped, as an RGB picture; undoes ``to_tensor`` exactly."""
    picture = picture[0] if picture.ndim == 4 else picture
    values = ((picture.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).contiguous().cpu().numpy())


def save_image(image: Image.Image, path: str | Path, settings: Mapping[str, object] | None = None) -> None:
    """Saves in the format given by the suffix of ``path``; a PNG carries the settings as text under the key
    "stylize"."""
    path = Path(path)
    info = PngImagePlugin.PngInfo()
    if settings:
        info.add_itxt("stylize", json.dumps(dict(settings), ensure_ascii=False))
    data = io.BytesIO()  # written to a file directly, Pillow's encoders do not notice a full disk
    if path.suffix.lower() == ".png":
        image.save(data, "PNG", pnginfo=info)
    else:
        image.save(data, Image.registered_extensions().get(path.suffix.lower()), quality=95)
    with atomic_write(path) as part:
        part.write_bytes(data.getvalue())


def to_tensors(pictures: Sequence[Image.Image], side: int) -> Tensor:
    """Square pictures of any size as one tensor (N, 3, side, side) in [-1, 1]."""
    return torch.cat([to_tensor(picture.resize((side, side), Image.Resampling.LANCZOS)) for picture in pictures])


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """A contact sheet of pictures of one size, about as wide as high."""
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height), "white")
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet
