/* Between packed values and numbers: [planes][images][P][Cw] bits and int64 [images][C][P].
 *
 * Numbers are written channel after channel, so that memory that the system hands out is filled from front
 * to back.
 */

enum { PIXELS = 64 };

/* One channel of some pixels: `weight` where its bit is set, stored or added. */
static AI void NAME(unpack_some)(const uint64_t *words, int64_t step, int bit, int64_t count,
                                 int64_t weight, int first, int64_t *out) {
  if (first)
    for (int64_t k = 0; k < count; k++) out[k] = -(int64_t)(words[k * step] >> bit & 1) & weight;
  else
    for (int64_t k = 0; k < count; k++) out[k] += -(int64_t)(words[k * step] >> bit & 1) & weight;
}

static void NAME(unpack_channel)(const Packed *x, int64_t n, int64_t c, int64_t *out) {
  const int bit = (int)(c % 64);
  for (int64_t p = 0; p < x->P; p += PIXELS)
    for (int64_t plane = 0; plane < x->planes; plane++) {
      const uint64_t *from = x->words + ((plane * x->images + n) * x->P + p) * x->Cw + c / 64;
      const int64_t count = x->P - p < PIXELS ? x->P - p : PIXELS;
      const int top = x->is_signed && plane == x->planes - 1;
      const uint64_t bit_weight = (uint64_t)1 << plane;
      const int64_t weight = (int64_t)(top ? -bit_weight : bit_weight);
      if (count == PIXELS && x->Cw == 1)
        NAME(unpack_some)(from, 1, bit, PIXELS, weight, !plane, out + p);
      else
        NAME(unpack_some)(from, x->Cw, bit, count, weight, !plane, out + p);
    }
}

void NAME(unpack)(const Packed *x, int64_t *out) {
  for (int64_t n = 0; n < x->images; n++)
    for (int64_t c = 0; c < x->C; c++, out += x->P) NAME(unpack_channel)(x, n, c, out);
}

/* Bit `bit` of 64 bytes. */
static AI uint64_t NAME(bit_of)(const uint8_t *bytes, int bit) {
#if LEVEL >= 2
  return _mm512_movepi8_mask(_mm512_sll_epi16(_mm512_loadu_si512(bytes), _mm_cvtsi32_si128(7 - bit)));
#elif LEVEL == 1
  const __m128i up = _mm_cvtsi32_si128(7 - bit);
  const __m256i low = _mm256_loadu_si256((const __m256i *)bytes), high = _mm256_loadu_si256((const __m256i *)(bytes + 32));
  return (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_sll_epi16(low, up)) |
         (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_sll_epi16(high, up)) << 32;
#else
  uint64_t word = 0;
  for (int c = 0; c < 64; c++) word |= (uint64_t)(bytes[c] >> bit & 1) << c;
  return word;
#endif
}

/* All planes of one pixel, whose channels follow each other: eight planes are bits of bytes. */
static void NAME(pack_pixel)(const Packed *g, const int64_t *x, uint64_t *out, int64_t step) {
  for (int64_t w = 0; w < g->Cw; w++, x += 64)
    for (int64_t plane = 0; plane < g->planes; plane += 8) {
      const int channels = (int)(g->C - w * 64 < 64 ? g->C - w * 64 : 64);
      uint8_t bytes[64] = {0};
      if (channels == 64) for (int c = 0; c < 64; c++) bytes[c] = (uint8_t)(x[c] >> plane);
      else for (int c = 0; c < channels; c++) bytes[c] = (uint8_t)(x[c] >> plane);
      for (int bit = 0; bit < 8 && plane + bit < g->planes; bit++)
        out[(plane + bit) * step + w] = NAME(bit_of)(bytes, bit);
    }
}

/* A word of channels of some pixels, where pixels follow each other. */
static AI void NAME(pack_some)(const int64_t *x, int64_t P, int channels, int64_t count,
                               int64_t plane, uint64_t *words) {
  memset(words, 0, (size_t)count * 8);
  for (int c = 0; c < channels; c++, x += P)
    for (int64_t k = 0; k < count; k++) words[k] |= ((uint64_t)x[k] >> plane & 1) << c;
}

static void NAME(pack_image)(const Packed *g, const int64_t *x, uint64_t *out, int64_t plane) {
  uint64_t words[PIXELS];
  for (int64_t w = 0; w < g->Cw; w++) {
    const int channels = (int)(g->C - w * 64 < 64 ? g->C - w * 64 : 64);
    const int64_t *from = x + w * 64 * g->P;
    for (int64_t p = 0; p < g->P; p += PIXELS) {
      const int64_t count = g->P - p < PIXELS ? g->P - p : PIXELS;
      NAME(pack_some)(from + p, g->P, channels, count, plane, words);
      for (int64_t k = 0; k < count; k++) out[(p + k) * g->Cw + w] = words[k];
    }
  }
}

static AI int NAME(within)(const int64_t *x, int64_t size, int64_t low, uint64_t range) {
  uint64_t all = 0, beyond = 0;
  if (low == 0 && (range & (range + 1)) == 0) {
    for (int64_t k = 0; k < size; k++) all |= (uint64_t)x[k];
    return !(all & ~range);
  }
  for (int64_t k = 0; k < size; k++) beyond |= (uint64_t)x[k] - (uint64_t)low > range;
  return !beyond;
}

/* Returns whether all numbers are from `low` to `high`: others do not fit the planes. */
int NAME(pack)(const Packed *g, const int64_t *x, uint64_t *out, int64_t low, int64_t high) {
  const int64_t size = g->C * g->P, words = g->P * g->Cw;
  const uint64_t range = (uint64_t)high - (uint64_t)low;
  for (int64_t n = 0; n < g->images; n++) {
    if (!NAME(within)(x + n * size, size, low, range)) return 0;
    if (g->P == 1) NAME(pack_pixel)(g, x + n * size, out + n * words, g->images * words);
    else for (int64_t plane = 0; plane < g->planes; plane++)
      NAME(pack_image)(g, x + n * size, out + (plane * g->images + n) * words, plane);
  }
  return 1;
}
