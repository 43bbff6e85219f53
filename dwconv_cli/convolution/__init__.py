"""The convolution of arrays: its plan, its computation tile by tile, whole or in blocks. Nothing here knows files."""
