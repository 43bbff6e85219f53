"""The convolution of arrays: planned, computed tile by tile, whole or in blocks. It knows no files."""
