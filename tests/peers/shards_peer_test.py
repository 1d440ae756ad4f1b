"""Shards written here are read by Python's tarfile as WebDataset lays them out, and shards that tarfile wrote are read here."""

import io
import os
import re
import tarfile
import tempfile
import unittest
from pathlib import Path

import numpy
from PIL import Image
from safetensors import safe_open

from program import palimpsest

# As WebDataset splits names: the key to the first point of the file name, the ending after it.
SPLIT = re.compile(r"^((?:.*/|)[^.]+)[.]([^/]*)$")


def samples(shard):
    """{key: {ending: bytes}} in the order of the archive; as WebDataset, members of a sample follow each other."""
    grouped, last = {}, None
    with tarfile.open(shard) as archive:
        for member in archive:
            key, ending = SPLIT.match(member.name).groups()
            assert key == last or key not in grouped, f"{key} comes in two parts"
            assert ending not in grouped.setdefault(key, {}), f"{member.name} is there twice"
            grouped[key][ending] = archive.extractfile(member).read()
            last = key
    return grouped


class ShardsPeer(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def photographs(self):
        pixels = numpy.random.default_rng(3)
        for name in ["dog/rex.jpg", "dog/a.very.long.name" + 120 * "x" + ".png", "cat/tom.jpeg"]:
            file = self.folder / "images" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.integers(0, 256, (90, 120, 3), numpy.uint8)).save(file)
        return self.folder / "images"

    def test_tarfile_reads_what_is_packed(self):
        images = self.photographs()
        palimpsest("images", "pack", images, "--out", self.folder / "shards")
        read = samples(self.folder / "shards" / "shard-000000.tar")
        self.assertEqual([key.split("/")[0] for key in read], ["cat", "dog", "dog"])
        self.assertEqual(read["dog/rex"], {"jpg": (images / "dog/rex.jpg").read_bytes(), "cls": b"1"})
        self.assertEqual(read["cat/tom"]["cls"], b"0")

    def test_tarfile_reads_reduced_images(self):
        palimpsest("images", "pack", self.photographs(), "--out", self.folder / "shards", "--side", "48")
        for sample in samples(self.folder / "shards" / "shard-000000.tar").values():
            picture = Image.open(io.BytesIO(sample.get("jpg") or sample["png"]))
            self.assertEqual(picture.size, (64, 48))
            numpy.asarray(picture)

    def test_reads_what_tarfile_writes_in_every_format(self):
        images = self.photographs()
        for number, form in enumerate([tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]):
            with self.subTest(form=form):
                shards = self.folder / f"shards-{number}"
                shards.mkdir()
                with tarfile.open(shards / "train-000000.tar", "w", format=form) as archive:
                    archive.addfile(tarfile.TarInfo("dog/"), None)
                    long_name = "deep/" * 25 + "0001.jpg" if form != tarfile.USTAR_FORMAT else "deep/0001.jpg"
                    for name in ["0000.jpg", "0000.json", long_name]:
                        content = (images / "dog/rex.jpg").read_bytes() if name.endswith("jpg") else b"{}"
                        member = tarfile.TarInfo(name)
                        member.size = len(content)
                        archive.addfile(member, io.BytesIO(content))
                definition = self.folder / f"{number}.toml"
                definition.write_text(f'''
                    model = {{ width = 16, depth = 1, heads = 2, side = 32, decoder_width = 16, decoder_depth = 1, decoder_heads = 2 }}
                    images = {{ source = "shards", path = "{shards}" }}
                    validation = {{ source = "dead-leaves", count = 4 }}
                    training = {{ steps = 2, batch = 2 }}''')
                palimpsest("pretrain", definition, "--out", self.folder / f"run-{number}", env=dict(os.environ))
                with safe_open(self.folder / f"run-{number}" / "weights.safetensors", "pt") as file:
                    self.assertEqual(file.metadata()["steps"], "2")


if __name__ == "__main__":
    unittest.main()
