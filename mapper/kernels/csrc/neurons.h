/* Integer neurons, in the order of mapper/ir/neurons.py. */

/* x / 2**bits as an integer, as mapper/ir/leaks.py rounds it */
static AI int64_t shifted(int64_t x, int64_t bits, int64_t rounding) {
  const int64_t whole = x >> bits, step = (int64_t)1 << bits;
  if (rounding == TOWARD_ZERO) return (x + (x < 0 ? step - 1 : 0)) >> bits;
  return rounding == NEAREST ? (x + (step >> 1) - 1 + (whole & 1)) >> bits : whole;
}

static AI int64_t leaked(int64_t v, int64_t kind, int64_t shift, int64_t rounding, int64_t factor) {
  if (kind == SHIFT_LEAK) return v - shifted(v, shift, rounding);
  return kind == FACTOR_LEAK ? shifted(v * factor, shift, rounding) : v;
}

static AI int64_t clipped(int64_t v, int64_t low, int64_t high) {
  return v < low ? low : v > high ? high : v;
}

/* How many thresholds a membrane reaches: of one, whether it fires. */
static AI int reached(const Neurons *n, int64_t j, int64_t u) {
  const int64_t *threshold = n->threshold + j;
  int count = u >= *threshold;
  for (int64_t k = 1; k < n->levels; k++) count += u >= threshold[k * n->level_step];
  return count;
}

/* One neuron with every option, in 64 bits. Returns how many thresholds it reaches; its level is
 * that and the lowest one. */
static AI int NAME(update_one)(const Neurons *n, int64_t j, int64_t x, int32_t *v, int32_t *i) {
  int64_t drive = (int64_t)((uint64_t)x << n->fraction) + n->bias[j];
  if (n->has_current) {
    int64_t c = leaked(*i, n->current_leak, n->current_shift, n->current_rounding,
                       n->current_factor[j]) + drive;
    c = clipped(c, n->imin, n->imax);
    *i = (int32_t)c;
    drive = leaked(c, n->input_leak, n->input_shift, n->input_rounding, n->input_factor[j]);
  }
  const int64_t amount = n->amount[j], lowest = n->least_level;
  int64_t u = *v;
  const int asked = n->fired && (n->phase != SAME || n->spike_next);
  const int counted = asked ? reached(n, j, u) : 0;
  const int64_t late = asked ? counted + lowest : 0;
  if (n->reset == TO_VALUE && n->phase == NEXT && late) u = amount;
  u = leaked(u, n->leak, n->leak_shift, n->leak_rounding, n->factor[j]) + drive;
  if (n->reset == SUBTRACT && n->phase == NEXT) u -= late * amount;
  if (n->reset == TO_VALUE && n->phase == LATE && late) u = amount;
  u = clipped(u, n->vmin, n->vmax);
  const int64_t firing = n->phase == GUARDED ? u - late * amount : u;
  const int fires = n->fired ? reached(n, j, firing) : 0;
  const int64_t level = n->fired ? fires + lowest : 0;
  if (level && n->reset == TO_VALUE && n->phase == SAME) u = amount;
  if (n->reset == SUBTRACT && (n->phase == SAME || n->phase == GUARDED)) u -= level * amount;
  if (n->has_floor && u < n->floor[j]) u = n->floor[j];
  *v = (int32_t)clipped(u, n->vmin, n->vmax);
  return n->spike_next ? counted : fires;
}

static AI void NAME(pack_fired)(const uint8_t *fired, int64_t N, uint64_t *out) {
  for (int64_t w = 0; w * 64 < N; w++) {
    uint64_t bits = 0;
    for (int64_t k = 0; k < 64 && w * 64 + k < N; k += 8) {
      uint64_t eight; /* bytes of 0 and 1: byte j comes to bit 56 + j, and no two of them to one bit */
      memcpy(&eight, fired + w * 64 + k, 8);
      const int64_t left = N - w * 64 - k;
      if (left < 8) eight &= ~0ULL >> (64 - 8 * left);
      bits |= eight * 0x0102040810204080ULL >> 56 << k;
    }
    out[w] = bits;
  }
}

