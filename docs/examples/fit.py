"""Trains with the rate that was found, and looks at the test examples, once."""

import torch
from fixed import build, load

import babysit as bs

torch.manual_seed(0)
training, validation, (x_test, y_test) = load()
result = bs.fit(build(), training, validation=validation, lr=0.038, epochs=30, batch_size=32)
print(f"epoch {result.best.epoch}: validation accuracy {result.best.score:.3f}")
print(result.diagnosis.verdict, result.diagnosis.curve)

result.model.eval()
with torch.no_grad():
    accuracy = (result.model(x_test).argmax(1) == y_test).float().mean().item()
print(f"test accuracy {accuracy:.3f} of {len(y_test)} examples")
