"""A network for handwritten digits, written as one did for TensorFlow 1.2: placeholders, a session, a SavedModel."""

import argparse
import gzip
import os
import struct

import numpy as np
import tensorflow as tf

BATCH = 128


def read_idx(path):
    with gzip.open(path, "rb") as file:
        _, _, dimensions = struct.unpack(">HBB", file.read(4))
        shape = struct.unpack(">" + "I" * dimensions, file.read(4 * dimensions))
        return np.frombuffer(file.read(), dtype=np.uint8).reshape(shape)


def weights(*shape):
    return tf.Variable(tf.truncated_normal(shape, stddev=0.1))


def convolve(x, outputs):
    inputs = x.get_shape().as_list()[-1]
    x = tf.nn.conv2d(x, weights(5, 5, inputs, outputs), strides=[1, 1, 1, 1], padding="SAME")
    x = tf.nn.relu(tf.nn.bias_add(x, tf.Variable(tf.zeros([outputs]))))
    return tf.nn.max_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")


def main():
    parser = argparse.ArgumentParser()
    for name in ("trainImagesFile", "trainLabelsFile", "testImagesFile", "testLabelsFile"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--learningRate", type=float, default=0.001)
    parser.add_argument("--trainingIters", type=int, default=20000)
    flags = parser.parse_args()

    train_images, train_labels = read_idx(flags.trainImagesFile) / 255.0, read_idx(flags.trainLabelsFile)
    test_images, test_labels = read_idx(flags.testImagesFile) / 255.0, read_idx(flags.testLabelsFile)

    x = tf.placeholder(tf.float32, [None, 28, 28], name="x")
    y = tf.placeholder(tf.int64, [None], name="y")
    keep = tf.placeholder_with_default(1.0, [], name="keep")
    hidden = convolve(convolve(tf.reshape(x, [-1, 28, 28, 1]), 16), 32)
    hidden = tf.nn.relu(tf.matmul(tf.reshape(hidden, [-1, 7 * 7 * 32]), weights(7 * 7 * 32, 128)))
    scores = tf.matmul(tf.nn.dropout(hidden, keep), weights(128, 10))
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=scores))
    train = tf.train.AdamOptimizer(learning_rate=flags.learningRate).minimize(loss)
    accuracy = tf.reduce_mean(tf.cast(tf.equal(tf.argmax(scores, 1), y), tf.float32))

    chosen = np.random.RandomState(1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for step in range(1, flags.trainingIters // BATCH + 1):
            batch = chosen.choice(len(train_images), BATCH)
            session.run(train, {x: train_images[batch], y: train_labels[batch], keep: 0.75})
            if step % 10 == 0:
                now = session.run([loss, accuracy], {x: train_images[batch], y: train_labels[batch]})
                print("Iter %d, Minibatch Loss= %.6f, Training Accuracy= %.5f" % (step * BATCH, now[0], now[1]))
        print("Testing Accuracy: %.5f" % session.run(accuracy, {x: test_images, y: test_labels}))

        builder = tf.saved_model.builder.SavedModelBuilder(os.path.join(os.environ["RESULT_DIR"], "model"))
        signature = tf.saved_model.signature_def_utils.predict_signature_def({"images": x}, {"scores": scores})
        builder.add_meta_graph_and_variables(
            session, [tf.saved_model.tag_constants.SERVING], signature_def_map={"serving_default": signature}
        )
        builder.save()


if __name__ == "__main__":
    main()
