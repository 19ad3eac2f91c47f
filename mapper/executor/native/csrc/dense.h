/* Packed values as numbers: [planes][images][P][Cw] bits to int64 [images][C][P].
 *
 * Channel after channel, so that memory that the system hands out is written from front to back.
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
      const int64_t weight = top ? -((int64_t)1 << plane) : (int64_t)1 << plane;
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
