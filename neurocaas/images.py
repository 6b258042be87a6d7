"""How far two image files are apart: all their frames, channel by channel. Needs Pillow."""

import io
import math
from typing import Any

from neurocaas.arrays import UnreadableError

_EIGHT_BITS = frozenset({"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"})
"""Pillow's modes whose channels have 0 to 255. Others have numbers that Pillow would cut to these."""

_PIXELS = 200_000_000


def difference(old: bytes, new: bytes) -> tuple[str, float]:
    """The largest difference of a channel, in words and as a number: infinite for other sizes or kinds.
    Raises UnreadableError.
    """
    before, after = _frames(old), _frames(new)
    if len(before) != len(after):
        return f"{len(before)} and {len(after)} images in the file", math.inf
    largest = 0.0
    for one, other in zip(before, after, strict=True):
        if (one.size, _kind(one)) != (other.size, _kind(other)):
            return f"{one.size} pixels of {_kind(one)} and {other.size} of {_kind(other)}", math.inf
        largest = max(largest, _largest(one, other))
    of = " of 255" if before[0].mode in _EIGHT_BITS else ""
    return f"the largest difference of a channel is {largest:g}{of}", largest


def _frames(raw: bytes) -> list[Any]:
    try:
        from PIL import Image, ImageSequence
    except ImportError:
        raise UnreadableError(
            "pixels are not compared: Pillow is not installed here (pip install pillow)"
        ) from None
    try:
        frames, pixels = [], 0
        for frame in ImageSequence.Iterator(Image.open(io.BytesIO(raw))):
            pixels += frame.width * frame.height
            if pixels > _PIXELS:
                raise UnreadableError(f"an image of more than {_PIXELS} pixels in all its frames")
            frames.append(frame.copy())
        return frames
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"not an image that can be read ({error})") from error


def _kind(image: Any) -> str:
    return "8 bits" if image.mode in _EIGHT_BITS else f"mode {image.mode}"


def _largest(one: Any, other: Any) -> float:
    from PIL import ImageChops

    if one.mode not in _EIGHT_BITS:
        pairs = zip(_pixels(one), _pixels(other), strict=True)
        return max((abs(float(left) - float(right)) for left, right in pairs), default=0.0)
    if one.mode != other.mode or one.mode in ("1", "P", "PA"):
        one, other = one.convert("RGBA"), other.convert("RGBA")
    differences: list[Any] = [
        ImageChops.difference(left, right) for left, right in zip(one.split(), other.split(), strict=True)
    ]
    return float(max(band.getextrema()[1] for band in differences))


def _pixels(image: Any) -> Any:
    """All values of an image with one channel. Pillow 12 has another name for it."""
    return image.get_flattened_data() if hasattr(image, "get_flattened_data") else image.getdata()
