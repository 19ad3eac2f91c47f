"""Cells drawn by the native kernels: the same integers as NumPy gives, several times faster."""

import numpy as np

from mapper.ir.core import Array
from mapper.ir.crossbar import CrossbarMvm
from mapper.kernels import core, structs
from passes.dies.conductance import drift_table, drifts
from passes.dies.draws import normal_quantiles, stream
from passes.dies.sites import Sites
from targets.devices import CellCounts


def drawn_by_kernels(
    op: CrossbarMvm,
    facts: CellCounts,
    sites: Sites,
    seed: int,
    digits: Array,
    reference: Array | None,
    f: int,
) -> Array | None:
    """Return net cells ``[C, S, K, N]`` in units of ``2**-f`` counts.

    None where there are no kernels, or the cells are not for them: measured distributions, and
    numbers past 32 bits.

    Args:
        op: A layer without wires.
        facts: Of its cells.
        sites: Of the layer.
        seed: Of the die.
        digits: ``[S, K, N]`` of ``int16``, signed where they are on pairs.
        reference: What is taken from each cell, ``[C, K, references]`` or ``[1]``; None for pairs.
        f: Fraction bits.
    """
    if core.unavailable() or facts.quantiles is not None or facts.log_sigma is not None:
        return None
    copies, blocks, outputs = sites.slot.shape
    slices, wordlines, _ = digits.shape
    spread = facts.sigma is not None and any(facts.sigma)
    left = drift_table(facts) if drifts(facts) else np.zeros((facts.levels, 0))
    replicas = reference is not None and reference.ndim == 3
    round = op.placement.round
    keys = (stream(seed, "stuck"), stream(seed, "programming", round), stream(seed, "drift", round))
    stuck = bool(facts.stuck_on or facts.stuck_off)
    ends = np.array([facts.stuck_on or 0.0, 1 - (facts.stuck_off or 0.0)])
    out = np.empty((copies, slices, wordlines, outputs), np.int32)
    call = structs.Draw(
        C=copies,
        S=slices,
        K=wordlines,
        N=outputs,
        G=blocks,
        L=facts.levels,
        Q=len(sites.first_output) if replicas else 0,
        pairs=reference is None,
        fraction=f,
        stuck=stuck,
        spread=spread,
        drifts=left.shape[1],
        digits=np.ascontiguousarray(digits),
        slot=np.ascontiguousarray(sites.slot),
        bitline=np.ascontiguousarray(sites.bitline),
        block=sites.block.astype(np.int32),
        wordline=np.ascontiguousarray(sites.wordline),
        column=sites.reference.astype(np.int32) if replicas else None,
        keys=np.array(keys, np.uint64),
        mean=np.array(facts.level),
        sigma=np.array(facts.sigma) if spread else None,
        ends=ends if stuck else None,
        quantiles=normal_quantiles() if spread else None,
        left=np.ascontiguousarray(left) if left.size else None,
        reference=None if reference is None else np.ascontiguousarray(reference),
        out=out,
    )
    return out if core.draw_cells(core.best_level(), *structs.as_read(call)) else None
