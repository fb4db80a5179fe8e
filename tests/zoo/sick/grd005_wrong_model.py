"""Breast cancer with a student network that also follows its own moving average (a mean teacher), SGD.

Sick, GRD005 accumulated-gradient: the loop clears the gradients of the teacher, which has none, instead of those of the
student. The student steps with the sum of all its gradients. A competent diagnosis names the gradients that are
never cleared.
"""

import copy
import sys

import torch
import torch.nn.functional as F
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from torch import nn


class MLP(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.fc1 = nn.Linear(n_in, n_hidden)
        self.fc2 = nn.Linear(n_hidden, n_hidden)
        self.fc3 = nn.Linear(n_hidden, 1)

    def forward(self, x):
        x = F.elu(self.fc1(x))
        x = F.elu(self.fc2(x))
        return self.fc3(x).squeeze(1)


@torch.no_grad()
def update_teacher(teacher, student, decay=0.98):
    for slow, fast in zip(teacher.parameters(), student.parameters(), strict=True):
        slow.lerp_(fast, 1 - decay)


def main(seed: int) -> None:
    torch.manual_seed(seed)
    x, y = load_breast_cancer(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=y)
    mean, std = x_train.mean(0), x_train.std(0)
    x_train, x_val = torch.Tensor((x_train - mean) / std), torch.Tensor((x_val - mean) / std)
    y_train, y_val = torch.Tensor(y_train), torch.Tensor(y_val)

    student = MLP(30, 32)
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.02)
    for step in range(1, 301):
        batch = torch.randint(len(x_train), (40,))
        noisy = x_train[batch] + 0.1 * torch.randn(40, 30)
        logits = student(noisy)
        consistency = F.mse_loss(torch.sigmoid(logits), torch.sigmoid(teacher(x_train[batch])))
        loss = F.binary_cross_entropy_with_logits(logits, y_train[batch]) + 0.5 * consistency
        teacher.zero_grad()
        loss.backward()
        optimizer.step()
        update_teacher(teacher, student)
        if step % 50 == 0:
            with torch.no_grad():
                logits = student(x_val)
                val_loss = F.binary_cross_entropy_with_logits(logits, y_val).item()
                accuracy = ((logits > 0) == (y_val > 0.5)).float().mean().item()
            print(f"step {step}: loss {loss.item():.4f} val loss {val_loss:.4f} val acc {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
