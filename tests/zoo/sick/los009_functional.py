"""Knowledge distillation of a wine classifier: a small network learns the soft answers of a linear teacher.

Wrong: the student's raw logits go into F.kl_div, without log_softmax; the "divergence" runs to minus infinity. A
competent diagnosis names a loss outside its domain (LOS009).
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression


def student(p, x):
    return torch.tanh(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]


def main(seed: int) -> None:
    torch.manual_seed(seed)
    data, target = load_wine(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(target))
    data, target = data[order], target[order]
    data = (data - data[:130].mean(0)) / data[:130].std(0)
    teacher = LogisticRegression(C=0.3).fit(data[:130], target[:130])
    x = torch.tensor(data, dtype=torch.float32)
    soft = torch.tensor(teacher.predict_proba(data), dtype=torch.float32)
    hard = torch.tensor(target)

    p = {
        "w1": torch.randn(13, 12) / 13**0.5,
        "b1": torch.zeros(12),
        "w2": torch.randn(12, 3) / 12**0.5,
        "b2": torch.zeros(3),
    }
    for tensor in p.values():
        tensor.requires_grad_()
    optimizer = torch.optim.Adam(p.values(), lr=5e-3)
    for step in range(300):
        rows = torch.randint(0, 130, (32,))
        loss = F.kl_div(student(p, x[rows]), soft[rows], reduction="batchmean")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 50 == 49:
            with torch.no_grad():
                held_out = student(p, x[130:])
            agreement = (held_out.argmax(1) == soft[130:].argmax(1)).float().mean().item()
            accuracy = (held_out.argmax(1) == hard[130:]).float().mean().item()
            print(f"step {step + 1}: loss {loss.item():.4f}, agreement {agreement:.3f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
