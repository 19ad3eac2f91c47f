"""Run the fuzzer: ``python -m tests.fuzz --count 10000 --seed 1``."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: threads reserve memory
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.fuzz.campaign import main

if __name__ == "__main__":
    main()
