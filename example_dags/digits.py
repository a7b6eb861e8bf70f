"""
Real handwritten digits for the examples: the 1,797 digits of scikit-learn, as 28×28 images in the format of MNIST.

The first 1,500 are training data, each in nine positions (shifted by up to one pixel). The last 297 are for evaluation.
"""

from __future__ import annotations

import gzip
import struct

import numpy as np
from numpy.typing import NDArray

TRAINING_IMAGES = 1500

Images = NDArray[np.uint8]


def idx_files() -> dict[str, bytes]:
    """Return the four gzipped files of the data set, with the file names of MNIST."""
    images, labels = _digits()
    train, held_out = slice(None, TRAINING_IMAGES), slice(TRAINING_IMAGES, None)
    shifts = [(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)]
    shifted = np.concatenate([np.roll(images[train], shift, axis=(1, 2)) for shift in shifts])
    return {
        "train-images-idx3-ubyte.gz": _idx(shifted),
        "train-labels-idx1-ubyte.gz": _idx(np.tile(labels[train], len(shifts))),
        "t10k-images-idx3-ubyte.gz": _idx(images[held_out]),
        "t10k-labels-idx1-ubyte.gz": _idx(labels[held_out]),
    }


def held_out_accuracy(model: bytes) -> float:
    """Return the fraction of the evaluation digits that *model*, a TFLite file, classifies correctly."""
    from ai_edge_litert.interpreter import Interpreter

    images, labels = _digits()
    interpreter = Interpreter(model_content=model)
    input_index, output_index = (
        interpreter.get_input_details()[0]["index"],
        interpreter.get_output_details()[0]["index"],
    )
    interpreter.resize_tensor_input(input_index, (len(labels) - TRAINING_IMAGES, 28, 28, 1))
    interpreter.allocate_tensors()
    interpreter.set_tensor(input_index, images[TRAINING_IMAGES:, :, :, None].astype(np.float32))
    interpreter.invoke()
    predicted = interpreter.get_tensor(output_index).argmax(axis=1)
    return float((predicted == labels[TRAINING_IMAGES:]).mean())


def _digits() -> tuple[Images, Images]:
    """Return the images of all digits, scaled from 8×8 to 20×20 (bilinear) and centered in 28×28, and their labels."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    positions = np.clip((np.arange(20) + 0.5) * 8 / 20 - 0.5, 0, 7)
    low = np.minimum(positions.astype(int), 6)
    high = positions - low
    weights = np.zeros((20, 8))
    weights[np.arange(20), low] = 1 - high
    weights[np.arange(20), low + 1] += high
    large = weights @ (digits.images * 255 / 16) @ weights.T
    return np.pad(large.round().astype(np.uint8), ((0, 0), (4, 4), (4, 4))), digits.target.astype(np.uint8)


def _idx(array: Images) -> bytes:
    """
    Return *array* in the IDX format, gzipped: two zero bytes, the type (8: unsigned bytes), the rank, the sizes, the
    data.
    """
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)
