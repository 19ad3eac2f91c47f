/* ADC codes of 16-bit sums, two slices a multiply-add.
 *
 * code = min((p - first + width) / width, top), and 0 below `first`. The quotient is the high half of
 * a product with 2**(16 + down) / width, rounded up, shifted down; a width of 1 has no such factor and
 * is its own quotient, of down 0.
 * Python proves that this is exact up to `top` and that what is weighed fits 16 bits (bounds.py).
 */
#if LEVEL >= 2
#define Q(name) _mm512_##name
#define QV __m512i
#elif LEVEL == 1
#define Q(name) _mm256_##name
#define QV __m256i
#elif defined(__SSE2__)
#define Q(name) _mm_##name
#define QV __m128i
#else
#include "plain.h"
#define PLAIN_QUICK
#define Q(name) plain_##name
#define QV lanes16
#endif
#ifdef PLAIN_QUICK
#define DOWN int
#define DOWN_BY(bits) (bits)
#else /* instructions take the bits of a shift as a vector */
#define DOWN __m128i
#define DOWN_BY(bits) _mm_cvtsi32_si128(bits)
#endif
#define HALVES (VECTOR / 2) /* lanes of 16 bits */

static AI QV NAME(load_q)(const void *p) { QV v; memcpy(&v, p, sizeof v); return v; }
static AI void NAME(store_q)(void *p, QV v) { memcpy(p, &v, sizeof v); }

/* Tables [block][lower, factor, whole, step, base][columns] of int16; only [5][32] where all columns
 * of all blocks have the same ADC. */
typedef struct { QV lower, factor, whole, step, base; } NAME(Adc);

static AI NAME(Adc) NAME(load_adc)(const int16_t *t, int64_t cols) {
  return (NAME(Adc)){NAME(load_q)(t), NAME(load_q)(t + cols), NAME(load_q)(t + 2 * cols),
                     NAME(load_q)(t + 3 * cols), NAME(load_q)(t + 4 * cols)};
}

static AI QV NAME(quick_code)(const NAME(Adc) *adc, QV sums, QV top, DOWN down) {
  const QV over = Q(max_epi16)(Q(sub_epi16)(sums, adc->lower), Q(set1_epi16)(0));
  const QV whole = Q(srl_epi16)(Q(mulhi_epu16)(over, adc->factor), down);
  const QV code = Q(add_epi16)(whole, (QV)(adc->whole & over));
  return Q(min_epi16)(code, top);
}

static AI QV NAME(quick_value)(const Layer *l, const int16_t *p, const int16_t *t, QV top) {
  const NAME(Adc) adc = NAME(load_adc)(t, l->cols);
  const QV code = NAME(quick_code)(&adc, NAME(load_q)(p), top, DOWN_BY((int)l->down));
  return Q(add_epi16)(adc.base, Q(mullo_epi16)(adc.step, code));
}

/* Put sums of the low and the high half of each 128 bits in the order of outputs. */
static AI void NAME(store_pairs)(int32_t *out, QV a, QV b) {
#if LEVEL >= 2
  const __m512i low = _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0);
  const __m512i high = _mm512_set_epi32(31, 30, 29, 28, 15, 14, 13, 12, 27, 26, 25, 24, 11, 10, 9, 8);
  NAME(store_q)(out, _mm512_permutex2var_epi32(a, low, b));
  NAME(store_q)(out + HALVES / 2, _mm512_permutex2var_epi32(a, high, b));
#elif LEVEL == 1
  NAME(store_q)(out, _mm256_permute2x128_si256(a, b, 0x20));
  NAME(store_q)(out + HALVES / 2, _mm256_permute2x128_si256(a, b, 0x31));
#else
  NAME(store_q)(out, a);
  NAME(store_q)(out + HALVES / 2, b);
#endif
}

/* Add x times a weight and y times another to sums of the low and the high half of each 128 bits. */
static AI void NAME(add_weighed)(QV *low, QV *high, QV x, QV y, int32_t of_x, int32_t of_y) {
#ifdef PLAIN_QUICK
  plain_add_weighed(low, high, x, y, (int16_t)of_x, (int16_t)of_y);
#else
  const QV weights = Q(set1_epi32)((int32_t)((uint32_t)(uint16_t)of_x | (uint32_t)of_y << 16));
  *low = Q(add_epi32)(*low, Q(madd_epi16)(Q(unpacklo_epi16)(x, y), weights));
  *high = Q(add_epi32)(*high, Q(madd_epi16)(Q(unpackhi_epi16)(x, y), weights));
#endif
}

/* Weighed values of all bit-slices, out[at_once]; `even` where all columns have the same ADC. */
static AI void NAME(convert_some)(const Layer *l, const int16_t *p, const int16_t *tables,
                                  int32_t *out, const int even) {
  const QV top = Q(set1_epi16)((short)l->top);
  const DOWN none = DOWN_BY(0); /* down is 0 where all have the same ADC */
  const int64_t across = even ? 32 : l->cols;
  const NAME(Adc) adc = NAME(load_adc)(tables, across);
  const int64_t outputs = l->at_once, S = l->S, Npad = l->Npad;
  const int32_t *sign = l->significances, step = even ? tables[3 * across] : 1;
  int32_t resting = 0;
  for (int64_t s = 0; s < S; s++) resting += even ? sign[s] * tables[4 * across] : 0;
  for (int64_t c = 0; c < outputs; c += HALVES) {
    QV a = Q(set1_epi32)(resting), b = a;
    for (int64_t s = 0; s < S; s += 2) {
      const int two = s + 1 < S;
      const int16_t *sums = p + s * outputs + c, *t = tables + s * Npad + c;
      QV x, y = Q(set1_epi16)(0);
      if (even) {
        x = NAME(quick_code)(&adc, NAME(load_q)(sums), top, none);
        if (two) y = NAME(quick_code)(&adc, NAME(load_q)(sums + outputs), top, none);
      } else {
        x = NAME(quick_value)(l, sums, t, top);
        if (two) y = NAME(quick_value)(l, sums + outputs, t + Npad, top);
      }
      NAME(add_weighed)(&a, &b, x, y, step * sign[s], two ? step * sign[s + 1] : 0);
    }
    NAME(store_pairs)(out + c, a, b);
  }
}

static AI void NAME(convert_quick)(const Layer *l, const int16_t *p, const int16_t *tables,
                                   int32_t *out) {
  if (l->quick == EVEN) NAME(convert_some)(l, p, tables, out, 1);
  else NAME(convert_some)(l, p, tables, out, 0);
}
#undef HALVES
#undef PLAIN_QUICK
#undef DOWN
#undef DOWN_BY
#undef QV
#undef Q
