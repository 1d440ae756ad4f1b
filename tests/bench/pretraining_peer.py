"""Images a second of a masked autoencoder in PyTorch, the same model as ours.   pretraining_peer.py eager|compile|max-autotune micro|tiny|base BATCH STEPS [cuda]

On the CPU of processor time, in float32; on a GPU of the clock, in bfloat16 over float32 weights, and the most memory its tensors took.
"""

import contextlib
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

what, size, B, steps = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
C, depth, heads, D, decoder_depth, decoder_heads = {"micro": (64, 4, 4, 64, 2, 4), "tiny": (192, 12, 3, 128, 4, 4),
                                                       "base": (768, 12, 12, 512, 8, 8)}[size]
S, p, share = (224, 16, 0.75) if size == "base" else (64, 8, 0.75)
device = sys.argv[5] if len(sys.argv) > 5 else "cpu"
N = (S // p) ** 2
K = N - round(share * N)


class QuickGelu(nn.Module):
    def forward(self, x):
        return x * torch.sigmoid(1.702 * x)


class Block(nn.Module):
    """A pre-norm block of CLIP's vision transformer, with q, k and v in one product."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(C), nn.LayerNorm(C)
        self.qkv, self.out = nn.Linear(C, 3 * C), nn.Linear(C, C)
        self.mlp = nn.Sequential(nn.Linear(C, 4 * C), QuickGelu(), nn.Linear(4 * C, C))

    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(B, T, 3, heads, C // heads).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(B, T, C))
        return x + self.mlp(self.norm2(x))


class MaskedAutoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.patches = nn.Conv2d(3, C, p, p, bias=False)
        self.cls, self.positions, self.pre_norm = nn.Parameter(torch.zeros(C)), nn.Parameter(0.02 * torch.randn(N + 1, C)), nn.LayerNorm(C)
        self.blocks = nn.ModuleList(Block() for _ in range(depth))
        self.embed, self.mask_token, self.decoder_positions = nn.Linear(C, D), nn.Parameter(torch.zeros(D)), nn.Parameter(0.02 * torch.randn(N, D))
        layer = dict(d_model=D, nhead=decoder_heads, dim_feedforward=4 * D, dropout=0.0, activation="gelu", batch_first=True)
        self.decoder = nn.ModuleList(nn.TransformerEncoderLayer(**layer) for _ in range(decoder_depth))
        self.norm, self.pixels = nn.LayerNorm(D), nn.Linear(D, 3 * p * p)

    def forward(self, images, kept, place, masked):
        B = images.shape[0]
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(B, 1, C), x], 1) + self.positions
        x = self.pre_norm(x)
        x = torch.cat([x[:, :1], x[:, 1:].gather(1, kept[..., None].expand(-1, -1, C))], 1)
        for block in self.blocks:
            x = block(x)
        seen = self.embed(x[:, 1:])
        x = torch.cat([seen, self.mask_token.expand(B, N - K, D)], 1).gather(1, place[..., None].expand(-1, -1, D)) + self.decoder_positions
        for layer in self.decoder:
            x = layer(x)
        guess = self.pixels(self.norm(x)).sigmoid()
        target = images.view(B, 3, S // p, p, S // p, p).permute(0, 2, 4, 3, 5, 1).reshape(B, N, -1)
        error = (guess - target).square().mean(-1)
        return error.gather(1, masked).mean()


torch.set_num_threads(1)
torch.manual_seed(0)
model = MaskedAutoencoder().to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05, fused=True)
forward = {"eager": lambda: model, "compile": lambda: torch.compile(model), "max-autotune": lambda: torch.compile(model, mode="max-autotune")}[what]()
images = torch.rand(B, 3, S, S, device=device)
arithmetic = torch.autocast(device, torch.bfloat16) if device == "cuda" else contextlib.nullcontext()


def step():
    order = torch.rand(B, N, device=device).argsort(1)
    kept, masked, place = order[:, :K], order[:, K:], order.argsort(1)
    with arithmetic:
        loss = forward(images, kept, place, masked)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    return loss


def seconds():
    if device == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


for _ in range(3):
    step()
begin = seconds()
for _ in range(steps):
    step()
print(f"{B * steps / (seconds() - begin):.1f}")
if device == "cuda":
    print(f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GiB")
