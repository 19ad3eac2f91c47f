"""Layers of weights that one convolution computes: which, whether that costs less, and that one."""
