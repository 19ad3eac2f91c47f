"""Rows of operators with subgraphs, and of those on lists of tensors."""

from mapper.frontend.onnx.operators.row import InTime, Operator

CONTROL = (
    Operator("ConcatFromSequence", "sequence", time=InTime(through="sequence concat")),
    Operator("If", "branch", time=InTime(through="branch")),
    Operator("Loop", "loop", time=InTime(through="loop")),
    Operator("Scan", "loop", time=InTime(through="scan")),
    Operator("SequenceAt", "sequence", time=InTime(through="sequence at")),
    Operator("SequenceConstruct", "sequence", time=InTime(through="sequence construct")),
    Operator("SequenceEmpty", "sequence", time=InTime(through="sequence empty")),
    Operator("SequenceErase", "sequence", time=InTime(through="sequence erase")),
    Operator("SequenceInsert", "sequence", time=InTime(through="sequence insert")),
    Operator("SequenceLength", "sequence", time=InTime(through="sequence length")),
    Operator("SequenceMap", "sequence"),
    Operator("SplitToSequence", "sequence", time=InTime(through="sequence split")),
)
