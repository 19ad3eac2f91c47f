/* Packed values as numbers: [planes][images][P][Cw] bits to int64 [images][C][P]. */

enum { PIXELS = 64 };

/* One word of channels of up to PIXELS pixels: `weight` of a set bit is added. */
static AI void NAME(unpack_word)(const uint64_t *words, int pixels, int channels, int64_t P,
                                 int64_t weight, int first, int64_t *out) {
  for (int c = 0; c < channels; c++, out += P)
    if (first)
      for (int k = 0; k < pixels; k++) out[k] = -(int64_t)(words[k] >> c & 1) & weight;
    else
      for (int k = 0; k < pixels; k++) out[k] += -(int64_t)(words[k] >> c & 1) & weight;
}

void NAME(unpack)(const Packed *x, int64_t *out) {
  uint64_t words[PIXELS];
  for (int64_t n = 0; n < x->images; n++)
    for (int64_t p = 0; p < x->P; p += PIXELS)
      for (int64_t w = 0; w < x->Cw; w++)
        for (int64_t plane = 0; plane < x->planes; plane++) {
          const uint64_t *from = x->words + ((plane * x->images + n) * x->P + p) * x->Cw + w;
          const int pixels = (int)(x->P - p < PIXELS ? x->P - p : PIXELS);
          const int channels = (int)(x->C - w * 64 < 64 ? x->C - w * 64 : 64);
          const int64_t weight = (int64_t)1 << plane;
          const int top = x->is_signed && plane == x->planes - 1;
          for (int k = 0; k < pixels; k++) words[k] = from[k * x->Cw];
          int64_t *to = out + (n * x->C + w * 64) * x->P + p;
          if (pixels == PIXELS)
            NAME(unpack_word)(words, PIXELS, channels, x->P, top ? -weight : weight, !plane, to);
          else
            NAME(unpack_word)(words, pixels, channels, x->P, top ? -weight : weight, !plane, to);
        }
}
