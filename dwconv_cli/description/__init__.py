"""What something is: a recording, weights, a model, a file, a directory, or what a layer makes of a shape.

Everything comes as plain data that JSON can hold. A recording's samples are read only if statistics are asked for.

    kinds        which kind of thing a target is     check          what a layer makes of a shape
    recording    a recording's header                channel_stats  statistics of its channels, in one pass
    weights      kernel, bias and layer              response       gain, half-power points, group delay
    catalogues   names to choose from, with their arguments
    containers   files, directories, Keras models    json_values    values from files as JSON's types
    comparison   where two arrays differ
"""

from dwconv_cli.description.comparison import Comparison, Difference, compare
from dwconv_cli.description.kinds import describe, describe_all, shapes_of

__all__ = ["Comparison", "Difference", "compare", "describe", "describe_all", "shapes_of"]