static void NAME(update_any)(const Neurons *n, const int32_t *y, int64_t N, int64_t p, int32_t *v,
                             int32_t *i, uint64_t *spikes, uint8_t *fired) {
  int32_t none = 0;
  const int64_t at = n->per_position ? p * N : 0;
  for (int64_t j = 0; j < N; j++)
    fired[j] = (uint8_t)NAME(update_one)(n, at + j, y[j], v + j, n->has_current ? i + j : &none);
  if (spikes) NAME(pack_fired)(fired, N, spikes);
}

/* The common neuron in 32 bits: no current, at most a shift as leak, fires and resets at once.
 * Tables [5][N]: bias, threshold, amount to subtract, value to take, floor. */
static AI void NAME(update_fast)(const Neurons *n, const void *y, int wide, int shift, int64_t N,
                                 int32_t *restrict v, uint64_t *restrict spikes,
                                 uint8_t *restrict fired) {
  const int32_t *restrict bias = n->fast_tables, *restrict threshold = bias + N;
  const int32_t *restrict less = bias + 2 * N, *restrict value = bias + 3 * N;
  const int32_t *restrict floor = bias + 4 * N;
  const int32_t low = (int32_t)n->vmin, high = (int32_t)n->vmax;
  const int leak = n->leak == SHIFT_LEAK ? (int)n->leak_shift : 0, fraction = (int)n->fraction;
  const int32_t leaks = n->leak == SHIFT_LEAK ? -1 : 0, to_value = n->reset == TO_VALUE ? -1 : 0;
  int64_t j = 0;
#if LEVEL >= 2
  const __m128i shifts = _mm_cvtsi32_si128(shift), fractions = _mm_cvtsi32_si128(fraction);
  const __m128i leak_by = _mm_cvtsi32_si128(leak);
  const __m512i lows = _mm512_set1_epi32(low), highs = _mm512_set1_epi32(high);
  const __mmask16 sets = to_value ? 0xFFFF : 0, decays = leaks ? 0xFFFF : 0;
  uint8_t *out = (uint8_t *)spikes;
  for (; j < N; j += 16) {
    const __mmask16 here = N - j >= 16 ? 0xFFFF : (__mmask16)((1 << (N - j)) - 1);
    __m512i x = wide ? _mm512_maskz_loadu_epi32(here, (const int32_t *)y + j)
        : _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(here, (const int16_t *)y + j));
    __m512i u = _mm512_maskz_loadu_epi32(here, v + j);
    u = _mm512_mask_sub_epi32(u, decays, u, _mm512_sra_epi32(u, leak_by));
    x = _mm512_sll_epi32(_mm512_sra_epi32(x, shifts), fractions);
    u = _mm512_add_epi32(u, _mm512_add_epi32(x, _mm512_maskz_loadu_epi32(here, bias + j)));
    u = _mm512_min_epi32(_mm512_max_epi32(u, lows), highs);
    __mmask16 on = _mm512_mask_cmpge_epi32_mask(here, u,
                                                _mm512_maskz_loadu_epi32(here, threshold + j));
    u = _mm512_mask_sub_epi32(u, on, u, _mm512_maskz_loadu_epi32(here, less + j));
    u = _mm512_mask_mov_epi32(u, on & sets, _mm512_maskz_loadu_epi32(here, value + j));
    u = _mm512_max_epi32(u, _mm512_maskz_loadu_epi32(here, floor + j));
    u = _mm512_min_epi32(_mm512_max_epi32(u, lows), highs);
    _mm512_mask_storeu_epi32(v + j, here, u);
    if (spikes) memcpy(out + j / 8, &on, 2);
  }
  (void)fired;
