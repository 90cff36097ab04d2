"""Trains a ResNet-20 and a small ViT on CIFAR-10 with PyTorch and exports them to ONNX: models for bench/adapt.ts.

usage: torch_models.py [--models resnet20,vit] [--epochs 30] [--out out/torch-models] [--data FOLDER]

Python with torch, numpy, onnx and onnxscript (written with torch 2.15).

FOLDER holds cifar-10-batches-bin ($DYNANEURAL_DATA by default). The last 5,000 training images are never shown to a model,
so that it can be adapted on images that it does not know. A run that was stopped continues at its last whole epoch.
NAME.onnx is one file whose weights are stored in 16 bits, so that it is small enough to be kept; beside it stands NAME.json:
accuracy, preprocessing, and how many training images the model has seen.
"""

import argparse
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn as nn
import torch.nn.functional as F

SEEN = 45_000
BATCH = 128
MEAN = (0.4914, 0.4822, 0.4465)
STD = (0.2470, 0.2435, 0.2616)


def read(folder, names):
    rows = np.concatenate([np.fromfile(folder / name, np.uint8).reshape(-1, 3073) for name in names])
    images = torch.from_numpy(rows[:, 1:].reshape(-1, 3, 32, 32).copy())
    return images, torch.from_numpy(rows[:, 0].astype(np.int64))


def normalise(images):
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (MEAN, STD))
    return (images.float() / 255 - mean) / std


def augment(images, random):
    """Shifts by up to 4 pixels with zeros around, and mirrors half of the images."""
    padded = F.pad(images, (4, 4, 4, 4))
    shifts = torch.randint(0, 9, (len(images), 2), generator=random).tolist()
    moved = torch.stack([p[:, y : y + 32, x : x + 32] for p, (y, x) in zip(padded, shifts)])
    mirrored = torch.rand(len(images), generator=random) < 0.5
    return torch.where(mirrored.view(-1, 1, 1, 1), moved.flip(3), moved)


def conv_norm(inputs, outputs, kernel, stride):
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride)
        self.second = conv_norm(outputs, outputs, 3, 1)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ResNet20(nn.Module):
    """He et al. 2015, arXiv:1512.03385, with projection shortcuts."""

    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 16, 3, 1)
        widths = [16] * 4 + [32] * 3 + [64] * 3
        pairs = zip(widths, widths[1:])
        self.blocks = nn.Sequential(*(Residual(a, b, 1 if a == b else 2) for a, b in pairs))
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x):
        n, tokens, dim = x.shape
        split = self.qkv(x).reshape(n, tokens, 3, self.heads, dim // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4).unbind(0)
        weights = (q @ k.transpose(-2, -1) * (dim // self.heads) ** -0.5).softmax(-1)
        return self.out((weights @ v).transpose(1, 2).reshape(n, tokens, dim))


class Layer(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class ViT(nn.Module):
    """Dosovitskiy et al. 2020, arXiv:2010.11929, at the size of small images."""

    def __init__(self, dim=128, depth=6, heads=4, patch=4):
        super().__init__()
        self.embed = nn.Conv2d(3, dim, patch, patch)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.position = nn.Parameter(0.02 * torch.randn(1, (32 // patch) ** 2 + 1, dim))
        self.layers = nn.Sequential(*(Layer(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim)
        self.head = nn.Linear(dim, 10)

    def forward(self, x):
        patches = self.embed(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), patches], 1) + self.position
        return self.head(self.norm(self.layers(tokens))[:, 0])


def optimizer_for(name, model):
    if name == "resnet20":
        return torch.optim.SGD(model.parameters(), 0.1, momentum=0.9, weight_decay=5e-4, nesterov=True), 0.1
    return torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05), 1e-3


def rate(step, total, peak):
    warm = total // 20 + 1
    if step < warm:
        return peak * (step + 1) / warm
    return peak * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, total - warm)))


@torch.no_grad()
def accuracy(model, images, labels):
    model.eval()
    right = sum((model(normalise(x)).argmax(1) == y).sum().item() for x, y in zip(images.split(500), labels.split(500)))
    return right / len(labels)


def train(name, model, images, labels, epochs, checkpoint):
    optimizer, peak = optimizer_for(name, model)
    per_epoch = len(images) // BATCH
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if state["epochs"] == epochs:
            model.load_state_dict(state["model"])
            optimizer.load_state_dict(state["optimizer"])
            first = state["epoch"]
            print(f"{name}: continues after epoch {first}", flush=True)
    for epoch in range(first, epochs):
        model.train()
        start, total = time.time(), 0.0
        random = torch.Generator().manual_seed(1000 + epoch)  # an epoch is the same whether a run was stopped or not
        order = torch.randperm(len(images), generator=random)
        for i in range(per_epoch):
            for group in optimizer.param_groups:
                group["lr"] = rate(epoch * per_epoch + i, epochs * per_epoch, peak)
            take = order[i * BATCH : (i + 1) * BATCH]
            x = normalise(augment(images[take], random)).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(model(x), labels[take], label_smoothing=0.1 if name == "vit" else 0.0)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            total += loss.item()
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": epoch + 1, "epochs": epochs}
        torch.save(state, checkpoint.with_suffix(".tmp"))
        os.replace(checkpoint.with_suffix(".tmp"), checkpoint)
        print(f"{name}: epoch {epoch + 1}/{epochs}, loss {total / per_epoch:.3f}, {time.time() - start:.0f} s", flush=True)


def in_halves(path):
    """Stores weights in 16 bits, each behind a Cast, and all of them in the file itself."""
    model = onnx.load(str(path))
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or math.prod(tensor.dims) < 2:
            continue
        name = tensor.name
        values = onnx.numpy_helper.to_array(tensor).astype(np.float16)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    kept = list(graph.node)
    del graph.node[:]
    graph.node.extend(casts + kept)
    onnx.save(model, str(path))
    path.with_suffix(".onnx.data").unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default="resnet20,vit")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--out", default="out/torch-models")
    parser.add_argument("--data", default=os.environ.get("DYNANEURAL_DATA", "."))
    parser.add_argument("--limit", type=int, default=SEEN, help="training images, to try the script")
    args = parser.parse_args()
    folder = Path(args.data) / "cifar-10-batches-bin"
    images, labels = read(folder, [f"data_batch_{i}.bin" for i in range(1, 6)])
    test = read(folder, ["test_batch.bin"])
    seen = min(args.limit, SEEN)
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    for name in args.models.split(","):
        torch.manual_seed(1)
        model = {"resnet20": ResNet20, "vit": ViT}[name]().to(memory_format=torch.channels_last)
        path = out / f"{name}_cifar10.onnx"
        train(name, model, images[:seen], labels[:seen], args.epochs, out / f"{name}.pt")
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(weight.half())
        right = accuracy(model, *test)
        torch.onnx.export(
            model.eval().to(memory_format=torch.contiguous_format),
            torch.zeros(1, 3, 32, 32),
            str(path),
            opset_version=17,
            input_names=["image"],
            output_names=["logits"],
            dynamic_axes={"image": {0: "batch"}, "logits": {0: "batch"}},
        )
        in_halves(path)
        about = {
            "epochs": args.epochs,
            "accuracy": right,
            "seenTrainingImages": seen,
            "mean": MEAN,
            "std": STD,
            "torch": torch.__version__,
        }
        path.with_suffix(".json").write_text(json.dumps(about, indent=2) + "\n")
        print(f"{path}: accuracy {right:.4f}", flush=True)


main()
