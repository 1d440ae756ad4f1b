"""Makes tests/data/pillow: small images and what Pillow reads and resizes them to, which tests/image_test.cc expects bit for bit.

Run by hand, only to add cases (the files are kept in the repository; theirs are of Pillow 13):

    pip install pillow numpy && python tests/make_pillow_cases.py
"""
import pathlib

import numpy as np
from PIL import Image, ImageOps

out = pathlib.Path(__file__).parent / "data" / "pillow"
out.mkdir(parents=True, exist_ok=True)
random = np.random.default_rng(1)


def picture(width, height):
    """Smooth colours with an edge and some noise: small in a file, and every kind of neighbourhood."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 3 + y / 7), np.cos(x / 5 - y / 4), np.sin(x * y / 60)], -1) * 90 + 128
    waves[(x - width / 2) ** 2 + (y - height / 2) ** 2 < (min(width, height) / 3) ** 2] *= 0.3
    waves[: height // 4] += random.normal(0, 60, (height // 4, width, 3))
    return Image.fromarray(np.clip(waves, 0, 255).astype(np.uint8))


def save(image, name, **options):
    image.save(out / name, optimize=True, **options)


# Resizing: source.png to the size in the file name, resize-to-16x16.png, or a box of it (left, top, width, height), box-3.25-1.5-20.5-17.75-to-16x12.png.
source = picture(37, 29)
save(source, "source.png")
for width, height in [(16, 16), (40, 30), (37, 13), (11, 29), (1, 1), (37, 29), (100, 7), (5, 41), (33, 20), (33, 21)]:
    save(source.resize((width, height), Image.BICUBIC), f"resize-to-{width}x{height}.png")
for left, top, box_width, box_height, width, height in [
    (3.25, 1.5, 20.5, 17.75, 16, 12), (0, 0, 37, 20, 37, 20), (5, 6, 16, 16, 16, 16), (10.125, 3.0, 8.5, 9.75, 32, 32),
    (0.1, 0.2, 36.7, 28.6, 24, 24), (2, 0, 35, 29, 35, 10), (3, 4, 30, 25, 33, 9)]:
    box = (left, top, left + box_width, top + box_height)
    save(source.resize((width, height), Image.BICUBIC, box=box), f"box-{left}-{top}-{box_width}-{box_height}-to-{width}x{height}.png")
save(Image.new("RGB", (1, 1), (200, 30, 90)).resize((8, 8), Image.BICUBIC), "one-pixel-to-8x8.png")

# Decoding: X.jpg or X.png beside X.expected.png
def case(name, expected):
    save(expected.convert("RGB"), pathlib.Path(name).stem + ".expected.png")


small = picture(11, 7)
for orientation in range(1, 9):
    name = f"orientation-{orientation}.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    small.save(out / name, quality=80, exif=exif)
    case(name, ImageOps.exif_transpose(Image.open(out / name)))
exif = Image.Exif()
exif[0x0112] = 6
small.save(out / "orientation-6-png.png", exif=exif, optimize=True)
case("orientation-6-png.png", ImageOps.exif_transpose(Image.open(out / "orientation-6-png.png")))
photo = picture(25, 16)

for name, options in {"chroma-420.jpg": dict(quality=75, subsampling=2), "chroma-422.jpg": dict(quality=75, subsampling=1),
                      "chroma-444.jpg": dict(quality=90, subsampling=0), "progressive.jpg": dict(quality=75, progressive=True)}.items():
    photo.save(out / name, **options)
    case(name, Image.open(out / name))
photo.convert("L").save(out / "grey.jpg", quality=80)
case("grey.jpg", Image.open(out / "grey.jpg"))
photo.convert("CMYK").save(out / "cmyk.jpg", quality=80)
case("cmyk.jpg", Image.open(out / "cmyk.jpg"))

for mode, name in {"L": "grey.png", "P": "palette.png", "1": "one-bit.png"}.items():
    converted = photo.convert(mode)
    save(converted, name.replace(".png", "-png.png"))
    case(name.replace(".png", "-png.png"), converted)
alpha = photo.convert("RGBA")
alpha.putalpha(Image.fromarray(np.linspace(0, 255, 25 * 16).astype(np.uint8).reshape(16, 25)))
save(alpha, "alpha-png.png")
pixels = np.asarray(alpha).astype(int)
over_white = (pixels[..., :3] * pixels[..., 3:] + 255 * (255 - pixels[..., 3:]) + 127) // 255
case("alpha-png.png", Image.fromarray(over_white.astype(np.uint8)))
sixteen = (np.linspace(0, 65535, 25 * 16).astype(np.uint16)).reshape(16, 25)
Image.fromarray(sixteen).save(out / "sixteen-bit-png.png", optimize=True)
case("sixteen-bit-png.png", Image.fromarray(((sixteen.astype(np.int64) * 255 + 32895) >> 16).astype(np.uint8)))
