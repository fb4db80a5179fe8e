"""Low-rank adapters (LoRA) on a frozen network: pretrained on upright digits, adapted to digits lying on their side."""

import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A frozen linear layer plus a trainable product of rank r whose second factor starts at zero."""

    def __init__(self, base: nn.Linear, r: int = 8, alpha: float = 16.0) -> None:
        super().__init__()
        self.base = base
        for parameter in self.base.parameters():
            parameter.requires_grad = False
        self.lora_A = nn.Parameter(torch.randn(r, base.in_features) / base.in_features**0.5)
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scaling = alpha / r

    def forward(self, x: Tensor) -> Tensor:
        return self.base(x) + self.scaling * (x @ self.lora_A.t() @ self.lora_B.t())


def fit(model: nn.Module, x: Tensor, y: Tensor, epochs: int, lr: float) -> None:
    trainable = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=lr, weight_decay=0.01)
    criterion = nn.CrossEntropyLoss()
    for epoch in range(epochs):
        for batch in torch.randperm(len(x)).split(50):
            optimizer.zero_grad()
            loss = criterion(model(x[batch]), y[batch])
            loss.backward()
            optimizer.step()
        print(f"  epoch {epoch + 1}: loss {loss.item():.4f}")


@torch.no_grad()
def accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return (model(x).argmax(1) == y).float().mean().item()


def main(seed: int) -> None:
    torch.manual_seed(seed)
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)
    images = (images - images.mean()) / images.std()
    labels = torch.tensor(digits.target)
    order = torch.randperm(len(images))
    train, test = order[:1400], order[1400:]
    upright, lying = images.flatten(1), images.rot90(1, dims=(1, 2)).flatten(1)

    model = nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 10))
    print("pretraining")
    fit(model, upright[train], labels[train], epochs=6, lr=2e-3)
    print(f"upright {accuracy(model, upright[test], labels[test]):.4f}", end=", ")
    print(f"lying {accuracy(model, lying[test], labels[test]):.4f}")

    for i, layer in enumerate(model):
        if isinstance(layer, nn.Linear):
            model[i] = LoRALinear(layer)
    total = sum(p.numel() for p in model.parameters())
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    print(f"adapting {trainable} of {total} parameters")
    fit(model, lying[train], labels[train], epochs=8, lr=3e-3)
    print(f"lying {accuracy(model, lying[test], labels[test]):.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
