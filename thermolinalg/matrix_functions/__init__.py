"""Engines: how a scalar function of A is applied to vectors, one file each, and `select`, which says which one runs."""
