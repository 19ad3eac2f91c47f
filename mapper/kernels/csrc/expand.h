/* Shift and add: vertical counters to numbers, y[n] += coefficient_s * count[s, n].
 *
 * Plane k of slice s adds coefficient_s << k where its bit is set.
 */
typedef int16_t half16 __attribute__((vector_size(32)));
typedef int32_t word16 __attribute__((vector_size(64)));
typedef int32_t word8 __attribute__((vector_size(32)));

/* Which lanes have their bit of b: Arm tests for it where other processors compare. */
#ifdef NEON
#define HAS(b, bit) (((b) & (bit)) != 0)
#else
#define HAS(b, bit) (((b) & (bit)) == (bit))
#endif

static AI uint32_t bits32(const uint8_t *p) { uint32_t b; memcpy(&b, p, 4); return b; }
static AI uint16_t bits16(const uint8_t *p) { uint16_t b; memcpy(&b, p, 2); return b; }

static void NAME(expand_halves)(const Layer *l, const NAME(Counted) *n, const uint8_t *planes,
                                const int32_t *coefs, int16_t *y) {
  const int64_t row = n->row;
  const int64_t lanes = l->Npad >= 32 ? 32 : 16;
  for (int64_t c = 0; c < l->Npad; c += lanes) {
#if LEVEL >= 2
    if (lanes == 32) {
      __m512i a = _mm512_loadu_si512(y + c);
      for (int64_t s = 0; s < n->slices; s++) {
        const uint8_t *bits = planes + (s * l->Npad + c) / 8;
        __m512i f = _mm512_set1_epi16((short)coefs[s]);
        for (int64_t k = 0; k < n->depth; k++, bits += row) {
          a = _mm512_mask_add_epi16(a, (__mmask32)bits32(bits), a, f);
          f = _mm512_add_epi16(f, f);
        }
      }
      _mm512_storeu_si512(y + c, a);
      continue;
    }
#endif
    const half16 bit = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384,
                        -32768};
    for (int64_t h = c; h < c + lanes; h += 16) {
      half16 a;
      memcpy(&a, y + h, 32);
      for (int64_t s = 0; s < n->slices; s++)
        for (int64_t k = 0; k < n->depth; k++) {
          int16_t b = (int16_t)bits16(planes + k * row + (s * l->Npad + h) / 8);
          half16 on = HAS((half16){0} + b, bit);
          a += on & ((half16){0} + (int16_t)((uint32_t)coefs[s] << k));
        }
      memcpy(y + h, &a, 32);
    }
  }
}

static void NAME(expand_words)(const Layer *l, const NAME(Counted) *n, const uint8_t *planes,
                               const int32_t *coefs, int32_t *y) {
  const int64_t row = n->row;
  for (int64_t c = 0; c < l->Npad; c += 16) {
#if LEVEL >= 2
    __m512i a = _mm512_loadu_si512(y + c);
    for (int64_t s = 0; s < n->slices; s++)
      for (int64_t k = 0; k < n->depth; k++) {
        __mmask16 on = bits16(planes + k * row + (s * l->Npad + c) / 8);
        a = _mm512_mask_add_epi32(a, on, a, _mm512_set1_epi32((int)((uint32_t)coefs[s] << k)));
      }
    _mm512_storeu_si512(y + c, a);
#else
    const word8 bit = {1, 2, 4, 8, 16, 32, 64, 128};
    for (int64_t h = c; h < c + 16; h += 8) {
      word8 a;
      memcpy(&a, y + h, 32);
      for (int64_t s = 0; s < n->slices; s++)
        for (int64_t k = 0; k < n->depth; k++) {
          int32_t b = planes[k * row + (s * l->Npad + h) / 8];
          word8 on = HAS((word8){0} + b, bit);
          a += on & ((word8){0} + (int32_t)((uint32_t)coefs[s] << k));
        }
      memcpy(y + h, &a, 32);
    }
#endif
  }
}

/* Shift and add one cluster of row blocks at some positions into s->y. */
static void NAME(expand_tile)(const Layer *l, const Scratch *s, const Cluster *k,
                              const int32_t *scale, int32_t plane, int64_t positions) {
  const int64_t pitch = l->N + 32;
  const NAME(Counted) n = NAME(counted)(l, s);
  int32_t coefs[32];
  for (int64_t i = 0; i < n.slices; i++)
    coefs[i] = (int32_t)((uint32_t)(l->significances[i] * l->rise * (k->by_column ? 1 : scale[0]))
                         * (uint32_t)plane);
  for (int64_t p = 0; p < positions; p++) {
    const uint8_t *planes = n.planes + p * n.depth * n.row;
    if (!l->wide) {
      NAME(expand_halves)(l, &n, planes, coefs, (int16_t *)s->y + p * pitch + k->y);
    } else if (!k->by_column) {
      NAME(expand_words)(l, &n, planes, coefs, s->y + p * pitch + k->y);
    } else {
      memset(s->block, 0, (size_t)(l->Npad + 32) * 4);
      NAME(expand_words)(l, &n, planes, coefs, s->block);
      int32_t *restrict y = s->y + p * pitch + k->y;
      for (int64_t c = 0; c < l->Ng; c++) y[c] += scale[c] * s->block[c];
    }
  }
}
