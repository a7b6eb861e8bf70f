"""Validation and rendering of the parameters of operators and sensors. Private; nothing here sends a request."""
