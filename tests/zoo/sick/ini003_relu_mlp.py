"""Ten-class synthetic data (make_classification) and a ReLU network of six hidden layers.

Sick, INI003 growing-activations: weights are drawn from N(0, 0.5²) whatever the fan-in. With 64 units a layer makes the
signal almost three times as large as it was; the logits start in the hundreds and the first loss with them.
A competent diagnosis names the activations that grow layer by layer.
"""

import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import make_classification
from sklearn.model_selection import train_test_split
from torch import nn


class Net(nn.Module):
    def __init__(self, n_in, n_hidden, n_layers, n_out):
        super().__init__()
        self.inp = nn.Linear(n_in, n_hidden)
        self.mid = nn.ModuleList(nn.Linear(n_hidden, n_hidden) for _ in range(n_layers - 1))
        self.out = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        x = F.relu(self.inp(x))
        for layer in self.mid:
            x = F.relu(layer(x))
        return self.out(x)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = make_classification(
        n_samples=6000, n_features=20, n_informative=12, n_redundant=0, n_classes=6, class_sep=2.0, random_state=seed
    )
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=1000, random_state=seed)
    mean, std = x_train.mean(axis=0, keepdims=True), x_train.std(axis=0, keepdims=True)
    x_train, x_test = (torch.tensor((a - mean) / std, dtype=torch.float32) for a in (x_train, x_test))
    y_train, y_test = torch.tensor(y_train), torch.tensor(y_test)

    net = Net(20, 64, 6, 6)
    with torch.no_grad():
        for p in net.parameters():
            if p.dim() == 2:
                p.normal_(std=0.5)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for step in range(400):
        idx = torch.randint(0, len(x_train), (64,))
        loss = F.cross_entropy(net(x_train[idx]), y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 80 == 0:
            with torch.no_grad():
                out = net(x_test)
                test_loss = F.cross_entropy(out, y_test)
                acc = out.argmax(1).eq(y_test).float().mean()
            print(f"step {step + 1}: loss {loss:.3f}, test loss {test_loss:.3f}, test accuracy {acc:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
