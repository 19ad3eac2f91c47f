"""The compiled kernels (``csrc/``): loaded once, used by the native engine and by training."""
