"""Semantic segmentation of drawn shapes: a fully convolutional network, one logit map for each of three classes."""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def draw(count: int, size: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy images with one disc (class 1) and one square outline filled darker (class 2) each."""
    yy, xx = np.mgrid[:size, :size]
    images = np.zeros((count, size, size))
    masks = np.zeros((count, size, size), dtype=np.int64)
    for image, mask in zip(images, masks, strict=True):
        cy, cx = rng.integers(4, size - 4, 2)
        disc = (yy - cy) ** 2 + (xx - cx) ** 2 <= rng.uniform(3.0, 4.5) ** 2
        top, left = rng.integers(0, size - 8, 2)
        side = rng.integers(6, 9)
        square = (yy >= top) & (yy < top + side) & (xx >= left) & (xx < left + side)
        image[disc], mask[disc] = 1.0, 1
        image[square], mask[square] = -1.0, 2
    images += rng.normal(0, 0.5, images.shape)
    images = (images - images.mean()) / images.std()
    return torch.tensor(images, dtype=torch.float32).unsqueeze(1), torch.from_numpy(masks)


def mean_iou(prediction: torch.Tensor, target: torch.Tensor) -> float:
    ious = []
    for c in range(3):
        p, t = prediction == c, target == c
        ious.append(((p & t).sum() / (p | t).sum()).item())
    return sum(ious) / 3


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train = DataLoader(TensorDataset(*draw(400, 16, rng)), batch_size=16, shuffle=True)
    val_images, val_masks = draw(100, 16, rng)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=2, dilation=2),
        nn.ReLU(),
        nn.Conv2d(12, 12, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 3, 1),
    )
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
    nn.init.normal_(model[-1].weight, std=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(8):
        model.train()
        for images, masks in train:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(images), masks)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            logits = model(val_images)
        val_loss = F.cross_entropy(logits, val_masks).item()
        iou = mean_iou(logits.argmax(1), val_masks)
        print(f"epoch {epoch + 1}: loss {loss.item():.4f} val loss {val_loss:.4f} val mIoU {iou:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
