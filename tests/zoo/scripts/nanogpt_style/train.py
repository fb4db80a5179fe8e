"""In the manner of nanoGPT: globals as configuration, overridden by --key=value; a sibling module; accumulation."""

import hashlib
import math
import sys
from ast import literal_eval

import torch
from model import GPT

batch_size = 12
block_size = 32
max_iters = 60
learning_rate = 3e-3
grad_clip = 1.0
gradient_accumulation_steps = 2
seed = 1337
for arg in sys.argv[1:]:
    key, val = arg.removeprefix("--").split("=")
    assert key in globals()
    globals()[key] = literal_eval(val)

torch.manual_seed(seed)
text = "the quick brown fox jumps over the lazy dog while the slow red hen sleeps under the old oak tree. " * 30
chars = sorted(set(text))
ids = torch.tensor([chars.index(c) for c in text])


def get_batch():
    ix = torch.randint(len(ids) - block_size, (batch_size,))
    return torch.stack([ids[i : i + block_size] for i in ix]), torch.stack(
        [ids[i + 1 : i + 1 + block_size] for i in ix]
    )


model = GPT(len(chars), context=block_size)
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, betas=(0.9, 0.95), weight_decay=0.1)
for it in range(max_iters):
    lr = learning_rate * min(1, (it + 1) / 10) * 0.5 * (1 + math.cos(math.pi * it / max_iters))
    for group in optimizer.param_groups:
        group["lr"] = lr
    for _ in range(gradient_accumulation_steps):
        x, y = get_batch()
        logits, loss = model(x, y)
        (loss / gradient_accumulation_steps).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if it % 10 == 0:
        print(f"iter {it}: loss {loss.item():.4f}")
print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in model.parameters())).hexdigest())
