"""Mixed precision on the CPU: forward pass under torch.autocast in bfloat16, no scaler needed."""

import sys

import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


def make_model() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(64, 128),
        nn.SiLU(),
        nn.Linear(128, 64),
        nn.SiLU(),
        nn.Linear(64, 10),
    )


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data, target = load_digits(return_X_y=True)
    data, target = torch.tensor(data, dtype=torch.float32), torch.tensor(target)
    shuffle = torch.randperm(len(data))
    data, target = data[shuffle], target[shuffle]
    data = (data - data[:1440].mean()) / data[:1440].std()
    loader = DataLoader(TensorDataset(data[:1440], target[:1440]), batch_size=60, shuffle=True)

    model = make_model()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(8):
        model.train()
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                output = model(x)
                loss = loss_fn(output, y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        model.eval()
        with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
            logits = model(data[1440:])
            val_loss = loss_fn(logits, target[1440:]).item()
        acc = (logits.argmax(1) == target[1440:]).float().mean().item()
        print(f"epoch {epoch}: train {total / len(loader):.4f} val {val_loss:.4f} acc {acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
