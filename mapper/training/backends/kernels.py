"""GPU programs (Triton) of ``mapper.training.backends.fused`` and ``mapper.training.nets.neurons``.

Imported only where triton is there. A tile of vectors meets one row block at a time; its partial
sums live in registers and are read, shifted and added before the next. Masked vectors, rows and
columns hold zero inputs, cells and gradients, and so add nothing.

Axes: ``x[A, V, K]`` (groups, vectors, wordlines), ``cells[A, G, R, S, n]``, sums and gradients
``[V, A * n]``. Strides of thresholds are 0 along axes that they share.
"""

# mypy: ignore-errors
# ruff: noqa: N803
# Triton's language is no Python that a type checker can follow.

import triton
import triton.language as tl

VARYING = ("V", "G", "R", "t_l", "t_g", "t_s", "scale_stride", "per_split")
"""Numbers that get no program of their own: compiling takes seconds."""


@triton.jit
def _driven(x, v, k, row, a, V, K, R):
    """Load what drives one row block, ``[BM, BR]``."""
    at = (a * V + v.to(tl.int64))[:, None] * K + k[None, :]
    inside = (v < V)[:, None] & ((row < R) & (k < K))[None, :]
    return tl.load(x + at, mask=inside, other=0.0)


@triton.jit
def _block(cells, a, g, s, row, col, G, R, n, S: tl.constexpr):
    """Load the digits of one slice of a row block, ``[BR, BN]``."""
    at = ((a * G + g) * R + row)[:, None] * (S * n) + (s * n + col)[None, :]
    return tl.load(cells + at, mask=(row < R)[:, None] & (col < n)[None, :], other=0.0)


@triton.jit
def _threshold(t, level, g, s, a, col, n, t_l, t_g, t_s, t_n):
    at = level * t_l + g * t_g + s * t_s + (a * n + col) * t_n
    return tl.load(t + at, mask=col < n, other=0.0)[None, :]


@triton.jit
def _raw(p, t):
    """Return the unclipped code of an ADC; ``t`` holds step and base. Divisions are exact."""
    step, base = tl.load(t), tl.load(t + 1)
    return tl.floor(tl.div_rn(p - (base + tl.ceil(step / 2)), step + tl.zeros_like(p))) + 1


@triton.jit
def _codes(
    p, t, gaps, first, top, g, s, a, col, n, t_l, t_g, t_s, t_n, L: tl.constexpr, ADC: tl.constexpr
):
    """Decode partial sums ``[BM, BN]``."""
    if ADC:
        step, base = tl.load(t), tl.load(t + 1)
        found = base + step * tl.minimum(tl.maximum(_raw(p, t), 0.0), top)
    else:
        found = tl.zeros_like(p) + first
        for level in tl.static_range(L):
            reached = p >= tl.ceil(_threshold(t, level, g, s, a, col, n, t_l, t_g, t_s, t_n))
            found += tl.load(gaps + level) * reached.to(tl.float32)
    return found


@triton.jit
def _pull(
    p, up, level, t, gaps, half_width, first, top, g, s, a, col, n, t_l, t_g, t_s, t_n,
    L: tl.constexpr, ADC: tl.constexpr,
):  # fmt: skip
    """Return the gradients of the sums and of what reads them, both ``[BM, BN]``."""
    if ADC:
        raw, step = _raw(p, t), tl.load(t)
        within = (raw >= 0) & (raw <= top)
        codes = _codes(p, t, gaps, first, top, g, s, a, col, n, t_l, t_g, t_s, t_n, L, ADC)
        drift = tl.where(within, codes - p, codes) / step
        for_sums, for_learned = tl.where(within, up, 0.0), up * drift
    else:
        half = tl.load(half_width + s)
        away = tl.abs(p - _threshold(t, level, g, s, a, col, n, t_l, t_g, t_s, t_n))
        for_sums = tl.maximum(half - away, 0.0) * (tl.load(gaps + level) / (half * half)) * up
        for_learned = -for_sums
    return for_sums, for_learned


@triton.jit(do_not_specialize=VARYING[:-1])
def read_forward(
    x, cells, t, gaps, half_width, significances, scale, out,
    V, K, G, R, n, first, top, half, correction, t_l, t_g, t_s, t_n, scale_stride,
    S: tl.constexpr, L: tl.constexpr, ADC: tl.constexpr, HALF: tl.constexpr,
    CORRECT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BR: tl.constexpr,
):  # fmt: skip
    """Write the integers of a layer, ``out[V, A * n]``."""
    v = tl.program_id(0) * BM + tl.arange(0, BM)
    col, a = tl.program_id(1) * BN + tl.arange(0, BN), tl.program_id(2)
    row = tl.arange(0, BR)
    total = tl.zeros((BM, BN), tl.float32)
    for g in range(G):
        driven = _driven(x, v, g * R + row, row, a, V, K, R)
        per_block = tl.zeros((BM, BN), tl.float32)
        if HALF or CORRECT:
            active = tl.sum(driven.to(tl.float32), axis=1)[:, None]
        for s in tl.static_range(S):
            p = tl.dot(driven, _block(cells, a, g, s, row, col, G, R, n, S))
            if HALF:
                p -= half * active
            codes = _codes(p, t, gaps, first, top, g, s, a, col, n, t_l, t_g, t_s, t_n, L, ADC)
            per_block += tl.load(significances + s) * codes
        if CORRECT:
            per_block += correction * active
        total += tl.load(scale + g * scale_stride) * per_block
    at = v.to(tl.int64)[:, None] * (tl.num_programs(2) * n) + (a * n + col)[None, :]
    tl.store(out + at, total, mask=(v < V)[:, None] & (col < n)[None, :])


