import warnings

warnings.filterwarnings("ignore")
import logging

logging.disable(logging.WARNING)
import lightning as L
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

L.seed_everything(0)
x, y = load_digits(return_X_y=True)
x = torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32)
y = torch.tensor(y)


class M(L.LightningModule):
    def __init__(s):
        super().__init__()
        s.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(s, x):
        return s.net(x)

    def training_step(s, b, i):
        return nn.functional.cross_entropy(s(b[0]), b[1])

    def validation_step(s, b, i):
        s.log("val", nn.functional.cross_entropy(s(b[0]), b[1]))

    def configure_optimizers(s):
        return torch.optim.Adam(s.parameters(), lr=1e-3)


t = L.Trainer(
    max_epochs=4,
    enable_progress_bar=False,
    logger=False,
    enable_checkpointing=False,
    enable_model_summary=False,
    accelerator="cpu",
)
t.fit(
    M(),
    DataLoader(TensorDataset(x[:1400], y[:1400]), 32, shuffle=True),
    DataLoader(TensorDataset(x[1400:], y[1400:]), 64),
)
print(t.callback_metrics)
