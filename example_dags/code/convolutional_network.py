"""
Trains a small convolutional network on images of handwritten digits.

Takes the four files of the MNIST data set, or others of that form, and leaves two forms of the trained model in
`$RESULT_DIR/model`: one for Keras, and a small one for devices and quick checks (TensorFlow Lite).
"""

from __future__ import annotations

import argparse
import gzip
import os
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow import keras

BATCH = 16
PRINT_EVERY = 50


def read_idx(path: str) -> np.ndarray:
    """Read a gzipped IDX file: two zero bytes, the type, the number of dimensions, their sizes, then the values."""
    with gzip.open(path, "rb") as file:
        dimensions = file.read(4)[3]
        shape = np.frombuffer(file.read(4 * dimensions), dtype=">u4")
        return np.frombuffer(file.read(), dtype=np.uint8).reshape(shape)


def build(learning_rate: float, steps: int) -> keras.Model:
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            # Everybody writes at a slant and a size of their own. These two act in training only.
            layers.RandomRotation(0.04, fill_mode="constant"),
            layers.RandomZoom(0.15, 0.15, fill_mode="constant"),
            *convolution(16),
            *convolution(32),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.25),
            layers.Dense(10, activation="softmax"),
        ]
    )
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def convolution(filters: int) -> list[keras.Layer]:
    return [
        keras.layers.Conv2D(filters, 5, padding="same", use_bias=False),
        keras.layers.BatchNormalization(momentum=0.9),
        keras.layers.ReLU(),
        keras.layers.MaxPooling2D(),
    ]


class PrintProgress(keras.callbacks.Callback):
    """Prints a line that tells how far the training is; the service makes the loss curve of these."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        if (batch + 1) % PRINT_EVERY == 0:
            seen = (batch + 1) * BATCH
            print(f"Iter {seen}, Loss= {logs['loss']:.4f}, Training Accuracy= {logs['accuracy']:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("trainImagesFile", "trainLabelsFile", "testImagesFile", "testLabelsFile"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--learningRate", type=float, default=0.001)
    parser.add_argument("--trainingIters", type=int, default=20000, help="how many images to train on")
    flags = parser.parse_args()

    # The same data gives the same model.
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()

    images, labels = read_idx(flags.trainImagesFile)[..., np.newaxis], read_idx(flags.trainLabelsFile)
    steps = max(1, flags.trainingIters // BATCH)
    batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(images)).repeat().batch(BATCH)
    model = build(flags.learningRate, steps)
    model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0, callbacks=[PrintProgress()])

    test_images, test_labels = read_idx(flags.testImagesFile)[..., np.newaxis], read_idx(flags.testLabelsFile)
    loss, accuracy = model.evaluate(test_images, test_labels, verbose=0)
    print(f"Iter {steps * BATCH}, Test Loss= {loss:.4f}, Test Accuracy= {accuracy:.4f}")

    folder = Path(os.environ["RESULT_DIR"], "model")
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.keras")
    with redirect_stdout(StringIO()):  # the converter would print the whole signature
        small = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "model.tflite").write_bytes(small)


if __name__ == "__main__":
    main()
