"""Train a small PyTorch network on the digits in ``$DATA_DIR``."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn

BATCH = 64
HELD_OUT = 297
"""The last digits are for validation."""

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=20)
arguments = parser.parse_args()

torch.manual_seed(1)
digits = np.load(Path(os.environ["DATA_DIR"], "digits.npz"))
images, labels = (torch.from_numpy(digits[name]) for name in ("images", "labels"))
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

for epoch in range(1, arguments.epochs + 1):
    for chosen in torch.randperm(len(labels) - HELD_OUT).split(BATCH):
        loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        accuracy = (model(images[-HELD_OUT:]).argmax(1) == labels[-HELD_OUT:]).float().mean()
    print(f"epoch {epoch} train_loss {loss.item():.4f} val_accuracy {accuracy.item():.4f}")

folder = Path(os.environ["RESULT_DIR"], "model")
folder.mkdir(exist_ok=True)
torch.save(model.state_dict(), folder / "model.pt")
