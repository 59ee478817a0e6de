"""Take training steps of DANN in PyTorch, beside ours: the other side of `make bench-torch`.

    python step.py NETWORK SIZE BATCH PRECISION PASSES MEMORY

One step each time that a line comes in, on random images, and a line goes out when it is done. The step is that of
tfuda's dann: forward, cross-entropy, a discriminator (1024, 1024) behind a gradient reversal, backward, SGD with
Nesterov's momentum and weight decay. It is written as PyTorch users write it.

    NETWORK    resnet50 (torchvision's), or efficientnet_lite0
    BATCH      images of each domain
    PRECISION  float32, or bfloat16: autocast
    PASSES     separate: one pass for each domain; joint: one for both
    MEMORY     default, or channels_last
"""

import contextlib
import sys

import torch
import torchvision
from torch import nn

CLASSES = 10
BLOCKS = (  # of EfficientNet-Lite0: repeats, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def convolution(before: int, after: int, kernel: int, stride: int = 1, groups: int = 1, relu: bool = True):
    """A convolution with batch norm, and ReLU6 if `relu`."""
    plain = nn.Conv2d(before, after, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [plain, nn.BatchNorm2d(after, 1e-3), *([nn.ReLU6(inplace=True)] if relu else [])]


class Inverted(nn.Module):
    """A block of EfficientNet-Lite0."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = before * expansion
        layers = convolution(before, wide, 1) if expansion > 1 else []
        layers += convolution(wide, wide, kernel, stride, wide) + convolution(wide, after, 1, relu=False)
        self.body, self.residual = nn.Sequential(*layers), stride == 1 and before == after

    def forward(self, x):
        return x + self.body(x) if self.residual else self.body(x)


def backbone(name: str) -> tuple[nn.Module, int]:
    """A network [B, 3, H, W] -> [B, d], and d."""
    if name == "resnet50":
        model = torchvision.models.resnet50(weights=None)
        model.fc = nn.Identity()
        return model, 2048
    if name != "efficientnet_lite0":
        sys.exit(f"NETWORK={name}: there are resnet50 and efficientnet_lite0")
    layers, before = convolution(3, 32, 3, 2), 32
    for repeats, kernel, stride, expansion, after in BLOCKS:
        for i in range(repeats):
            layers.append(Inverted(before, after, kernel, 1 if i else stride, expansion))
            before = after
    layers += [*convolution(before, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers), 1280


class Reversal(torch.autograd.Function):
    """The identity, whose gradient is multiplied by -0.5."""

    @staticmethod
    def forward(context, x):
        return x.view_as(x)

    @staticmethod
    def backward(context, gradient):
        return -0.5 * gradient


def discriminator(width: int) -> nn.Module:
    """[B, d] -> [B, 1]."""
    hidden = [layer for size in (width, 1024) for layer in (nn.Linear(size, 1024), nn.ReLU(), nn.Dropout(0.5))]
    return nn.Sequential(*hidden, nn.Linear(1024, 1))


def stepper(name: str, size: int, batch: int, precision: str, passes: str, memory: str):
    """A function that takes one step and returns the loss."""
    torch.manual_seed(0)
    network, width = backbone(name)
    head, judge = nn.Linear(width, CLASSES), discriminator(width)
    layout = torch.channels_last if memory == "channels_last" else torch.contiguous_format
    network = network.to(memory_format=layout).train()
    source, target = (torch.rand(batch, 3, size, size).to(memory_format=layout) for _ in "st")
    label, domain = torch.randint(CLASSES, (batch,)), torch.cat([torch.ones(batch), torch.zeros(batch)])
    groups = [{"params": network.parameters(), "lr": 1e-4}, {"params": [*head.parameters(), *judge.parameters()]}]
    optimizer = torch.optim.SGD(groups, 1e-3, momentum=0.9, nesterov=True, weight_decay=1e-3)
    half = precision == "bfloat16"

    def step() -> float:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16) if half else contextlib.nullcontext():
            if passes == "joint":
                whole = network(torch.cat([source, target]))
            else:
                whole = torch.cat([network(source), network(target)])
        whole = whole.float()
        task = nn.functional.cross_entropy(head(whole[:batch]), label)
        wrong = nn.functional.binary_cross_entropy_with_logits(judge(Reversal.apply(whole))[:, 0], domain)
        (task + wrong).backward()
        optimizer.step()
        return (task + wrong).item()

    return step


def main(name: str, size: str, batch: str, precision: str, passes: str, memory: str) -> None:
    step = stepper(name, int(size), int(batch), precision, passes, memory)
    print("PyTorch", torch.__version__, flush=True)
    for _ in sys.stdin:
        print(step(), flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 7:
        sys.exit("usage: python step.py NETWORK SIZE BATCH PRECISION PASSES MEMORY")
    main(*sys.argv[1:])
