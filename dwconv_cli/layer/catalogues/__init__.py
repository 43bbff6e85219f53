"""Catalogues: functions by the names that Keras and SciPy know them by."""
