"""Gradient accumulation: four micro-batches of sixteen digits make one step; layer norm and GELU."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ACCUMULATION_STEPS = 4


class Net(nn.Module):
    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(64, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    X, y = load_digits(return_X_y=True)
    X_train, X_val, y_train, y_val = train_test_split(X, y, test_size=357, random_state=seed)
    mean, std = X_train.mean(0), X_train.std()
    X_train = torch.tensor((X_train - mean) / std, dtype=torch.float32)
    X_val = torch.tensor((X_val - mean) / std, dtype=torch.float32)
    y_train, y_val = torch.tensor(y_train), torch.tensor(y_val)
    loader = DataLoader(TensorDataset(X_train, y_train), batch_size=16, shuffle=True, drop_last=True)

    model = Net()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
    updates = 0
    optimizer.zero_grad()
    for epoch in range(7):
        model.train()
        running = 0.0
        for i, (inputs, targets) in enumerate(loader):
            loss = criterion(model(inputs), targets) / ACCUMULATION_STEPS
            loss.backward()
            running += loss.item() * ACCUMULATION_STEPS
            if (i + 1) % ACCUMULATION_STEPS == 0 or i + 1 == len(loader):
                optimizer.step()
                optimizer.zero_grad()
                updates += 1
        model.eval()
        with torch.no_grad():
            logits = model(X_val)
            val_loss = criterion(logits, y_val).item()
            val_acc = (logits.argmax(1) == y_val).float().mean().item()
        print(f"epoch {epoch + 1} ({updates} updates): {running / len(loader):.4f} {val_loss:.4f} {val_acc:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
