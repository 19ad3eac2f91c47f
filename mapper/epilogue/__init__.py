"""What only outputs depend on and no crossbar should do: computed on the host, after the integers.

Such as tanh of a flow, softmax of counts, the greatest membrane over time. ``epilogue.onnx`` of a
build holds it, as standard operators of a closed list (``operators``), which ONNX Runtime runs in
single precision on the reals that the integers stand for.
"""
