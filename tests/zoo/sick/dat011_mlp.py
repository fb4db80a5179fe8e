"""Wine classifier: training rows standardised, one hidden layer, accuracy on held-out rows after every epoch.

Wrong: the held-out rows are evaluated in their raw units, because only the training rows go through the scaler. A
competent diagnosis names a shift between the splits' inputs (DAT011).
"""

import sys

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_wine(return_X_y=True)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    x_train = StandardScaler().fit_transform(x_train)
    train_set = TensorDataset(torch.tensor(x_train, dtype=torch.float32), torch.tensor(y_train))
    test_set = TensorDataset(torch.tensor(x_test, dtype=torch.float32), torch.tensor(y_test))
    train_loader = DataLoader(train_set, batch_size=16, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=len(test_set))

    model = nn.Sequential(nn.Linear(13, 16), nn.ReLU(), nn.Linear(16, 3))
    loss_fn = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for epoch in range(20):
        model.train()
        for features, label in train_loader:
            optimizer.zero_grad()
            loss = loss_fn(model(features), label)
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            for features, label in test_loader:
                output = model(features)
                test_loss = loss_fn(output, label).item()
                test_acc = (output.argmax(1) == label).float().mean().item()
        if epoch % 5 == 4:
            print(
                f"epoch {epoch + 1}: train loss {loss.item():.4f}, test loss {test_loss:.4f}, accuracy {test_acc:.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
