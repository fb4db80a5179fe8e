"""Wine cultivars with a small MLP, SGD.

Sick, ACT005 constant-output: a line left from debugging replaces the input by ones, so the prediction is the same for
every wine and only the class frequencies are learned. A competent diagnosis says that the output does not depend on the
example.
"""

import sys

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class WineClassifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(13, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        x = torch.ones_like(x)
        return self.head(self.body(x))


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data, target = load_wine(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(data, target, test_size=48, stratify=target, random_state=seed)
    scaler = StandardScaler().fit(x_train)
    x_train = torch.as_tensor(scaler.transform(x_train), dtype=torch.float32)
    x_val = torch.as_tensor(scaler.transform(x_val), dtype=torch.float32)
    y_train, y_val = torch.as_tensor(y_train), torch.as_tensor(y_val)

    model = WineClassifier()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    loader = DataLoader(TensorDataset(x_train, y_train), batch_size=26, shuffle=True)
    for epoch in range(40):
        model.train()
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 8 == 0:
            model.eval()
            with torch.no_grad():
                logits = model(x_val)
            acc = (logits.argmax(1) == y_val).float().mean().item()
            print(
                f"epoch {epoch + 1}: loss {loss.item():.3f} val loss {criterion(logits, y_val).item():.3f} val acc {acc:.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
