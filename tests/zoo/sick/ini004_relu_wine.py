"""Wine cultivars with a ReLU MLP of four hidden layers, batches drawn with numpy.

Sick, INI004 late-start: every weight matrix is scaled by 0.25 "to start carefully". The loss stays at ln 3 for a large
part of the training, then drops within a few dozen steps. A competent diagnosis names the late start, caused by the
too small initial weights.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from torch import nn


def batches(rng, n, size):
    order = rng.permutation(n)
    for start in range(0, n - size + 1, size):
        yield order[start : start + size]


def main(seed: int) -> None:
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    wine = load_wine()
    order = rng.permutation(len(wine.data))
    features, labels = wine.data[order], wine.target[order]
    mean, std = features[:138].mean(0), features[:138].std(0)
    features = torch.as_tensor((features - mean) / std, dtype=torch.float32)
    labels = torch.as_tensor(labels)

    model = nn.Sequential(
        nn.Linear(13, 40),
        nn.ReLU(),
        nn.Linear(40, 40),
        nn.ReLU(),
        nn.Linear(40, 40),
        nn.ReLU(),
        nn.Linear(40, 40),
        nn.ReLU(),
        nn.Linear(40, 3),
    )
    with torch.no_grad():
        for module in model:
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                module.weight.mul_(0.25)
                module.bias.zero_()

    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
    for epoch in range(40):
        for index in batches(rng, 138, 23):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(features[index]), labels[index])
            loss.backward()
            optimizer.step()
        if epoch % 5 == 4:
            with torch.inference_mode():
                prediction = model(features[138:]).argmax(dim=1)
            accuracy = (prediction == labels[138:]).float().mean().item()
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}, validation accuracy {accuracy:.2f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
