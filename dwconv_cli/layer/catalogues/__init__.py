"""Catalogues of functions, under the names that they have in Keras and SciPy."""
