/* Counters straight to spikes with AVX2: 32 neurons at a time, without a shuffle of their lanes.
 *
 * A word of 32 bits, one for each of the channels c .. c + 31, is broadcast to eight lanes; lane i keeps the bit i of
 * each of its bytes. So byte j of lane i is channel 8 * j + i, and of the two vectors of 16-bit numbers
 * `even` has channels i and 16 + i in lane i, `odd` has 8 + i and 24 + i. Eight membranes of 32 bits lie
 * in a vector as they are stored: two of them interleave to one of 16-bit numbers.
 */
typedef struct { __m256i even, odd; } NAME(Pair);

/* How the sums of a layer and its neurons are computed: WORDS where 16 bits do not hold them. */
enum { INDIRECT, WORDS, HALVES, BYTES };

static AI __m256i NAME(ld)(const void *p) { return _mm256_loadu_si256(p); }
static AI void NAME(st)(void *p, __m256i v) { _mm256_storeu_si256(p, v); }

static AI __m256i NAME(interleave)(__m256i low, __m256i high) {
  return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xAA);
}
static AI __m256i NAME(low_halves)(__m256i x) { return _mm256_srai_epi32(_mm256_slli_epi32(x, 16), 16); }

/* Say whether every number on the way of a layer's neurons keeps to 16 bits. */
static int NAME(keeps_to_halves)(const Layer *l, int64_t low, int64_t high) {
  const Neurons *n = &l->n;
  const int32_t *threshold = n->fast_tables + l->N, *less = threshold + l->N;
  if (n->vmin < INT16_MIN || n->vmax > INT16_MAX) return 0;
  for (int64_t k = 0; k < l->refcopies * l->N; k++) {
    const int64_t j = k % l->N, bias = n->fast_tables[j], up = (int64_t)1 << n->fraction;
    const int64_t least = ((l->start[k] + low) >> l->shift) * up, most = ((l->start[k] + high) >> l->shift) * up;
    if (least < INT16_MIN || most > INT16_MAX || least + bias < INT16_MIN || most + bias > INT16_MAX) return 0;
    if (threshold[j] <= INT16_MIN || less[j] < INT16_MIN || less[j] > INT16_MAX) return 0;
  }
  return 1;
}

static int NAME(how_direct)(const Layer *l) {
  int64_t low = 0, high = 0;
  for (int64_t s = 0; s < l->S; s++) {
    const int64_t most = l->significances[s] * l->rise * l->scales[0] * l->L * l->nblocks;
    if (most < 0) low += most;
    else high += most;
  }
  if (!NAME(keeps_to_halves)(l, low, high)) return WORDS;
  return low >= INT8_MIN && high <= INT8_MAX ? BYTES : HALVES;
}

/* What the 32 neurons from c on have: as vectors of 16-bit numbers, and as they are. */
typedef struct {
  NAME(Pair) threshold /* less one */, less, value, floor;
  int32_t words[5][32];
} NAME(Fired);

/* Numbers of 32 channels, of which 16 bits are kept. */
static AI NAME(Pair) NAME(pair)(const int32_t *t) {
  return (NAME(Pair)){NAME(interleave)(NAME(ld)(t), NAME(ld)(t + 16)),
                      NAME(interleave)(NAME(ld)(t + 8), NAME(ld)(t + 24))};
}

/* The same, clipped to them: a membrane that is above such a number stays so. */
static AI NAME(Pair) NAME(clipped_pair)(const int32_t *t, int32_t less) {
  int32_t at[32];
  for (int k = 0; k < 32; k++) at[k] = (int32_t)clipped((int64_t)t[k] - less, INT16_MIN, INT16_MAX);
  return NAME(pair)(at);
}

static void NAME(parameters)(const Neurons *n, int64_t N, int64_t c, NAME(Fired) *f) {
  for (int k = 0; k < 5; k++)
    for (int64_t j = 0; j < 32; j++) f->words[k][j] = c + j < N ? n->fast_tables[k * N + c + j] : 0;
  f->threshold = NAME(clipped_pair)(f->words[1], 1);
  f->less = NAME(pair)(f->words[2]);
  f->value = NAME(clipped_pair)(f->words[3], 0);
  f->floor = NAME(clipped_pair)(f->words[4], 0);
}

/* What is the same for all neurons of a layer. */
typedef struct { __m256i low, high, decays, sets; __m128i leak, shift, up; } NAME(Alike);

static AI NAME(Alike) NAME(alike)(const Layer *l, const int halves) {
  const Neurons *n = &l->n;
  return (NAME(Alike)){
      .low = halves ? _mm256_set1_epi16((short)n->vmin) : _mm256_set1_epi32((int)n->vmin),
      .high = halves ? _mm256_set1_epi16((short)n->vmax) : _mm256_set1_epi32((int)n->vmax),
      .decays = _mm256_set1_epi32(n->leak == SHIFT_LEAK ? -1 : 0),
      .sets = _mm256_set1_epi32(n->reset == TO_VALUE ? -1 : 0),
      .leak = _mm_cvtsi32_si128((int)n->leak_shift),
      .shift = _mm_cvtsi32_si128((int)l->shift),
      .up = _mm_cvtsi32_si128((int)n->fraction)};
}

