"""PyTorch's side of bench/training.ts: ResNet-20 (projection shortcuts), SGD with momentum, one batch.

usage: training.py FOLDER BATCH   (FOLDER holds x.f32 [BATCH, 3, 32, 32], y.i64 [BATCH] and weights.f32, all flat)
Answers each line "FORM STEPS LR" on stdin (FORM is default or channels_last) with one line of JSON: the milliseconds of
each step and the losses.
"""

import json
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


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
    def __init__(self):
        super().__init__()
        self.stem = conv_norm(3, 16, 3, 1)
        widths = [16] * 4 + [32] * 3 + [64] * 3
        self.blocks = nn.Sequential(
            *(Residual(a, b, 1 if a == b else 2) for a, b in zip(widths, widths[1:]))
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class Training:
    def __init__(self, folder, batch, channels_last):
        self.x = torch.from_numpy(np.fromfile(f"{folder}/x.f32", np.float32).reshape(batch, 3, 32, 32))
        self.y = torch.from_numpy(np.fromfile(f"{folder}/y.i64", np.int64))
        flat = torch.from_numpy(np.fromfile(f"{folder}/weights.f32", np.float32))
        self.net = ResNet20()
        with torch.no_grad():
            nn.utils.vector_to_parameters(flat.clone(), self.net.parameters())
        if channels_last:
            self.net = self.net.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9)

    def step(self):
        self.optimizer.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.net(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        return loss.item()


def main():
    folder, batch = sys.argv[1], int(sys.argv[2])
    forms = {form: Training(folder, batch, form == "channels_last") for form in ("default", "channels_last")}
    print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
    for line in sys.stdin:
        form, steps, lr = line.split()
        training = forms[form]
        for group in training.optimizer.param_groups:
            group["lr"] = float(lr)
        times, losses = [], []
        for _ in range(int(steps)):
            start = time.perf_counter()
            losses.append(training.step())
            times.append((time.perf_counter() - start) * 1000)
        print(json.dumps({"ms": times, "losses": losses}), flush=True)


main()
