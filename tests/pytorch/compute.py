"""What torchvision's own ResNets compute: files for tests/networks/test_torch.py.

    python compute.py FOLDER

Writes resnetN.pth (a state dict; resnet34.pth in the format before PyTorch 1.6) of networks with random weights and
random moving statistics, and torchvision.npz, computed in float64 from them:

    images              [2, 96, 96, 3] uint8
    versions            of torch and torchvision
    N/features          [2, d], pooled, in inference
    N/logits            [2, 1000], in inference
    N/trained           [2, d], in training mode
    N/NAME              running_mean and running_var of every batch norm after that one pass, as 18/bn1.running_var
"""

import pathlib
import sys

import numpy as np
import torch
import torchvision

DEPTHS = (18, 34, 50, 101)
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def images() -> np.ndarray:
    """Two pictures with structure of all sizes: uint8 [2, 96, 96, 3]."""
    rng = np.random.default_rng(0)
    sides = (3, 12, 48, 96)
    parts = [np.kron(rng.random((2, side, side, 3)), np.ones((1, 96 // side, 96 // side, 1))) for side in sides]
    return (255 * np.mean(parts, 0)).astype("uint8")


def disturb(model: torch.nn.Module, x: torch.Tensor) -> None:
    """Random scales and shifts; moving statistics near those of the images, so that nothing explodes."""
    norms = [layer for layer in model.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    for norm in norms:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.0)
        torch.nn.init.normal_(norm.bias, 0.0, 0.2)
        norm.momentum = 1.0
    model.train()(x)
    for norm in norms:
        norm.momentum = 0.1
        deviation = norm.running_var.sqrt()
        norm.running_mean += 0.2 * deviation * torch.randn_like(deviation)
        norm.running_var *= torch.empty_like(deviation).uniform_(0.7, 1.4)


def features(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """[B, 3, H, W] -> pooled [B, d], by way of the network without its classifier."""
    return torch.nn.Sequential(*list(model.children())[:-1])(x).flatten(1)


@torch.no_grad()
def main(folder: pathlib.Path) -> None:
    """Write the files."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"images": images(), "versions": np.array([torch.__version__, torchvision.__version__])}
    scaled = (arrays["images"] / 255 - MEAN) / DEVIATION
    x = torch.tensor(scaled.transpose(0, 3, 1, 2), dtype=torch.float32)
    for depth in DEPTHS:
        torch.manual_seed(depth)
        model = getattr(torchvision.models, f"resnet{depth}")(weights=None)
        disturb(model, x)
        path = folder / f"resnet{depth}.pth"
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=depth != 34)
        model, exact = model.double(), x.double()  # so that only the other side rounds
        arrays[f"{depth}/features"] = features(model.eval(), exact).numpy()
        arrays[f"{depth}/logits"] = model(exact).numpy()
        arrays[f"{depth}/trained"] = features(model.train(), exact).numpy()
        for name, value in model.state_dict().items():
            if "running" in name:
                arrays[f"{depth}/{name}"] = value.numpy().copy()
        print(f"{path}: {path.stat().st_size >> 20} MB")
    np.savez(folder / "torchvision.npz", **arrays)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python compute.py FOLDER")
    main(pathlib.Path(sys.argv[1]))
