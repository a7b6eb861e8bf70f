"""
Train a small PyTorch network on the digits; after an interruption, continue from the last complete epoch.

A continued training ends with the same weights as one without interruption, bit by bit: the checkpoint has the model,
the optimizer, the random numbers and the epoch. The lines that resume are those with the word CHECKPOINT.
"""

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

CHECKPOINT = Path(os.environ["CHECKPOINT_DIR"], "last.pt")


def save(epoch: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Replace CHECKPOINT at once: a reader sees the old file or the new one, and no part of a file."""
    state = {"epoch": epoch, "model": model.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**state, "random": torch.get_rng_state()}, CHECKPOINT.with_suffix(".new"))
    CHECKPOINT.with_suffix(".new").replace(CHECKPOINT)


def load(model: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Load CHECKPOINT; return its epoch, or 0 if there is none."""
    if not CHECKPOINT.exists():
        return 0
    state = torch.load(CHECKPOINT, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    torch.set_rng_state(state["random"])
    return int(state["epoch"])


parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=40)
arguments = parser.parse_args()

torch.manual_seed(1)
digits = np.load(Path(os.environ["DATA_DIR"], "digits.npz"))
images, labels = (torch.from_numpy(digits[name]) for name in ("images", "labels"))
model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=0.003)

begun_with = load(model, optimizer)  # CHECKPOINT: continue where it ends
print(f"Training begins with epoch {begun_with + 1}")
for epoch in range(begun_with + 1, arguments.epochs + 1):
    model.train()
    for chosen in torch.randperm(len(labels) - HELD_OUT).split(BATCH):
        loss = nn.functional.cross_entropy(model(images[chosen]), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(images[-HELD_OUT:]).argmax(1) == labels[-HELD_OUT:]).float().mean()
    print(f"epoch {epoch} train_loss {loss.item():.4f} val_accuracy {accuracy.item():.4f}")
    save(epoch, model, optimizer)  # CHECKPOINT: after each epoch

folder = Path(os.environ["RESULT_DIR"], "model")
folder.mkdir(exist_ok=True)
np.savez(folder / "weights.npz", **{name: values.numpy() for name, values in model.state_dict().items()})
torch.save(model.state_dict(), folder / "model.pt")
