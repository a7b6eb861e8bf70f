"""A training of a few seconds: prints a falling loss and stores a model. ``--exit N`` ends it with that code."""

import argparse
import os
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=3)
parser.add_argument("--exit", type=int, default=0)
options = parser.parse_args()

print("data:", sorted(path.name for path in Path(os.environ["DATA_DIR"]).iterdir()))
for step in range(1, options.steps + 1):
    print(f"Iter {step}, Minibatch Loss= {1 / step:.4f}")
    time.sleep(0.5)
if options.exit:
    raise SystemExit(options.exit)
model = Path(os.environ["RESULT_DIR"]) / "model"
model.mkdir(parents=True)
(model / "weights.txt").write_text("1 2 3")
print("The last line.")
