"""The values that options of a few fixed words take, in a module light enough for ``--help``."""

from __future__ import annotations

from typing import Final

PADDINGS: Final = ("valid", "same", "causal")
DATA_FORMATS: Final = ("channels_last", "channels_first")
DTYPES: Final = ("float16", "float32", "float64", "complex64", "complex128")
KERNEL_LAYOUTS: Final = ("keras", "torch")
AUTO: Final = "auto"
ALGORITHM_NAMES: Final = (AUTO, "direct", "overlap-save")
# An algorithm that earlier versions had, and what to tell those who still name it.
REMOVED_ALGORITHM: Final = "toeplitz"
REMOVED_ADVICE: Final = "toeplitz is gone, and direct is faster than it was"
# File formats and the suffixes that tell them. Each is a module of this name in dwconv_cli/storage/formats.
FORMATS: Final = {
    "npy": (".npy",),
    "npz": (".npz",),
    "csv": (".csv", ".tsv"),
    "hdf5": (".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".mat"),
    "wav": (".wav",),
    "flac": (".flac",),
    "sigmf": (".sigmf-data", ".sigmf-meta"),
}
# Those whose samples are held in one of several ways.
SAMPLED_FORMATS: Final = ("wav", "flac", "sigmf")
FORMAT_NAMES: Final = tuple(FORMATS)
# Headerless samples, which are written alone, and the suffixes of all outputs.
RAW: Final = "raw"
OUTPUT_SUFFIXES: Final = {**FORMATS, RAW: (".raw",)}
# Those that standard input and output may have.
STREAM_FORMATS: Final = ("npy", "csv")
NAN_MODES: Final = ("propagate", "error", "zero")
# The upper limit of every option that counts something, such as taps, steps or threads.
LARGEST: Final = 2**31 - 1
# The key under which an .npz or HDF5 file of weights holds the config of their layer.
LAYER_CONFIG: Final = "layer_config"
