"""A hardware graph as ``executor.py``: a standalone NumPy program."""
