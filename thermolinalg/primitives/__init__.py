"""Protocols on a device: one file per thing a user calls."""
