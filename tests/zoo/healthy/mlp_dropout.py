"""Digits with a wide perceptron regularised by dropout, AdamW, loss and accuracy on both splits once an epoch."""

import sys

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class DropoutNet(nn.Module):
    def __init__(self, hidden: int = 128, p: float = 0.4) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(64, hidden),
            nn.ReLU(),
            nn.Dropout(p),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(p),
            nn.Linear(hidden, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_digits(return_X_y=True)
    x_tr, x_va, y_tr, y_va = train_test_split(x, y, test_size=0.25, random_state=seed)
    mu, sigma = x_tr.mean(), x_tr.std()
    train_ds = TensorDataset(torch.tensor((x_tr - mu) / sigma).float(), torch.tensor(y_tr))
    val_ds = TensorDataset(torch.tensor((x_va - mu) / sigma).float(), torch.tensor(y_va))
    train_loader = DataLoader(train_ds, batch_size=64, shuffle=True, drop_last=True)
    val_loader = DataLoader(val_ds, batch_size=256)

    model = DropoutNet()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=1e-2)
    for epoch in range(12):
        history = {"train": [], "val": []}
        hits = {"train": [], "val": []}
        for phase, loader in (("train", train_loader), ("val", val_loader)):
            model.train(phase == "train")
            for inputs, labels in loader:
                optimizer.zero_grad(set_to_none=True)
                with torch.set_grad_enabled(phase == "train"):
                    logits = model(inputs)
                    loss = loss_fn(logits, labels)
                    if phase == "train":
                        loss.backward()
                        optimizer.step()
                history[phase].append(loss.item())
                hits[phase] += (logits.argmax(1) == labels).tolist()
        summary = "  ".join(
            f"{phase} {sum(history[phase]) / len(history[phase]):.3f} ({sum(hits[phase]) / len(hits[phase]):.1%})"
            for phase in history
        )
        print(f"Epoch {epoch + 1:02d}  {summary}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