#elif LEVEL == 1
  const __m128i shifts = _mm_cvtsi32_si128(shift), fractions = _mm_cvtsi32_si128(fraction);
  const __m128i leak_by = _mm_cvtsi32_si128(leak);
  const __m256i lows = _mm256_set1_epi32(low), highs = _mm256_set1_epi32(high);
  const __m256i sets = _mm256_set1_epi32(to_value), decays = _mm256_set1_epi32(leaks);
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  uint8_t *out = (uint8_t *)spikes;
  for (; j < N; j += 8) { /* sums of 16 bits are followed by room for more */
    const __m256i here = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)(N - j)), lanes);
    __m256i x = wide ? _mm256_maskload_epi32((const int *)y + j, here)
                     : _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)((const int16_t *)y + j)));
    __m256i u = _mm256_maskload_epi32(v + j, here);
    u = _mm256_sub_epi32(u, _mm256_and_si256(_mm256_sra_epi32(u, leak_by), decays));
    x = _mm256_sll_epi32(_mm256_sra_epi32(x, shifts), fractions);
    u = _mm256_add_epi32(u, _mm256_add_epi32(x, _mm256_maskload_epi32(bias + j, here)));
    u = _mm256_min_epi32(_mm256_max_epi32(u, lows), highs);
    const __m256i below = _mm256_cmpgt_epi32(_mm256_maskload_epi32(threshold + j, here), u);
    const __m256i on = _mm256_andnot_si256(below, here);
    u = _mm256_sub_epi32(u, _mm256_and_si256(on, _mm256_maskload_epi32(less + j, here)));
    u = _mm256_blendv_epi8(u, _mm256_maskload_epi32(value + j, here), _mm256_and_si256(on, sets));
    u = _mm256_max_epi32(u, _mm256_maskload_epi32(floor + j, here));
    u = _mm256_min_epi32(_mm256_max_epi32(u, lows), highs);
    _mm256_maskstore_epi32(v + j, here, u);
    if (spikes) out[j / 8] = (uint8_t)_mm256_movemask_ps((__m256)on);
  }
  (void)fired;
#else
  const int16_t *y16 = y;
  const int32_t *y32 = y;
  for (; j < N; j++) {
    int32_t x = wide ? y32[j] : y16[j], u = v[j];
    u -= (u >> leak) & leaks;
    u += (int32_t)((uint32_t)(x >> shift) << fraction) + bias[j];
    u = u < low ? low : u;
    u = u > high ? high : u;
    int32_t on = -(int32_t)(u >= threshold[j]);
    u -= on & less[j];
    u ^= (u ^ value[j]) & on & to_value;
    u = u < floor[j] ? floor[j] : u;
    u = u < low ? low : u;
    u = u > high ? high : u;
    v[j] = u;
    fired[j] = (uint8_t)(on & 1);
  }
  if (spikes) NAME(pack_fired)(fired, N, spikes);
#endif
}

void NAME(run_neurons)(const Neurons *n, const int32_t *y, int64_t y_pitch, int64_t t, int64_t b,
                       int64_t p0, int64_t count, int64_t B, int64_t P, int64_t N,
                       uint8_t *fired) {
  for (int64_t k = 0; k < count; k++) {
    const int64_t p = p0 + k, state = (b * P + p) * N, at = (t * B + b) * P + p;
    uint64_t *spikes = n->spikes ? n->spikes + at * n->Nw : NULL;
    int32_t *v = n->v + state, *i = n->has_current ? n->i + state : NULL;
    if (n->fast) NAME(update_fast)(n, y + k * y_pitch, 1, 0, N, v, spikes, fired);
    else NAME(update_any)(n, y + k * y_pitch, N, p, v, i, spikes, fired);
    if (n->levels_out)
      for (int64_t j = 0; j < N; j++) n->levels_out[at * N + j] = (int32_t)n->least_level + fired[j];
    if (n->v_out) memcpy(n->v_out + at * N, v, (size_t)N * 4);
    if (n->i_out) memcpy(n->i_out + at * N, i, (size_t)N * 4);
  }
}
