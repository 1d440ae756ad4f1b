"""Images a second of processor time of others, in one thread.   loader_peer.py torchvision|pillow|torchvision-io FOLDER SIDE SECONDS

torchvision: decode, random resized crop of a quarter to all of the area, flip, tensor; pillow, torchvision-io: the whole JPEG decoded, nothing else.
"""

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
WORK = {
    "torchvision": lambda file: crop(Image.open(file).convert("RGB")),
    "pillow": lambda file: numpy.asarray(Image.open(file).convert("RGB")),
    "torchvision-io": lambda file: io.decode_jpeg(io.read_file(str(file)), mode=io.ImageReadMode.RGB),
}
files = sorted(folder.glob("*.jpg"))
work = WORK[what]
for file in files[:20]:
    work(file)
done, begin = 0, time.process_time()
while (taken := time.process_time() - begin) < seconds:
    work(files[done % len(files)])
    done += 1
print(f"{done / taken:.1f}")
