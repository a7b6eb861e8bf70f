"""Four series with two tags: what add_scalars of PyTorch and the two summaries of a GAN leave in LOG_DIR."""

import os

import tensorflow as tf

LOGS = os.environ["LOG_DIR"] + "/runs"


def write(folder: str, values: list[float], tag: str) -> None:
    """Write *values* as the scalar *tag* into an event file in *folder*."""
    writer = tf.summary.create_file_writer(f"{LOGS}/{folder}")
    with writer.as_default():
        for step, value in enumerate(values):
            tf.summary.scalar(tag, value, step=step)
    writer.close()


write("loss_train", [1.0, 0.5, 0.25], "loss")
write("loss_val", [9.0, 8.0, 7.0], "loss")
write("gen", [0.1, 0.2, 0.3], "adv")
write("disc", [100.0, 200.0, 300.0], "adv")
