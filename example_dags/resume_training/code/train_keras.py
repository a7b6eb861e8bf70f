"""
The training of train.py with Keras: a continued training ends with the same weights as one without interruption.

A file of Keras has the model and the state of its optimizer, but not that of its random numbers. So each epoch sets
them, and the order of its data, by its own number.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

BATCH = 64
HELD_OUT = 297
"""The last digits are for validation."""

CHECKPOINT = Path(os.environ["CHECKPOINT_DIR"], "last.keras")


def build() -> keras.Model:
    layers = keras.layers
    hidden = [layers.Flatten(), layers.Dense(128, activation="relu"), layers.Dropout(0.2, seed=1)]
    built = keras.Sequential([keras.Input((8, 8)), *hidden, layers.Dense(10)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    built.compile(keras.optimizers.Adam(0.003), loss=loss, metrics=["accuracy"])
    return built


def save(model: keras.Model) -> None:
    """Replace CHECKPOINT at once: a reader sees the old file or the new one, and no part of a file."""
    model.save(CHECKPOINT.with_name("new.keras"))
    CHECKPOINT.with_name("new.keras").replace(CHECKPOINT)


def set_random_numbers(model: keras.Model, epoch: int) -> None:
    for layer in model.layers:
        if generator := getattr(layer, "seed_generator", None):
            generator.state.assign([epoch, 0])


parser = argparse.ArgumentParser()
parser.add_argument("--epochs", type=int, default=40)
arguments = parser.parse_args()

keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
digits = np.load(Path(os.environ["DATA_DIR"], "digits.npz"))
images, labels = digits["images"], digits["labels"]
held_out = images[-HELD_OUT:], labels[-HELD_OUT:]
images, labels = images[:-HELD_OUT], labels[:-HELD_OUT]

model = keras.saving.load_model(CHECKPOINT) if CHECKPOINT.exists() else build()  # CHECKPOINT: continue where it ends
begun_with = int(model.optimizer.iterations) // -(-len(labels) // BATCH)
print(f"Training begins with epoch {begun_with + 1}")
for epoch in range(begun_with + 1, arguments.epochs + 1):
    set_random_numbers(model, epoch)
    order = np.random.default_rng(epoch).permutation(len(labels))
    history = model.fit(images[order], labels[order], batch_size=BATCH, shuffle=False, verbose=0).history
    accuracy = model.evaluate(*held_out, verbose=0, return_dict=True)["accuracy"]
    print(f"epoch {epoch} train_loss {history['loss'][-1]:.4f} val_accuracy {accuracy:.4f}", flush=True)
    save(model)  # CHECKPOINT: after each epoch

folder = Path(os.environ["RESULT_DIR"], "model")
folder.mkdir(exist_ok=True)
np.savez(folder / "weights.npz", **{str(number): values for number, values in enumerate(model.get_weights())})
model.save(folder / "model.keras")
