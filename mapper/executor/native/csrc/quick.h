/* ADC codes of 16-bit sums, two slices a multiply-add: 32 outputs at once.
 *
 * code = clip((p - first) / step + 1, 0, top). The quotient is the high half of a product with
 * 2**16 / step, rounded up; Python proves that this is exact up to `top` and that base + step * code
 * fits 16 bits (bounds.py). A step of 1 has no such factor: its difference is the quotient.
 */
typedef struct { __m512i first, factor, whole, step, base; } Quick;

static AI __m512i NAME(load_halves)(const int32_t *p) {
  const __m256i a = _mm512_cvtepi32_epi16(_mm512_loadu_si512(p));
  const __m256i b = _mm512_cvtepi32_epi16(_mm512_loadu_si512(p + 16));
  return _mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1);
}

/* Tables of one row block and `at_once` outputs: [S][at_once / 32]. */
static void NAME(make_quick)(const Layer *l, const int32_t *tables, Quick *quick) {
  for (int64_t s = 0; s < l->S; s++)
    for (int64_t c = 0; c < l->at_once; c += 32, quick++) {
      const int32_t *t = tables + s * l->Npad + c;
      int16_t factor[32], whole[32];
      for (int k = 0; k < 32; k++) {
        const int32_t step = t[l->cols + k];
        factor[k] = (int16_t)(uint16_t)(step == 1 ? 0 : 65536 / step + 1);
        whole[k] = step == 1 ? -1 : 0;
      }
      quick->first = NAME(load_halves)(t);
      quick->step = NAME(load_halves)(t + l->cols);
      quick->base = NAME(load_halves)(t + 2 * l->cols);
      quick->factor = _mm512_loadu_si512(factor);
      quick->whole = _mm512_loadu_si512(whole);
    }
}

/* Return base + step * code. */
static AI __m512i NAME(quick_value)(const Quick *q, const int16_t *p, __m512i top) {
  const __m512i over = _mm512_sub_epi16(_mm512_loadu_si512(p), q->first);
  const __mmask32 reached = _mm512_cmpge_epi16_mask(over, _mm512_setzero_si512());
  __m512i code = _mm512_add_epi16(_mm512_mulhi_epu16(over, q->factor), _mm512_and_si512(over, q->whole));
  code = _mm512_maskz_add_epi16(reached, code, _mm512_set1_epi16(1));
  code = _mm512_min_epu16(code, top);
  return _mm512_add_epi16(q->base, _mm512_mullo_epi16(q->step, code));
}

static AI __m512i NAME(sign_pair)(const Layer *l, int64_t s) {
  const int32_t low = l->significances[s], high = s + 1 < l->S ? l->significances[s + 1] : 0;
  return _mm512_set1_epi32((int32_t)((uint32_t)(uint16_t)low | (uint32_t)high << 16));
}

static AI void NAME(convert_quick)(const Layer *l, const int16_t *p, const Quick *quick, int32_t *out) {
  const __m512i top = _mm512_set1_epi16((short)l->top);
  const __m512i low = _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0);
  const __m512i high = _mm512_set_epi32(31, 30, 29, 28, 15, 14, 13, 12, 27, 26, 25, 24, 11, 10, 9, 8);
  const int64_t some = l->at_once / 32, S = l->S;
  for (int64_t c = 0; c < some; c++) {
    __m512i a = _mm512_setzero_si512(), b = a;
    for (int64_t s = 0; s < S; s += 2) {
      const __m512i x = NAME(quick_value)(quick + s * some + c, p + (s * some + c) * 32, top);
      __m512i y = _mm512_setzero_si512();
      if (s + 1 < S) y = NAME(quick_value)(quick + (s + 1) * some + c, p + ((s + 1) * some + c) * 32, top);
      const __m512i weights = NAME(sign_pair)(l, s);
      a = _mm512_add_epi32(a, _mm512_madd_epi16(_mm512_unpacklo_epi16(x, y), weights));
      b = _mm512_add_epi32(b, _mm512_madd_epi16(_mm512_unpackhi_epi16(x, y), weights));
    }
    _mm512_storeu_si512(out + c * 32, _mm512_permutex2var_epi32(a, low, b));
    _mm512_storeu_si512(out + c * 32 + 16, _mm512_permutex2var_epi32(a, high, b));
  }
}
