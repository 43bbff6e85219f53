"""What something is: a recording, weights, a model, a file, a directory, or what a layer makes of a shape.

Everything comes as plain data that JSON can hold. Nothing is computed of the recording's samples unless statistics
are asked for.

    data      a recording's header        stats     its channels, in one pass
    kernels   weights                     response  gain, half-power points, group delay
    check     a layer against a shape     contents  files, directories, Keras models
    plain     values from files as JSON's
"""

from dwconv_cli.description.targets import describe, describe_all, shapes_of

__all__ = ["describe", "describe_all", "shapes_of"]
