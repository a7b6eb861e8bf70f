"""Validation and rendering of the parameters of operators and sensors. Private. No module here sends a request."""
