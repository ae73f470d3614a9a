"""Applications beside the libraries that they are compared with."""
