"""Waiting for a training that somebody else has submitted. Sensors own nothing and cancel nothing."""
