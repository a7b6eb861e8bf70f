"""
Checkpoints of running trainings: CHECKPOINT_DIR is stored in the results container while the command runs, and restored
before the next attempt.

Nothing is imported here.
"""
