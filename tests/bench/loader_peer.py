"""Images a second of processor time of others, in one thread.   loader_peer.py torchvision|pillow|torchvision-io|turbojpeg FOLDER SIDE SECONDS

torchvision: decode, random resized crop of a quarter to all of the area, flip, tensor; pillow, torchvision-io, turbojpeg (its tjDecompress2): the whole
JPEG decoded, nothing else.
"""

import ctypes
import ctypes.util
import sys
import time
from pathlib import Path

import numpy
import torch
from PIL import Image
from torchvision import io, transforms

torch.set_num_threads(1)
what, folder, side, seconds = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
crop = transforms.Compose([transforms.RandomResizedCrop(side, scale=(0.25, 1.0), ratio=(1.0, 1.0), interpolation=transforms.InterpolationMode.BICUBIC),
                           transforms.RandomHorizontalFlip(), transforms.ToTensor()])


def turbojpeg():
    name = ctypes.util.find_library("turbojpeg")
    if not name:
        sys.exit("libturbojpeg is not here: apt-get install libturbojpeg0")
    library = ctypes.CDLL(name)
    library.tjInitDecompress.restype = ctypes.c_void_p
    handle = ctypes.c_void_p(library.tjInitDecompress())

    def decode(file):
        jpeg = file.read_bytes()
        size = ctypes.c_ulong(len(jpeg))
        width, height, subsampling, colours = (ctypes.c_int() for _ in range(4))
        failed = library.tjDecompressHeader3(handle, jpeg, size, *map(ctypes.byref, (width, height, subsampling, colours)))
        pixels = numpy.empty((height.value, width.value, 3), numpy.uint8)
        into = pixels.ctypes.data_as(ctypes.c_void_p)
        rgb = rows_without_padding = no_flags = 0
        failed = failed or library.tjDecompress2(handle, jpeg, size, into, width, rows_without_padding, height, rgb, no_flags)
        assert not failed, f"{file}: turbojpeg cannot decode it"
        return pixels

    return decode


WORK = {
    "torchvision": lambda file: crop(Image.open(file).convert("RGB")),
    "pillow": lambda file: numpy.asarray(Image.open(file).convert("RGB")),
    "torchvision-io": lambda file: io.decode_jpeg(io.read_file(str(file)), mode=io.ImageReadMode.RGB),
}
files = sorted(folder.glob("*.jpg"))
work = turbojpeg() if what == "turbojpeg" else WORK[what]
for file in files[:20]:
    work(file)
done, begin = 0, time.process_time()
while (taken := time.process_time() - begin) < seconds:
    work(files[done % len(files)])
    done += 1
print(f"{done / taken:.1f}")
