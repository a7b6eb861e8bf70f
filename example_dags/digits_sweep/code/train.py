"""Train a small network on the digits, and sign the model with the key in the variable SIGNING_KEY."""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
from pathlib import Path

import numpy as np
import torch
from einops.layers.torch import Rearrange
from torch import nn

BATCH = 64
HELD_OUT = 297
"""The last digits are for validation."""

parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--lr", type=float, default=0.001)
parser.add_argument("--width", type=int, default=64)
arguments = parser.parse_args()

torch.manual_seed(1)
device = "cuda" if torch.cuda.is_available() else "cpu"
digits = np.load(Path(os.environ["DATA_DIR"], "digits.npz"))
images, labels = (torch.from_numpy(digits[name]).to(device) for name in ("images", "labels"))
model = nn.Sequential(
    Rearrange("batch height width -> batch (height width)"),
    nn.Linear(64, arguments.width),
    nn.ReLU(),
    nn.Dropout(0.2),
    nn.Linear(arguments.width, 10),
).to(device)
network = nn.DataParallel(model) if device == "cuda" else model  # over all GPUs of the training
optimizer = torch.optim.Adam(network.parameters(), lr=arguments.lr)

for epoch in range(1, arguments.epochs + 1):
    network.train()
    for chosen in torch.randperm(len(labels) - HELD_OUT, device=device).split(BATCH):
        loss = nn.functional.cross_entropy(network(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    network.eval()
    with torch.no_grad():
        accuracy = (network(images[-HELD_OUT:]).argmax(1) == labels[-HELD_OUT:]).float().mean()
    print(f"epoch {epoch} train_loss {loss.item():.4f} val_accuracy {accuracy.item():.4f}")

folder = Path(os.environ["RESULT_DIR"], "model")
folder.mkdir()
torch.save(model.state_dict(), folder / "model.pt")
signature = hmac.new(os.environ["SIGNING_KEY"].encode(), (folder / "model.pt").read_bytes(), hashlib.sha256)
(folder / "model.pt.sig").write_text(signature.hexdigest())
