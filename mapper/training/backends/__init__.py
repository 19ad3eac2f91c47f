"""Where layers and neurons are trained: compiled kernels on a CPU, Triton programs on a GPU."""
