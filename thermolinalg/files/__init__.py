"""Files of strangers, read within limits, and results, written whole or not at all.

What is raised names the file: an OSError where the file system refuses, a ValueError where the content does.
"""

from thermolinalg.files.bounded import LIMIT, LONGEST_LINE, parse_number, shown, text_lines
from thermolinalg.files.matrices import READABLE, load_matrix, load_vectors
from thermolinalg.files.replacing import WRITABLE, check_output, replacing, save_array

__all__ = [
    "LIMIT",
    "LONGEST_LINE",
    "READABLE",
    "WRITABLE",
    "check_output",
    "load_matrix",
    "load_vectors",
    "parse_number",
    "replacing",
    "save_array",
    "shown",
    "text_lines",
]
