import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x, y = load_digits(return_X_y=True)
x = torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)
y = torch.tensor(y)
acc = Accelerator(cpu=True, gradient_accumulation_steps=2)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
opt = torch.optim.Adam(model.parameters(), lr=2e-3)
model, opt, dl = acc.prepare(model, opt, DataLoader(TensorDataset(x, y), 32, shuffle=True))
for e in range(5):
    for a, b in dl:
        with acc.accumulate(model):
            loss = nn.functional.cross_entropy(model(a), b)
            acc.backward(loss)
            opt.step()
            opt.zero_grad()
    print(e, loss.item())
