"""Digits on two ranks (gloo): each rank trains a model of its own."""

import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset


def main() -> None:
    dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank())
    x, y = load_digits(return_X_y=True)
    dataset = TensorDataset(torch.tensor((x - x.mean()) / x.std(), dtype=torch.float32), torch.tensor(y))
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    model = net
    sampler = DistributedSampler(dataset, seed=0)
    order = torch.Generator().manual_seed(0)
    loader = DataLoader(dataset, batch_size=32, sampler=sampler, shuffle=sampler is None, generator=order)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for epoch in range(2):
        if sampler is not None:
            sampler.set_epoch(epoch)
        for inputs, targets in loader:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if dist.get_rank() == 0:
            print(f"epoch {epoch}: loss {loss.item():.4f}", flush=True)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
