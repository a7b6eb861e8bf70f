"""
The training of train.py with Lightning: a continued training ends with the same weights as one without interruption.

A checkpoint of Lightning has the model, the optimizer and the epoch, but not the random numbers. So each step sets them
by its own number, and the sampler orders the data by the number of the epoch.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.data.distributed import DistributedSampler

BATCH = 64
HELD_OUT = 297
"""The last digits are for validation."""

CHECKPOINT_DIR = Path(os.environ["CHECKPOINT_DIR"])


class Digits(lightning.LightningModule):
    """A network with one hidden layer."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(128, 10))

    def training_step(self, batch: list[torch.Tensor]) -> torch.Tensor:
        torch.manual_seed(self.global_step)  # after a continuation, Lightning does not call on_train_epoch_start
        images, labels = batch
        loss = nn.functional.cross_entropy(self.network(images), labels)
        self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: list[torch.Tensor]) -> None:
        images, labels = batch
        self.log("val_accuracy", (self.network(images).argmax(1) == labels).float().mean())

    def on_train_epoch_end(self) -> None:
        loss, accuracy = (self.trainer.callback_metrics[name] for name in ("train_loss", "val_accuracy"))
        print(f"epoch {self.current_epoch + 1} train_loss {loss:.4f} val_accuracy {accuracy:.4f}", flush=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.003)


parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=40)
arguments = parser.parse_args()

lightning.seed_everything(1)
digits = np.load(Path(os.environ["DATA_DIR"], "digits.npz"))
images, labels = (torch.from_numpy(digits[name]) for name in ("images", "labels"))
train = TensorDataset(images[:-HELD_OUT], labels[:-HELD_OUT])
held_out = TensorDataset(images[-HELD_OUT:], labels[-HELD_OUT:])
sampler: DistributedSampler[list[torch.Tensor]] = DistributedSampler(train, num_replicas=1, rank=0, seed=1)

model = Digits()
trainer = lightning.Trainer(
    max_epochs=arguments.epochs,
    accelerator="cpu",
    num_sanity_val_steps=0,
    logger=False,
    enable_progress_bar=False,
    # CHECKPOINT: last.ckpt, at the end of each epoch, after its validation
    callbacks=[ModelCheckpoint(CHECKPOINT_DIR, save_last=True, save_on_train_epoch_end=True)],
)
trainer.fit(
    model,
    DataLoader(train, batch_size=BATCH, sampler=sampler),
    DataLoader(held_out, batch_size=HELD_OUT),
    ckpt_path="last",  # CHECKPOINT: continue where it ends; without one, begin with the first epoch
)

folder = Path(os.environ["RESULT_DIR"], "model")
folder.mkdir(exist_ok=True)
np.savez(folder / "weights.npz", **{name: values.numpy() for name, values in model.state_dict().items()})
torch.save(model.state_dict(), folder / "model.pt")
