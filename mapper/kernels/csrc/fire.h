/* Counters straight to spikes: shift-and-add and neuron in registers, for the common layer.
 *
 * That is: one cluster of row blocks, spikes in, 16-bit sums, and the 32-bit neuron; with AVX-512 slices are not
 * merged, as masked additions take their planes as fast.
 */
#if LEVEL == 1
#include "fire_avx2.h"
#endif

/* Whether a layer is such a one; with AVX2, how. */
static int NAME(is_direct)(const Layer *l) {
#if LEVEL >= 1
  const int common = l->kind == BITS && l->planes == 1 && l->nclusters == 1 && !l->wide && !l->clusters->by_column &&
                     l->Ng == l->N && l->has_neurons && l->n.fast && !l->n.v_out;
#if LEVEL == 1
  return common ? NAME(how_direct)(l) : 0;
#else
  return common && !l->merged && l->S * l->depth <= 64;
#endif
#else
  (void)l;
  return 0;
#endif
}

#if LEVEL >= 2
/* Sixteen neurons of `update_fast`, with their parameters in registers. */
typedef struct { __m512i bias, threshold, less, value, floor; __mmask16 here; } NAME(Sixteen);

static AI NAME(Sixteen) NAME(sixteen)(const Neurons *n, int64_t N, int64_t j) {
  const int64_t left = N - j;
  const __mmask16 here = left >= 16 ? 0xFFFF : left <= 0 ? 0 : (__mmask16)((1 << left) - 1);
  const int32_t *t = n->fast_tables + j;
  NAME(Sixteen) f;
  f.bias = _mm512_maskz_loadu_epi32(here, t);
  f.threshold = _mm512_maskz_loadu_epi32(here, t + N);
  f.less = _mm512_maskz_loadu_epi32(here, t + 2 * N);
  f.value = _mm512_maskz_loadu_epi32(here, t + 3 * N);
  f.floor = _mm512_maskz_loadu_epi32(here, t + 4 * N);
  f.here = here;
  return f;
}

static AI __mmask16 NAME(update_sixteen)(const NAME(Sixteen) *f, __m512i x, int32_t *v, __m512i low,
                                         __m512i high, __m128i leak, __mmask16 decays, __mmask16 sets,
                                         int simple) {
  __m512i u = _mm512_maskz_loadu_epi32(f->here, v);
  x = _mm512_add_epi32(x, f->bias);
  x = _mm512_add_epi32(x, u);
  u = _mm512_mask_sub_epi32(x, decays, x, _mm512_sra_epi32(u, leak));
  u = _mm512_min_epi32(_mm512_max_epi32(u, low), high);
  const __mmask16 on = _mm512_mask_cmpge_epi32_mask(f->here, u, f->threshold);
  u = _mm512_mask_sub_epi32(u, on, u, f->less);
  if (!simple) { /* a subtraction that cannot leave the type needs none of it */
    u = _mm512_mask_mov_epi32(u, on & sets, f->value);
    u = _mm512_min_epi32(_mm512_max_epi32(_mm512_max_epi32(u, f->floor), low), high);
  }
  _mm512_mask_storeu_epi32(v, f->here, u);
  return on;
}
#endif

