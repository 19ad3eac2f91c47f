/* Which wordlines are driven: one list of row offsets per padded pixel and combination.
 *
 * A list is followed by eight offsets of the all-zero row, so that rows can be added in eights.
 */

static AI uint64_t bits_at(const uint64_t *words, int c0, int len) {
  int w = c0 >> 6, o = c0 & 63;
  uint64_t b = words[w] >> o;
  if (o && o + len > 64) b |= words[w + 1] << (64 - o);
  return len == 64 ? b : b & ((1ULL << len) - 1);
}

/* Append the set bits of a word as offsets; writes up to 64 entries past `out`. */
static AI int list_word(uint64_t b, int first, int scale, uint16_t *out) {
#if LEVEL == 2
  const __m512i iota = _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49,
      48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26,
      25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  int n = __builtin_popcountll(b);
  __m512i z = _mm512_maskz_compress_epi8((__mmask64)b, iota);
  __m512i o = _mm512_set1_epi16((short)first);
  __m128i s = _mm_cvtsi32_si128(scale);
  __m512i low = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(z)), o);
  _mm512_storeu_si512(out, _mm512_sll_epi16(low, s));
  if (n > 32) {
    __m512i high = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(z, 1)), o);
    _mm512_storeu_si512(out + 32, _mm512_sll_epi16(high, s));
  }
  return n;
#else
  int n = 0;
  while (b) {
    out[n++] = (uint16_t)((first + __builtin_ctzll(b)) << scale);
    b &= b - 1;
  }
  return n;
#endif
}

/* Copy the rows of the input that a band of output rows sees, with padding and stuffing. */
static void pad_band(const Layer *l, Scratch *s, const uint64_t *plane, int64_t py0, int64_t rows) {
  for (int64_t r = 0; r < rows; r++) {
    uint64_t *out = s->image + r * l->PW * l->Cw;
    int32_t iy = l->rowmap[py0 + r];
    if (iy < 0) { memset(out, 0, (size_t)(l->PW * l->Cw) * 8); continue; }
    const uint64_t *in = plane + (int64_t)iy * l->W * l->Cw;
    if (l->Cw == 1)
      for (int64_t px = 0; px < l->PW; px++) out[px] = l->colmap[px] < 0 ? 0 : in[l->colmap[px]];
    else
      for (int64_t px = 0; px < l->PW; px++, out += l->Cw)
        if (l->colmap[px] < 0) memset(out, 0, (size_t)l->Cw * 8);
        else memcpy(out, in + (int64_t)l->colmap[px] * l->Cw, (size_t)l->Cw * 8);
  }
}

static AI uint32_t list_one(const Layer *l, const Combo *c, const uint64_t *anchor, int scale,
                            uint16_t *out) {
  uint32_t n = 0;
  if (c->rows <= 64) {
    uint64_t word = 0;
    for (int i = c->first; i < c->last; i++) {
      const Segment *g = l->segments + i;
      word |= bits_at(anchor + ((int64_t)g->dy * l->PW + g->dx) * l->Cw, g->c0, g->len) << g->base;
    }
    if (!word) return 0;
    n = (uint32_t)list_word(word, 0, scale, out);
  } else {
    for (int i = c->first; i < c->last; i++) {
      const Segment *g = l->segments + i;
      const uint64_t *words = anchor + ((int64_t)g->dy * l->PW + g->dx) * l->Cw;
      for (int d = 0; d < g->len; d += 64) {
        int len = g->len - d < 64 ? g->len - d : 64;
        uint64_t b = bits_at(words, g->c0 + d, len);
        if (b) n += (uint32_t)list_word(b, g->base + d, scale, out + n);
      }
    }
    if (!n) return 0;
  }
  uint16_t zero = (uint16_t)(l->rows << scale);
  for (int i = 0; i < 8; i++) out[n + i] = zero;
  return n;
}

/* List the driven wordlines of every anchor that output rows o0 .. o1 - 1 look at. */
static void list_band(const Layer *l, Scratch *s, const uint64_t *plane, int64_t o0, int64_t o1,
                      int scale) {
  int64_t py0 = o0 * l->sy, area = s->band_rows * l->PW;
  pad_band(l, s, plane, py0, (o1 - 1 - o0) * l->sy + l->PH - (l->Ho - 1) * l->sy);
  uint32_t at = 0;
  for (int64_t k = 0; k < l->ncombos; k++) {
    const Range *g = l->ranges + k;
    const Combo combo = l->combos[k];
    int64_t ylast = (o1 - 1 - o0) * l->sy + g->yhi, xlast = (l->Wo - 1) * l->sx + g->xhi;
    for (int64_t y = g->ylo; y <= ylast; y += g->ystep) {
      Entry *row = s->entries + k * area + y * l->PW;
      const uint64_t *image = s->image + y * l->PW * l->Cw;
      for (int64_t x = g->xlo; x <= xlast; x += g->xstep) {
        uint32_t n = list_one(l, &combo, image + x * l->Cw, scale, s->pool + at);
        row[x].start = at;
        row[x].n = n;
        at += n ? n + 8 : 0;
      }
    }
  }
}
