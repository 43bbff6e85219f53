"""Tables of numbers in text: CSV and its kin, read and written in blocks.

lines    which lines are rows, and where they lie, so that rows are read by their number
heading  the delimiter, the names of the columns, and whether the first column holds times
times    the times in the first column, and the sampling rate that they make
numbers  rows of text to numbers, by NumPy's reader
writing  numbers to rows of text
"""
