"""The masked autoencoder of `palimpsest pretrain` in plain torch, under DDP or FSDP2 over gloo. Prints IMAGES_PER_SECOND, or SAVE_MS with --save.

torchrun --nproc-per-node 2 sharding_peer.py --strategy ddp --size tiny --batch 32 --steps 12
"""
import argparse
import os
import time

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

SIZES = {  # encoder: width, depth, heads; decoder: width, depth, heads; patch, side
    "micro": (64, 4, 4, 64, 2, 4, 8, 64),
    "tiny": (192, 12, 3, 128, 4, 4, 8, 64),
    "small": (384, 12, 6, 256, 4, 8, 16, 224),
}


class Block(nn.Module):
    def __init__(self, width, heads, post_norm):
        super().__init__()
        self.heads, self.post_norm = heads, post_norm
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def attend(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, C))

    def feed(self, x):
        h = self.fc1(x)
        return self.fc2(F.gelu(h) if self.post_norm else h * torch.sigmoid(1.702 * h))

    def forward(self, x):
        if self.post_norm:
            x = self.norm1(x + self.attend(x))
            return self.norm2(x + self.feed(x))
        x = x + self.attend(self.norm1(x))
        return x + self.feed(self.norm2(x))


class MaskedAutoencoder(nn.Module):
    def __init__(self, size):
        super().__init__()
        width, depth, heads, d_width, d_depth, d_heads, self.patch, side = SIZES[size]
        self.tokens = (side // self.patch) ** 2
        pixels = 3 * self.patch * self.patch
        self.patch_embedding = nn.Linear(pixels, width, bias=False)
        self.cls = nn.Parameter(torch.zeros(width))
        self.position = nn.Parameter(0.02 * torch.randn(self.tokens + 1, width))
        self.pre_norm = nn.LayerNorm(width)
        self.encoder = nn.ModuleList(Block(width, heads, False) for _ in range(depth))
        self.embed, self.mask_token = nn.Linear(width, d_width), nn.Parameter(0.02 * torch.randn(d_width))
        self.d_position = nn.Parameter(0.02 * torch.randn(self.tokens, d_width))
        self.decoder = nn.ModuleList(Block(d_width, d_heads, True) for _ in range(d_depth))
        self.norm, self.pixels = nn.LayerNorm(d_width), nn.Linear(d_width, pixels)

    def forward(self, images):
        B, p = images.shape[0], self.patch
        g = images.shape[2] // p
        patches = images.view(B, 3, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(B, g * g, -1)
        order = torch.rand(B, self.tokens).argsort(1)
        kept, masked = order[:, : self.tokens // 4], order[:, self.tokens // 4:]
        take = lambda x, i: x.gather(1, i.unsqueeze(-1).expand(-1, -1, x.shape[-1]))
        x = torch.cat([self.cls.expand(B, 1, -1), self.patch_embedding(patches)], 1) + self.position
        x = self.pre_norm(x)
        x = torch.cat([x[:, :1], take(x[:, 1:], kept)], 1)
        for block in self.encoder:
            x = block(x)
        x = torch.cat([self.embed(x[:, 1:]), self.mask_token.expand(B, masked.shape[1], -1)], 1)
        x = take(x, order.argsort(1)) + self.d_position
        for block in self.decoder:
            x = block(x)
        guess = self.pixels(self.norm(x)).sigmoid()
        return take((guess - patches).square(), masked).mean()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--strategy", choices=["ddp", "fsdp2"], default="ddp")
    parser.add_argument("--size", default="tiny")
    parser.add_argument("--batch", type=int, default=32, help="images of all ranks")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--save", default="", help="a file: the time torch.save and fsync take")
    a = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = MaskedAutoencoder(a.size)
    if a.save:
        optimizer = torch.optim.AdamW(model.parameters(), fused=True)
        model(torch.rand(2, 3, SIZES[a.size][7], SIZES[a.size][7])).backward()
        optimizer.step()
        times = []
        for _ in range(5):
            start = time.perf_counter()
            with open(a.save, "wb") as file:
                torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, file)
                file.flush()
                os.fsync(file.fileno())
            times.append(1000 * (time.perf_counter() - start))
        print("SAVE_MS", sorted(times)[2])
        return
    dist.init_process_group("gloo")
    if a.strategy == "ddp":
        model = nn.parallel.DistributedDataParallel(model, gradient_as_bucket_view=True)
    else:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard
        mesh = init_device_mesh("cpu", (dist.get_world_size(),))
        for block in [*model.encoder, *model.decoder]:
            fully_shard(block, mesh=mesh)
        fully_shard(model, mesh=mesh)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05, fused=a.strategy == "ddp")
    n = a.batch // dist.get_world_size()
    images = torch.rand(n, 3, SIZES[a.size][7], SIZES[a.size][7])
    for step in range(a.steps + 3):
        if step == 3:
            dist.barrier()
            start = time.perf_counter()
        loss = model(images)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    dist.barrier()
    if dist.get_rank() == 0:
        print("IMAGES_PER_SECOND", a.steps * a.batch / (time.perf_counter() - start))
    dist.destroy_process_group()


main()
