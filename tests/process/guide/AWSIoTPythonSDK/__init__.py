"""Stands for the package of AWS's first Python SDK, which Debian does not have."""
