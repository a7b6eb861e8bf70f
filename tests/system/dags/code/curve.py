"""A simulated training: it prints curves that depend on the learning rate. Ends when a test releases it."""

import argparse
import math
import os
import random
import time
from pathlib import Path

options = argparse.ArgumentParser()
options.add_argument("--learningRate", type=float, required=True)
options.add_argument("--hold", action="store_true")
given = options.parse_args()
rate, step = given.learningRate, 0
while step < 400 or (given.hold and not Path(os.environ["CHECKPOINT_DIR"], "go").exists()):
    step += 1
    fit = 1 - math.exp(-step * rate)
    loss = 2.3 * (1 - fit) + 0.1 * random.random()
    print(f"Iter {step}, Minibatch Loss= {loss:.4f}, Training Accuracy= {0.1 + 0.89 * fit:.4f}", flush=True)
    if step % 10 == 0:
        loss, accuracy = 2.3 * (1 - fit) + 0.2 + rate, 0.1 + 0.85 * fit - rate
        print(f"Iter {step}, val_loss= {loss:.4f}, val_accuracy= {accuracy:.4f}", flush=True)
    if step > 390:
        time.sleep(0.05)
