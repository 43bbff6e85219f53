"""The values that options of a few fixed words take, in a module light enough for ``--help``."""

from __future__ import annotations

from typing import Final, Literal, get_args

Padding = Literal["valid", "same", "causal"]
PADDINGS: Final[tuple[Padding, ...]] = get_args(Padding)
DataFormat = Literal["channels_last", "channels_first"]
DATA_FORMATS: Final[tuple[DataFormat, ...]] = get_args(DataFormat)
DTypeName = Literal["float16", "float32", "float64", "complex64", "complex128"]
DTYPES: Final[tuple[DTypeName, ...]] = get_args(DTypeName)
KernelLayout = Literal["keras", "torch"]
KERNEL_LAYOUTS: Final[tuple[KernelLayout, ...]] = get_args(KernelLayout)
AUTO: Final = "auto"
AlgorithmName = Literal["auto", "direct", "overlap-save"]
ALGORITHM_NAMES: Final[tuple[AlgorithmName, ...]] = get_args(AlgorithmName)
# An algorithm that earlier versions had, and what to tell those who still name it.
REMOVED_ALGORITHM: Final = "toeplitz"
REMOVED_ADVICE: Final = "toeplitz is gone, and direct is faster than it was"
# File formats and the suffixes that tell them. Each is a module of this name in dwconv_cli/storage/formats.
FormatName = Literal[
    "npy",
    "npz",
    "csv",
    "hdf5",
    "wav",
    "flac",
    "sigmf",
    "safetensors",
]
FORMATS: Final[dict[FormatName, tuple[str, ...]]] = {
    "npy": (".npy",),
    "npz": (".npz",),
    "csv": (".csv", ".tsv"),
    "hdf5": (".h5", ".hdf5", ".hdf", ".he5", ".nxs", ".mat"),
    "wav": (".wav",),
    "flac": (".flac",),
    "sigmf": (".sigmf-data", ".sigmf-meta"),
    "safetensors": (".safetensors",),
}
# Those whose samples are held in one of several ways.
SAMPLED_FORMATS: Final = ("wav", "flac", "sigmf")
FORMAT_NAMES: Final = tuple(FORMATS)
# Headerless samples, which are written alone, and the suffixes of all outputs.
RAW: Final = "raw"
OutputFormatName = FormatName | Literal["raw"]
OUTPUT_SUFFIXES: Final[dict[str, tuple[str, ...]]] = dict([*FORMATS.items(), (RAW, (".raw",))])
# Those that standard input and output may have.
STREAM_FORMATS: Final = ("npy", "csv", "wav")
NanMode = Literal["propagate", "error", "zero"]
NAN_MODES: Final[tuple[NanMode, ...]] = get_args(NanMode)
# The upper limit of every option that counts something, such as taps, steps or threads.
LARGEST: Final = 2**31 - 1
# The key under which an .npz or HDF5 file of weights holds the config of their layer.
LAYER_CONFIG: Final = "layer_config"
