"""Pictures at the edges of the house: any file in, upright RGB; float tensors in [-1, 1] inside."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from stylize.errors import PhotoError

MOST_PIXELS = 64_000_000
LEAST_SIDE = 16


def read_photo(source: str | Path | bytes | Image.Image) -> Image.Image:
    """Any picture as an upright 8-bit RGB one: EXIF orientation obeyed, 16 bits scaled, transparency laid on
    white, the first frame of an animation.

    Raises PhotoError, in one sentence, for anything that is not a usable picture.
    """
    name = Path(source).name if isinstance(source, str | Path) else "The picture"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            if isinstance(source, Image.Image):
                image = source
            else:
                if isinstance(source, (str, Path)) and not Path(source).is_file():
                    raise PhotoError(f"There is no picture {source}; check the path.")
                image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
            if image.width * image.height > MOST_PIXELS:
                raise PhotoError(
                    f"The picture has {image.width}x{image.height} pixels; use one of at most {MOST_PIXELS // 10**6} "
                    "megapixels."
                )
            if min(image.size) < LEAST_SIDE:
                raise PhotoError(f"The picture has only {image.width}x{image.height} pixels; use a larger one.")
            image.seek(0) if getattr(image, "n_frames", 1) > 1 else None
            image.load()
            return to_rgb(ImageOps.exif_transpose(image))
    except PhotoError:
        raise
    except UnidentifiedImageError:
        raise PhotoError(f"{name} is not a picture that can be read; use JPEG, PNG, WebP, TIFF, BMP or GIF.") from None
    except Image.DecompressionBombError:
        raise PhotoError(
            f"{name} has too many pixels; use a picture of at most {MOST_PIXELS // 10**6} megapixels."
        ) from None
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError):
        raise PhotoError(f"{name} is damaged or cut off; save it again, or use another picture.") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """8-bit RGB: 16 bits scaled, transparency laid on white."""
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a channel: Pillow's own conversion clips
        values = np.asarray(image).astype(np.float64)
        top = 65535.0 if values.max() > 255 else 255.0 if values.max() > 1 else 1.0
        return Image.fromarray((values / top * 255).clip(0, 255).round().astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")


def to_tensor(image: Image.Image) -> Tensor:
    """An RGB picture as (1, 3, H, W) float32 in [-1, 1]."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)[None].float() / 127.5 - 1


def to_image(picture: Tensor) -> Image.Image:
    """(1, 3, H, W) or (3, H, W) in [-1, 1], clamped, as an RGB picture; undoes ``to_tensor`` exactly."""
    picture = picture[0] if picture.ndim == 4 else picture
    values = ((picture.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return Image.fromarray(values.permute(1, 2, 0).contiguous().cpu().numpy())


def save_image(image: Image.Image, path: str | Path, settings: Mapping[str, object] | None = None) -> None:
    """Saves by the suffix of ``path``; a PNG carries the settings as text under the key "stylize"."""
    path = Path(path)
    if path.suffix.lower() == ".png":
        info = PngImagePlugin.PngInfo()
        if settings:
            info.add_itxt("stylize", json.dumps(dict(settings), ensure_ascii=False))
        image.save(path, pnginfo=info)
    else:
        image.save(path, quality=95)


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures of one size in a sheet that is about as wide as high."""
    columns = math.ceil(math.sqrt(len(pictures)))
    width, height = pictures[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(pictures) / columns) * height), "white")
    for index, picture in enumerate(pictures):
        sheet.paste(picture, (index % columns * width, index // columns * height))
    return sheet