/* Sixteen neurons in 16 bits, with membranes at v and v + 16; x has their biases. Returns which fire.
 *
 * Additions saturate, so what leaves 16 bits is clipped to the membrane's range as the sum itself would be. */
static AI __m256i NAME(update_halves)(const NAME(Alike) *a, __m256i x, int32_t *v, __m256i threshold, __m256i less,
                                      __m256i value, __m256i floor, const int simple) {
  __m256i u = NAME(interleave)(NAME(ld)(v), NAME(ld)(v + 16));
  u = _mm256_sub_epi16(u, _mm256_and_si256(_mm256_sra_epi16(u, a->leak), a->decays));
  u = _mm256_min_epi16(_mm256_max_epi16(_mm256_adds_epi16(u, x), a->low), a->high);
  const __m256i on = _mm256_cmpgt_epi16(u, threshold);
  u = _mm256_subs_epi16(u, _mm256_and_si256(on, less));
  if (!simple) { /* a subtraction that cannot leave the type needs none of it */
    u = _mm256_blendv_epi8(u, value, _mm256_and_si256(on, a->sets));
    u = _mm256_min_epi16(_mm256_max_epi16(_mm256_max_epi16(u, floor), a->low), a->high);
  }
  NAME(st)(v, NAME(low_halves)(u));
  NAME(st)(v + 16, _mm256_srai_epi32(u, 16));
  return on;
}

/* Eight neurons of `update_fast`, `at` of 32. */
static AI __m256i NAME(update_words)(const NAME(Alike) *a, __m256i x, int32_t *v, const NAME(Fired) *f, int at) {
  __m256i u = NAME(ld)(v + at);
  u = _mm256_sub_epi32(u, _mm256_and_si256(_mm256_sra_epi32(u, a->leak), a->decays));
  x = _mm256_sll_epi32(_mm256_sra_epi32(x, a->shift), a->up);
  u = _mm256_add_epi32(u, _mm256_add_epi32(x, NAME(ld)(f->words[0] + at)));
  u = _mm256_min_epi32(_mm256_max_epi32(u, a->low), a->high);
  const __m256i below = _mm256_cmpgt_epi32(NAME(ld)(f->words[1] + at), u), all = _mm256_set1_epi32(-1);
  u = _mm256_sub_epi32(u, _mm256_andnot_si256(below, NAME(ld)(f->words[2] + at)));
  u = _mm256_blendv_epi8(u, NAME(ld)(f->words[3] + at), _mm256_andnot_si256(below, a->sets));
  u = _mm256_max_epi32(u, NAME(ld)(f->words[4] + at));
  NAME(st)(v + at, _mm256_min_epi32(_mm256_max_epi32(u, a->low), a->high));
  return _mm256_xor_si256(below, all);
}