@triton.jit(do_not_specialize=VARYING[:-1])
def read_backward_inputs(
    x, cells, t, gaps, half_width, significances, scale, gradient, out,
    V, K, G, R, n, first, top, half, correction, t_l, t_g, t_s, t_n, scale_stride,
    S: tl.constexpr, L: tl.constexpr, ADC: tl.constexpr, HALF: tl.constexpr,
    CORRECT: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr, BR: tl.constexpr,
):  # fmt: skip
    """Write the gradient of what drives the wordlines, ``out[A, V, K]``."""
    v = tl.program_id(0) * BM + tl.arange(0, BM)
    g, a = tl.program_id(1), tl.program_id(2)
    row = tl.arange(0, BR)
    k = g * R + row
    driven = _driven(x, v, k, row, a, V, K, R)
    if HALF:
        active = tl.sum(driven.to(tl.float32), axis=1)[:, None]
    block_scale = tl.load(scale + g * scale_stride)
    found = tl.zeros((BM, BR), tl.float32)
    for start in range(0, n, BN):
        col = start + tl.arange(0, BN)
        at = v.to(tl.int64)[:, None] * (tl.num_programs(2) * n) + (a * n + col)[None, :]
        up = tl.load(gradient + at, mask=(v < V)[:, None] & (col < n)[None, :], other=0.0)
        up *= block_scale
        if CORRECT:
            found += (correction * tl.sum(up, axis=1))[:, None]
        for s in tl.static_range(S):
            digits = _block(cells, a, g, s, row, col, G, R, n, S)
            p = tl.dot(driven, digits)
            if HALF:
                p -= half * active
            pulled = tl.zeros((BM, BN), tl.float32)
            for level in tl.static_range(L):
                for_sums, _ = _pull(
                    p, up * tl.load(significances + s), level, t, gaps, half_width, first, top,
                    g, s, a, col, n, t_l, t_g, t_s, t_n, L, ADC,
                )  # fmt: skip
                pulled += for_sums
            found += tl.dot(pulled.to(driven.dtype), tl.trans(digits))
            if HALF:
                found -= (half * tl.sum(pulled, axis=1))[:, None]
    to = (a * V + v.to(tl.int64))[:, None] * K + k[None, :]
    inside = (v < V)[:, None] & ((row < R) & (k < K))[None, :]
    tl.store(out + to, found.to(out.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=VARYING)
def read_backward_layer(
    x, cells, t, gaps, half_width, significances, scale, gradient, weights, learned, scales,
    V, K, G, R, n, first, top, half, correction, t_l, t_g, t_s, t_n, scale_stride, per_split,
    S: tl.constexpr, L: tl.constexpr, ADC: tl.constexpr, HALF: tl.constexpr,
    CORRECT: tl.constexpr, SCALES: tl.constexpr, SL: tl.constexpr,
    BM: tl.constexpr, BN: tl.constexpr, BR: tl.constexpr,
):  # fmt: skip
    """Write each split's share of the layer's own gradients; the caller adds the splits.

    ``weights[split, A, G, R, n]`` (by significance, not yet divided), ``learned[split, A, G,
    S * L, n]`` and ``scales[split, A, G, n]``.
    """
    split, a, g = tl.program_id(0), tl.program_id(2) // G, tl.program_id(2) % G
    col, row = tl.program_id(1) * BN + tl.arange(0, BN), tl.arange(0, BR)
    slots = tl.arange(0, SL)
    columns = (tl.num_programs(2) // G) * n
    block_scale = tl.load(scale + g * scale_stride)
    for_weights = tl.zeros((BR, BN), tl.float32)
    for_learned = tl.zeros((SL, BN), tl.float32)
    for_scales = tl.zeros((BN,), tl.float32)
    for tile in range(per_split):
        v = (split * per_split + tile) * BM + tl.arange(0, BM)
        driven = _driven(x, v, g * R + row, row, a, V, K, R)
        at = v.to(tl.int64)[:, None] * columns + (a * n + col)[None, :]
        up = tl.load(gradient + at, mask=(v < V)[:, None] & (col < n)[None, :], other=0.0)
        if HALF or CORRECT:
            active = tl.sum(driven.to(tl.float32), axis=1)[:, None]
        merged = tl.zeros((BM, BN), tl.float32)
        per_block = tl.zeros((BM, BN), tl.float32)
        for s in tl.static_range(S):
            p = tl.dot(driven, _block(cells, a, g, s, row, col, G, R, n, S))
            if HALF:
                p -= half * active
            significance = tl.load(significances + s)
            for level in tl.static_range(L):
                for_sums, pulled = _pull(
                    p, up * block_scale * significance, level, t, gaps, half_width, first, top,
                    g, s, a, col, n, t_l, t_g, t_s, t_n, L, ADC,
                )  # fmt: skip
                merged += significance * for_sums
                here = (slots == s * L + level)[:, None]
                for_learned += tl.where(here, tl.sum(pulled, axis=0)[None, :], 0.0)
            if SCALES:
                per_block += significance * _codes(
                    p, t, gaps, first, top, g, s, a, col, n, t_l, t_g, t_s, t_n, L, ADC
                )
        if SCALES:
            if CORRECT:
                per_block += correction * active
            for_scales += tl.sum(up * per_block, axis=0)
        for_weights += tl.dot(tl.trans(driven), merged.to(driven.dtype))
    part = split * tl.num_programs(2) + a * G + g
    real = col < n
    to = (part * R + row)[:, None] * n + col[None, :]
    tl.store(weights + to, for_weights, mask=(row < R)[:, None] & real[None, :])
    to = (part * (S * L) + slots)[:, None] * n + col[None, :]
    tl.store(learned + to, for_learned, mask=(slots < S * L)[:, None] & real[None, :])
    if SCALES:
        tl.store(scales + part * n + col, for_scales, mask=real)


# --- neurons ---------------------------------------------------------------------------------

SUBTRACT = tl.constexpr(0)
VALUE = tl.constexpr(1)
NONE = tl.constexpr(2)


@triton.jit
def _after(v, spike, threshold, RESET: tl.constexpr):
    after = v
    if RESET == SUBTRACT:
        after = v - spike * threshold
    if RESET == VALUE:
        after = v * (1 - spike)
    return after


@triton.jit
def neurons_forward(
    x, numbers, out, membranes, currents, T, M,
    RESET: tl.constexpr, SPIKING: tl.constexpr, CURRENT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Walk ``x[T, M]`` through time; keep membranes before their reset, and currents."""
    m = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = m < M
    leak, threshold = tl.load(numbers), tl.load(numbers + 1)
    v = tl.zeros((BLOCK,), tl.float32)
    i = tl.zeros((BLOCK,), tl.float32)
    for step in range(T):
        drive = tl.load(x + step * M + m, mask=real, other=0.0)
        if CURRENT:
            i = tl.load(numbers + 2) * i + drive
            tl.store(currents + step * M + m, i, mask=real)
            drive = i
        v = leak * v + drive
        tl.store(membranes + step * M + m, v, mask=real)
        if SPIKING:
            spike = (v - threshold >= 0).to(tl.float32)
            tl.store(out + step * M + m, spike, mask=real)
            v = _after(v, spike, threshold, RESET)


@triton.jit
def neurons_backward(
    gradient, numbers, membranes, currents, out, shares, T, M, sharpness,
    RESET: tl.constexpr, SPIKING: tl.constexpr, CURRENT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Walk back; ``out[T, M]`` is the drive's gradient, ``shares[3, programs]`` the numbers'."""
    program = tl.program_id(0)
    m = program.to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    real = m < M
    leak, threshold = tl.load(numbers), tl.load(numbers + 1)
    later = tl.zeros((BLOCK,), tl.float32)  # gradient of the membrane after its reset
    later_i = tl.zeros((BLOCK,), tl.float32)
    for_leak = tl.zeros((BLOCK,), tl.float32)
    for_threshold = tl.zeros((BLOCK,), tl.float32)
    for_current = tl.zeros((BLOCK,), tl.float32)
    v = tl.load(membranes + (T - 1) * M + m, mask=real, other=0.0)
    for back in range(T):
        step = T - 1 - back
        up = tl.load(gradient + step * M + m, mask=real, other=0.0)
        if SPIKING:
            level = v - threshold
            spike = (level >= 0).to(tl.float32)
            steep = 3.141592653589793 * sharpness * level
            fired = up / (1 + steep * steep)
            for_threshold -= fired
            if RESET == SUBTRACT:
                for_threshold -= later * spike
            if RESET == VALUE:
                later = later * (1 - spike)
            up = fired
        for_v = up + later
        earlier = step > 0
        v = tl.load(membranes + (step - 1) * M + m, mask=real & earlier, other=0.0)
        before = v
        if SPIKING:
            before = _after(v, (v - threshold >= 0).to(tl.float32), threshold, RESET)
        for_leak += tl.where(earlier & real, for_v * before, 0.0)
        later = for_v * leak
        if CURRENT:
            for_v += later_i
            i = tl.load(currents + (step - 1) * M + m, mask=real & earlier, other=0.0)
            for_current += for_v * i
            later_i = for_v * tl.load(numbers + 2)
        tl.store(out + step * M + m, for_v, mask=real)
    programs = tl.num_programs(0)
    tl.store(shares + program, tl.sum(for_leak, axis=0))
    tl.store(shares + programs + program, tl.sum(for_threshold, axis=0))
    tl.store(shares + 2 * programs + program, tl.sum(for_current, axis=0))
