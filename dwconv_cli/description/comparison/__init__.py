"""Where two arrays differ, and by how much.

arrays        what is compared: files at addresses, arrays in memory     blocks   the parts that are read together
distances     absolute, relative and ULP differences of pairs            tally    what is known of all blocks so far
attributes    the attributes of two HDF5 datasets                        pairs    pairs that differ
    result        what comes out                                             text     words for it
"""

from dwconv_cli.description.comparison.comparing import compare
from dwconv_cli.description.comparison.pairs import Difference
from dwconv_cli.description.comparison.result import Comparison

__all__ = ["Comparison", "Difference", "compare"]
