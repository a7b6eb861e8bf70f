"""
Train a small convolutional network on images of handwritten digits.

The input is the four files of the MNIST data set, or other files of the same format. The output is the trained model in
`$RESULT_DIR/model`, in two formats: Keras, and TensorFlow Lite for devices and quick checks.
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
            # Handwriting varies in slant and size. These two layers are active in training only.
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
    """Print a line with the progress; the service makes the loss curve of these lines."""

    def on_train_batch_end(self, batch: int, logs: dict[str, float]) -> None:
        if (batch + 1) % PRINT_EVERY == 0:
            images_seen = (batch + 1) * BATCH
            print(
                f"Iter {images_seen}, Loss= {logs['loss']:.4f}, Training Accuracy= {logs['accuracy']:.4f}", flush=True
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("trainImagesFile", "trainLabelsFile", "testImagesFile", "testLabelsFile"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--learningRate", type=float, default=0.001)
    parser.add_argument("--trainingIters", type=int, default=20000, help="how many images to train on")
    flags = parser.parse_args()

    # Make the training reproducible: the same data gives the same model.
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
    with redirect_stdout(StringIO()):  # the converter prints the whole signature otherwise
        tflite_model = tf.lite.TFLiteConverter.from_keras_model(model).convert()
    (folder / "model.tflite").write_bytes(tflite_model)


if __name__ == "__main__":
    main()
