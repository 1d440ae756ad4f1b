#!/usr/bin/env python3
"""Packs of familiarity runs by torch.func: the training step and the encoder of each evaluation, vmapped over runs.

  vmap.py PEER.py --size micro --runs 8 --epochs 100 --images DIR --slow F.safetensors

PEER.py is the script that computes one run at a time with transformers and peft, without its last line; its networks, images and
metrics are used as they are. Frozen weights are shared by the runs; AdamW steps over all runs' stacked weights at once. The last line
is `SECONDS_PER_RUN x`, set-up not counted, after one warm-up step.
"""
import argparse, glob, importlib.util, os, time
import numpy as np, torch
from peft import LoraConfig, inject_adapter_in_model
from PIL import Image
from safetensors.torch import load_file
from torch.func import functional_call, grad_and_value, vmap
import torch.nn.attention

a = argparse.ArgumentParser(description=__doc__)
a.add_argument("peer")
a.add_argument("--size", default="micro")
a.add_argument("--runs", type=int, default=8)
a.add_argument("--epochs", type=int, default=100)
a.add_argument("--images", required=True)
a.add_argument("--slow", required=True)
o = a.parse_args()
spec = importlib.util.spec_from_file_location("peer", o.peer)
peer = importlib.util.module_from_spec(spec)
spec.loader.exec_module(peer)
torch.set_num_threads(1)
slow = load_file(o.slow)
files = sorted(glob.glob(os.path.join(o.images, "*")))
dim, depth, heads, patch, side, *decoder_size = peer.SIZES[o.size]


class Autoencoder(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        self.encoder = peer.build_encoder(o.size)
        self.encoder.load_state_dict(slow)
        torch.manual_seed(seed)
        inject_adapter_in_model(LoraConfig(r=8, lora_alpha=32, lora_dropout=0.0, target_modules=["q_proj", "k_proj", "v_proj"]), self.encoder)
        for name, parameter in self.encoder.named_parameters():
            parameter.requires_grad_("lora" in name or not any(f"{p}_proj" in name for p in "qkv"))
        torch.manual_seed(seed + 1_000_000)
        self.decoder = peer.Decoder(dim, *decoder_size[:1], *decoder_size[1:], patch, side, 0.1)

    def forward(self, images, responses=None):
        if responses is None:
            return self.decoder(self.encoder(images, output_hidden_states=True).hidden_states[-1])
        out = self.encoder(images, output_hidden_states=True, output_attentions=responses)
        cls = torch.stack([h[:, 0] for h in out.hidden_states[1:]])
        return (cls, torch.stack([m[:, :, 0, 1:].mean(1) for m in out.attentions])) if responses else (cls,)


def load(f):
    image = Image.open(f).convert("RGB")
    k = side / min(image.size)
    image = image.resize((max(side, round(image.width * k)), max(side, round(image.height * k))), Image.BICUBIC)
    x, y = (image.width - side) // 2, (image.height - side) // 2
    return torch.from_numpy(np.asarray(image.crop((x, y, x + side, y + side))).copy()).permute(2, 0, 1).float() / 255


models = [Autoencoder(seed) for seed in range(o.runs)]
model = models[0]
model.encoder.set_attn_implementation("eager")  # the fused attention of a CPU has no batching rule: vmap would loop over runs
names = [n for n, p in model.named_parameters() if p.requires_grad]
own = {n: torch.stack([dict(m.named_parameters())[n].detach() for m in models]).requires_grad_(True) for n in names}
shared = {n: p.detach() for n, p in model.named_parameters() if n not in own} | dict(model.named_buffers())
optimizer = torch.optim.AdamW(list(own.values()), lr=1e-4, fused=True)
targets, variants = [], {"familiar": [], "novel": []}
for seed in range(o.runs):
    chosen = np.random.default_rng(seed).permutation(len(files))[:8]
    pixels = torch.stack([load(files[j]) for j in chosen])
    generator = torch.Generator().manual_seed(seed)
    targets.append(pixels[:4])
    for name, x in (("familiar", pixels[:4]), ("novel", pixels[4:])):
        variants[name].append(((peer.noisy_variants(x, generator) - peer.MEAN) / peer.STD).flatten(0, 2))
target = torch.stack(targets)
clean = (target - peer.MEAN) / peer.STD
variants = {name: torch.stack(x) for name, x in variants.items()}


def loss_of(weights, x, y):
    out = functional_call(model, weights | shared, (x,))
    return torch.nn.functional.mse_loss(out, y) + 0.1 * torch.nn.functional.l1_loss(out, y)


step = vmap(grad_and_value(loss_of), randomness="different")


def train():
    model.train()
    gradients, loss = step({n: p.detach() for n, p in own.items()}, clean, target)
    for n, p in own.items():
        p.grad = gradients[n]
    optimizer.step()
    return loss


def evaluate(coarse):
    model.eval()
    for name, x in variants.items():
        with torch.no_grad():
            out = vmap(lambda w, images: functional_call(model, w | shared, (images, coarse)))({n: p.detach() for n, p in own.items()}, x)
        shape = (depth, len(peer.LEVELS), peer.PATTERNS, 4, -1)
        for run in range(o.runs):
            cls = out[0][run].reshape(shape)
            values = peer.manifold(cls)
            if coarse:
                values |= peer.alignment(cls) | peer.attention(out[1][run].reshape(shape)) | peer.sparseness(cls)


plain = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
plain.__enter__()
evaluate(True), step({n: p.detach() for n, p in own.items()}, clean, target)
coarse = {o.epochs * k // 5 for k in range(6)}
fine = set(range(0, 21, 2)) | set(range(20, o.epochs + 1, 20))
start, training = time.perf_counter(), 0.0
for epoch in range(o.epochs + 1):
    if epoch:
        began = time.perf_counter()
        loss = train()
        training += time.perf_counter() - began
    if epoch in coarse | fine:
        evaluate(epoch in coarse)
seconds = (time.perf_counter() - start) / o.runs
print(f"loss {loss.mean():.4f}; training {training / o.runs:.3f} s a run")
print(f"SECONDS_PER_RUN {seconds:.3f}")