/* Which of 32 neurons fire, from masks of lanes in their order to bits in that of channels. */
static AI uint32_t NAME(fired_bits)(NAME(Pair) on) {
  const __m256i by_byte = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15,
                                           0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __m256i bytes = _mm256_blendv_epi8(on.even, on.odd, _mm256_set1_epi16((short)0xFF00));
  const __m256i apart = _mm256_shuffle_epi8(bytes, by_byte);
  return (uint32_t)_mm256_movemask_epi8(_mm256_permutevar8x32_epi32(apart, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
}

/* A slice's coefficient. A lane whose bit is the sign has the negative one: the sign of what is left of
 * the bits turns it round again. */
static AI NAME(Pair) NAME(coefs)(int32_t number, const int bytes) {
  const __m256i last = _mm256_setr_epi32(0, 0, 0, 0, 0, 0, 0, -1);
  const __m256i c = bytes ? _mm256_set1_epi8((char)number) : _mm256_set1_epi16((short)number);
  const __m256i less = bytes ? _mm256_sub_epi8(_mm256_setzero_si256(), c) : _mm256_sub_epi16(_mm256_setzero_si256(), c);
  const __m256i turned = _mm256_blendv_epi8(c, less, last);
  return (NAME(Pair)){bytes ? turned : c, turned};
}

/* Shift and add 32 columns: planes of S slices, `slice` bytes apart. */
static AI NAME(Pair) NAME(sums_of_32)(const uint8_t *planes, int64_t row, int depth, int64_t slice,
                                      const NAME(Pair) *coefs, const int S, const int bytes) {
  const __m256i bit = _mm256_setr_epi32(0x01010101, 0x02020202, 0x04040404, 0x08080808, 0x10101010, 0x20202020,
                                        0x40404040, (int)0x80808080);
  const __m256i even = _mm256_and_si256(bit, _mm256_set1_epi16(0x00FF));
  const __m256i odd = _mm256_andnot_si256(_mm256_set1_epi16(0x00FF), bit);
  __m256i a = _mm256_setzero_si256(), b = a;
  for (int d = depth - 1; d >= 0; d--) {
    const uint8_t *from = planes + d * row;
    if (bytes) a = _mm256_add_epi8(a, a);
    else a = _mm256_add_epi16(a, a), b = _mm256_add_epi16(b, b);
#pragma GCC unroll 4
    for (int k = 0; k < S; k++) {
      const __m256i word = _mm256_set1_epi32((int)bits32(from + k * slice));
      if (bytes) {
        a = _mm256_add_epi8(a, _mm256_sign_epi8(coefs[k].even, _mm256_and_si256(word, bit)));
      } else {
        a = _mm256_add_epi16(a, _mm256_sign_epi16(coefs[k].even, _mm256_and_si256(word, even)));
        b = _mm256_add_epi16(b, _mm256_sign_epi16(coefs[k].odd, _mm256_and_si256(word, odd)));
      }
    }
  }
  if (!bytes) return (NAME(Pair)){a, b};
  return (NAME(Pair)){_mm256_srai_epi16(_mm256_slli_epi16(a, 8), 8), _mm256_srai_epi16(a, 8)};
}

static AI void NAME(fire_some)(const Layer *l, const Scratch *s, int64_t t, int64_t b, const int32_t *placed,
                               int64_t count, const int S, const int how, const int simple) {
  const Neurons *n = &l->n;
  const NAME(Counted) counted = NAME(counted)(l, s);
  const int64_t P = l->all_rows * l->all_columns, N = l->N, Nw = n->Nw, slice = l->Npad / 8;
  const NAME(Alike) alike = NAME(alike)(l, how != WORDS);
  NAME(Pair) coefs[32];
  for (int k = 0; k < S; k++)
    coefs[k] = NAME(coefs)((int32_t)(l->significances[k] * l->rise * l->scales[0]), how == BYTES);
  for (int64_t c = 0; c < N; c += 32) {
    const int64_t left = N - c < 32 ? N - c : 32;
    NAME(Fired) f;
    NAME(parameters)(n, N, c, &f);
    int32_t begin[32] = {0};
    for (int64_t j = 0; j < left; j++) begin[j] = s->begin[c + j] + (simple ? f.words[0][j] : 0);
    const NAME(Pair) start = NAME(pair)(begin), bias = NAME(pair)(f.words[0]);
    const uint8_t *planes = counted.planes + c / 8;
    int32_t *const states = n->v + b * P * N + c;
    uint8_t *const spikes = n->spikes ? (uint8_t *)(n->spikes + (t * l->B + b) * P * Nw) + c / 8 : NULL;
    for (int64_t p = 0; p < count; p++, planes += counted.depth * counted.row) {
      int32_t some[32], *const own = states + placed[p] * N, *v = own;
      if (left < 32) {
        v = some;
        for (int64_t j = 0; j < 32; j++) some[j] = j < left ? own[j] : 0;
      }
      NAME(Pair) x = NAME(sums_of_32)(planes, counted.row, counted.depth, slice, coefs, S, how == BYTES), on;
      x.even = _mm256_add_epi16(x.even, start.even);
      x.odd = _mm256_add_epi16(x.odd, start.odd);
      if (how == WORDS) {
        on.even = _mm256_blend_epi16(NAME(update_words)(&alike, NAME(low_halves)(x.even), v, &f, 0),
                                     NAME(update_words)(&alike, _mm256_srai_epi32(x.even, 16), v, &f, 16), 0xAA);
        on.odd = _mm256_blend_epi16(NAME(update_words)(&alike, NAME(low_halves)(x.odd), v, &f, 8),
                                    NAME(update_words)(&alike, _mm256_srai_epi32(x.odd, 16), v, &f, 24), 0xAA);
      } else {
        if (!simple) {
          x.even = _mm256_add_epi16(_mm256_sll_epi16(_mm256_sra_epi16(x.even, alike.shift), alike.up), bias.even);
          x.odd = _mm256_add_epi16(_mm256_sll_epi16(_mm256_sra_epi16(x.odd, alike.shift), alike.up), bias.odd);
        }
        on.even = NAME(update_halves)(&alike, x.even, v, f.threshold.even, f.less.even, f.value.even, f.floor.even, simple);
        on.odd = NAME(update_halves)(&alike, x.odd, v + 8, f.threshold.odd, f.less.odd, f.value.odd, f.floor.odd, simple);
      }
      uint32_t bits = NAME(fired_bits)(on);
      if (left < 32) {
        bits &= (1U << left) - 1;
        for (int64_t j = 0; j < left; j++) own[j] = some[j];
      }
      if (spikes) memcpy(spikes + placed[p] * Nw * 8, &bits, 4);
    }
  }
}
