"""
Real handwritten digits for the examples: scikit-learn's 1,797, as 28×28 images in the format of the MNIST set.

The first 1,500 are for training, each in nine positions (shifted by up to one pixel); the last 297 are held out.
"""

from __future__ import annotations

import gzip
import struct

import numpy as np
from numpy.typing import NDArray

TRAINING_IMAGES = 1500

Images = NDArray[np.uint8]


def idx_files() -> dict[str, bytes]:
    """The four files of the set, gzipped, under the names they have in the MNIST set."""
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
    """The share of held-out digits that *model*, a TFLite file, reads right."""
    from ai_edge_litert.interpreter import Interpreter

    images, labels = _digits()
    interpreter = Interpreter(model_content=model)
    source, result = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    interpreter.resize_tensor_input(source, (len(labels) - TRAINING_IMAGES, 28, 28, 1))
    interpreter.allocate_tensors()
    interpreter.set_tensor(source, images[TRAINING_IMAGES:, :, :, None].astype(np.float32))
    interpreter.invoke()
    read = interpreter.get_tensor(result).argmax(axis=1)
    return float((read == labels[TRAINING_IMAGES:]).mean())


def _digits() -> tuple[Images, Images]:
    """All digits, enlarged bilinearly from 8×8 to 20×20 and centred in 28×28, and what they are."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    places = np.clip((np.arange(20) + 0.5) * 8 / 20 - 0.5, 0, 7)
    low = np.minimum(places.astype(int), 6)
    high = places - low
    weights = np.zeros((20, 8))
    weights[np.arange(20), low] = 1 - high
    weights[np.arange(20), low + 1] += high
    large = weights @ (digits.images * 255 / 16) @ weights.T
    return np.pad(large.round().astype(np.uint8), ((0, 0), (4, 4), (4, 4))), digits.target.astype(np.uint8)


def _idx(array: Images) -> bytes:
    """*array* in the IDX format: two zeros, the type (8: unsigned bytes), the rank, the sizes, the bytes; gzipped."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)