#if LEVEL >= 2
static AI void NAME(fire_some)(const Layer *l, const Scratch *s, int64_t t, int64_t b,
                               const int32_t *placed, int64_t count, const int S, const int simple) {
  const Neurons *n = &l->n;
  const int64_t row = l->colblks * l->counted, P = l->all_rows * l->all_columns, N = l->N, Nw = n->Nw;
  const int64_t Npad = l->Npad;
  const __m512i low = _mm512_set1_epi32((int)n->vmin), high = _mm512_set1_epi32((int)n->vmax);
  const __m128i leak = _mm_cvtsi32_si128((int)n->leak_shift);
  const __m128i shift = _mm_cvtsi32_si128((int)l->shift), up = _mm_cvtsi32_si128((int)n->fraction);
  const __mmask16 decays = n->leak == SHIFT_LEAK ? 0xFFFF : 0, sets = n->reset == TO_VALUE ? 0xFFFF : 0;
  const int depth = (int)l->depth;
  __m512i coefs[32];
  for (int k = 0; k < S; k++)
    coefs[k] = _mm512_set1_epi16((short)(l->significances[k] * l->rise * l->scales[0]));
  for (int64_t c = 0; c < Npad; c += 32) {
    const NAME(Sixteen) f = NAME(sixteen)(n, N, c), g = NAME(sixteen)(n, N, c + 16);
    int16_t begin[32] = {0};
    for (int64_t j = c; j < N && j < c + 32; j++) begin[j - c] = (int16_t)s->begin[j];
    const __m512i start = _mm512_loadu_si512(begin);
    const uint8_t *planes = s->counters + c / 8;
    int32_t *const states = n->v + b * P * N + c;
    uint8_t *const spikes = n->spikes ? (uint8_t *)(n->spikes + (t * l->B + b) * P * Nw) + c / 8 : NULL;
    for (int64_t p = 0; p < count; p++, planes += depth * row) {
      int32_t *v = states + placed[p] * N;
      __m512i a = _mm512_setzero_si512();
      for (int d = depth - 1; d >= 0; d--) {
        const uint8_t *bits = planes + d * row;
        a = _mm512_add_epi16(a, a);
#pragma GCC unroll 4
        for (int k = 0; k < S; k++)
          a = _mm512_mask_add_epi16(a, (__mmask32)bits32(bits + k * Npad / 8), a, coefs[k]);
      }
      a = _mm512_add_epi16(a, start);
      __m512i x = _mm512_cvtepi16_epi32(_mm512_castsi512_si256(a));
      __m512i y = _mm512_cvtepi16_epi32(_mm512_extracti64x4_epi64(a, 1));
      if (!simple) {
        x = _mm512_sll_epi32(_mm512_sra_epi32(x, shift), up);
        y = _mm512_sll_epi32(_mm512_sra_epi32(y, shift), up);
      }
      uint32_t on = NAME(update_sixteen)(&f, x, v, low, high, leak, decays, sets, simple);
      if (g.here)
        on |= (uint32_t)NAME(update_sixteen)(&g, y, v + 16, low, high, leak, decays, sets, simple) << 16;
      if (spikes) memcpy(spikes + placed[p] * Nw * 8, &on, 4);
    }
  }
}
#endif

static void NAME(fire_tile)(const Layer *l, const Scratch *s, int64_t t, int64_t b,
                            const int32_t *placed, int64_t count, int how) {
#if LEVEL >= 2
  (void)how;
  const int S = (int)l->S;
  if (!l->n.simple || l->shift || l->n.fraction) NAME(fire_some)(l, s, t, b, placed, count, S, 0);
  else if (S == 4) NAME(fire_some)(l, s, t, b, placed, count, 4, 1);
  else if (S == 3) NAME(fire_some)(l, s, t, b, placed, count, 3, 1);
  else NAME(fire_some)(l, s, t, b, placed, count, S, 1);
#elif LEVEL == 1
  const int S = l->merged ? 1 : (int)l->S, simple = l->n.simple && !l->shift && !l->n.fraction;
#define FIRE(S, simple)                                                                   \
  do {                                                                                    \
    if (how == BYTES) NAME(fire_some)(l, s, t, b, placed, count, S, BYTES, simple);       \
    else NAME(fire_some)(l, s, t, b, placed, count, S, HALVES, simple);                   \
  } while (0)
  if (how == WORDS) NAME(fire_some)(l, s, t, b, placed, count, S, WORDS, 0);
  else if (!simple) FIRE(S, 0);
  else if (S == 4) FIRE(4, 1);
  else if (S == 3) FIRE(3, 1);
  else if (S == 1) FIRE(1, 1);
  else FIRE(S, 1);
#undef FIRE
#else
  (void)l, (void)s, (void)t, (void)b, (void)placed, (void)count, (void)how;
#endif
}
