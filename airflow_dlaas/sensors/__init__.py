"""Sensors: they wait for trainings of other tasks and for objects. A sensor submits nothing and cancels nothing."""
