/* Which wordlines are driven: one list of row offsets per padded pixel and combination.
 *
 * A list is followed by eight offsets of the all-zero row, so that rows can be added in eights.
 */

/* Rows of the padded image are bit strings of `pitch` bits a pixel, so channels of neighbouring
 * pixels follow each other. Reads up to eight bytes past the last bit. */
static AI uint64_t bits_at(const uint8_t *row, int64_t bit, int len) {
  uint64_t b;
  const int o = (int)(bit & 7);
  row += bit >> 3;
  memcpy(&b, row, 8);
  b >>= o;
  if (o + len > 64) b |= (uint64_t)row[8] << (64 - o);
  return b & (~0ULL >> (64 - len));
}

#if LEVEL >= 3
#define IOTA _mm512_set_epi8(63, 62, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, \
      45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, \
      21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#endif

#if LEVEL == 1 || LEVEL == 2 || defined(NEON)
/* The set bits of each byte, in order, as eight bytes. */
#define PLACE(b, i) ((uint64_t)((b) >> (i) & 1) * (i) << 8 * __builtin_popcount((b) & ((1 << (i)) - 1)))
#define PLACES(b) \
  PLACE(b, 1) | PLACE(b, 2) | PLACE(b, 3) | PLACE(b, 4) | PLACE(b, 5) | PLACE(b, 6) | PLACE(b, 7)
#define PLACES4(b) PLACES(b), PLACES((b) + 1), PLACES((b) + 2), PLACES((b) + 3)
#define PLACES16(b) PLACES4(b), PLACES4((b) + 4), PLACES4((b) + 8), PLACES4((b) + 12)
#define PLACES64(b) PLACES16(b), PLACES16((b) + 16), PLACES16((b) + 32), PLACES16((b) + 48)
static const uint64_t set_bits[256] = {PLACES64(0), PLACES64(64), PLACES64(128), PLACES64(192)};

/* Few set bits are found one after the other, eight without a branch; more by bytes, as many at a time as a
 * byte has. */
enum { FEW_SET = 8 };
#endif

#if LEVEL == 1 || LEVEL == 2
static AI void list_bytes(uint64_t b, int first, int scale, uint16_t *out) {
  const __m128i s = _mm_cvtsi32_si128(scale), step = _mm_set1_epi16(8);
  __m128i o = _mm_set1_epi16((short)first);
#pragma GCC unroll 8
  for (int k = 0; k < 8; k++, b >>= 8, o = _mm_add_epi16(o, step)) {
    const __m128i z = _mm_cvtepu8_epi16(_mm_loadl_epi64((const __m128i *)(set_bits + (uint8_t)b)));
    _mm_storeu_si128((__m128i *)out, _mm_sll_epi16(_mm_add_epi16(z, o), s));
    out += __builtin_popcount((uint8_t)b);
  }
}
#elif defined(NEON)
/* How many bits are set in each byte of a word, in that byte. */
static AI uint64_t set_in_bytes(uint64_t b) { return vget_lane_u64(vreinterpret_u64_u8(vcnt_u8(vcreate_u8(b))), 0); }

static AI void list_bytes(uint64_t b, uint64_t counts, int first, int scale, uint16_t *out) {
  const int16x8_t s = vdupq_n_s16((int16_t)scale);
  uint16x8_t o = vdupq_n_u16((uint16_t)first);
#pragma GCC unroll 8
  for (int k = 0; k < 8; k++, b >>= 8, counts >>= 8, o = vaddq_u16(o, vdupq_n_u16(8))) {
    const uint16x8_t z = vmovl_u8(vcreate_u8(set_bits[(uint8_t)b]));
    vst1q_u16(out, vshlq_u16(vaddq_u16(z, o), s));
    out += counts & 0xFF;
  }
}
#endif

/* Append the set bits of a word as offsets; writes up to 64 entries past `out`. */
static AI int list_word(uint64_t b, int first, int scale, uint16_t *out) {
#if LEVEL >= 3
  int n = __builtin_popcountll(b);
  __m512i z = _mm512_maskz_compress_epi8((__mmask64)b, IOTA);
  __m512i o = _mm512_set1_epi16((short)first);
  __m128i s = _mm_cvtsi32_si128(scale);
  __m512i low = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_castsi512_si256(z)), o);
  _mm512_storeu_si512(out, _mm512_sll_epi16(low, s));
  if (n > 32) {
    __m512i high = _mm512_add_epi16(_mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(z, 1)), o);
    _mm512_storeu_si512(out + 32, _mm512_sll_epi16(high, s));
  }
  return n;
#elif LEVEL > 0
  const int n = __builtin_popcountll(b);
  if (n > FEW_SET) {
    list_bytes(b, first, scale, out);
    return n;
  }
#pragma GCC unroll 8
  for (int k = 0; k < FEW_SET; k++, b = _blsr_u64(b)) out[k] = (uint16_t)((first + (int)_tzcnt_u64(b)) << scale);
  return n;
#else
  int n = 0;
#ifdef NEON
  const uint64_t counts = set_in_bytes(b);
  const int many = (int)(counts * 0x0101010101010101ULL >> 56);
  if (many > FEW_SET) {
    list_bytes(b, counts, first, scale, out);
    return many;
  }
#endif
  while (b) {
    out[n++] = (uint16_t)((first + __builtin_ctzll(b)) << scale);
    b &= b - 1;
  }
  return n;
#endif
}

/* Write a whole list of up to 64 rows, and eight offsets of the all-zero row behind it: at least 72
 * entries fit. */
static AI int list_whole(uint64_t b, int zero_row, int scale, uint16_t *out) {
#if LEVEL >= 3
  if (zero_row < 256) { /* what is behind the set bits becomes the all-zero row at once */
    const int n = __builtin_popcountll(b);
    const __m128i s = _mm_cvtsi32_si128(scale);
    const __m512i zero = _mm512_set1_epi8((char)zero_row);
    const __m512i z = _mm512_mask_compress_epi8(zero, (__mmask64)b, IOTA);
    const __m512i low = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(z));
    _mm512_storeu_si512(out, _mm512_sll_epi16(low, s));
    if (n > 24) {
      const __m512i high = _mm512_cvtepu8_epi16(_mm512_extracti64x4_epi64(z, 1));
      _mm512_storeu_si512(out + 32, _mm512_sll_epi16(high, s));
      const __m512i last = _mm512_cvtepu8_epi16(_mm512_castsi512_si256(zero));
      if (n > 56) _mm_storeu_si128((__m128i *)(out + 64), _mm512_castsi512_si128(_mm512_sll_epi16(last, s)));
    }
    return n;
  }
#endif
  const int n = list_word(b, 0, scale, out);
  const uint64_t zero = (uint64_t)(uint16_t)(zero_row << scale) * 0x0001000100010001ULL;
  memcpy(out + n, &zero, 8);
  memcpy(out + n + 4, &zero, 8);
  return n;
}

/* Copy the rows of the input that a band of output rows sees, with padding and stuffing. */
static void pad_band(const Layer *l, Scratch *s, const uint64_t *plane, int64_t py0, int64_t rows) {
  const int32_t *columns = l->colmap;
  for (int64_t r = 0; r < rows; r++) {
    uint8_t *out = s->image + r * s->row_bytes;
    const int32_t iy = l->rowmap[py0 + r];
    const uint64_t *in = plane + (int64_t)iy * l->W * l->Cw;
    if (iy < 0 || l->pitch < 32) memset(out, 0, (size_t)s->row_bytes);
    if (iy < 0) continue;
    if (l->pitch == 32) {
      for (int64_t px = 0; px < l->PW; px++) {
        const uint32_t b = columns[px] < 0 ? 0 : (uint32_t)in[columns[px]];
        memcpy(out + px * 4, &b, 4);
      }
    } else if (l->pitch < 64) {
      if (l->pitch > 32) memset(out, 0, (size_t)s->row_bytes);
      for (int64_t px = 0; px < l->PW; px++) {
        if (columns[px] < 0) continue;
        const int64_t bit = px * l->pitch;
        const uint64_t b = in[columns[px]] & (~0ULL >> (64 - l->pitch));
        uint64_t at;
        memcpy(&at, out + (bit >> 3), 8);
        at |= b << (bit & 7);
        memcpy(out + (bit >> 3), &at, 8);
        if ((bit & 7) + l->pitch > 64) out[(bit >> 3) + 8] |= (uint8_t)(b >> (64 - (bit & 7)));
      }
    } else {
      for (int64_t px = 0; px < l->PW; px++, out += l->Cw * 8)
        if (columns[px] < 0) memset(out, 0, (size_t)l->Cw * 8);
        else memcpy(out, in + (int64_t)columns[px] * l->Cw, (size_t)l->Cw * 8);
    }
  }
}

/* List the driven wordlines of one row block; `row` is that of its anchor, `bit` its first. */
static AI uint32_t list_one(const Layer *l, const Scratch *s, const Combo *c, const uint8_t *row,
                            int64_t bit, int scale, uint16_t *out) {
  uint32_t n = 0;
  const Segment *g = l->segments + c->first;
  if (c->rows <= 64) {
    uint64_t word = bits_at(row + g->dy * s->row_bytes, bit + g->dx * l->pitch + g->c0, g->len) << g->base;
    for (int i = c->first + 1; i < c->last; i++) {
      g++;
      word |= bits_at(row + g->dy * s->row_bytes, bit + g->dx * l->pitch + g->c0, g->len) << g->base;
    }
    return word ? (uint32_t)list_whole(word, (int)l->rows, scale, out) : 0;
  }
  for (int i = c->first; i < c->last; i++, g++) {
    const uint8_t *from = row + g->dy * s->row_bytes;
    const int64_t at = bit + g->dx * l->pitch + g->c0;
    for (int d = 0; d < g->len; d += 64) {
      const uint64_t b = bits_at(from, at + d, g->len - d < 64 ? g->len - d : 64);
      if (b) n += (uint32_t)list_word(b, g->base + d, scale, out + n);
    }
  }
  if (!n) return 0;
  const uint64_t zero = (uint64_t)(uint16_t)(l->rows << scale) * 0x0001000100010001ULL;
  memcpy(out + n, &zero, 8);
  memcpy(out + n + 4, &zero, 8);
  return n;
}

/* A row of anchors of a combination of a few short segments: everything the loop needs is in locals,
 * as a store of a list might otherwise have changed it. Returns where the next list goes. */
enum { SHORT = 8 };

static AI uint32_t list_row(const Layer *l, const Scratch *s, const Combo *c, const Range *g,
                            const uint8_t *row, int64_t xlast, int scale, Entry *entries,
                            uint32_t at) {
  const int64_t pitch = l->pitch, row_bytes = s->row_bytes, first = g->xlo, step = g->xstep;
  const int count = c->last - c->first;
  uint16_t *const pool = s->pool;
  const int zero_row = (int)l->rows;
  const uint8_t *from[SHORT];
  int64_t bit[SHORT];
  int len[SHORT], base[SHORT];
  for (int i = 0; i < SHORT; i++) {
    const Segment *k = l->segments + c->first + (i < count ? i : 0);
    from[i] = row + k->dy * row_bytes;
    bit[i] = k->dx * pitch + k->c0;
    len[i] = k->len;
    base[i] = k->base;
  }
  for (int64_t x = first; x <= xlast; x += step) {
    const int64_t o = x * pitch;
    uint64_t word = bits_at(from[0], o + bit[0], len[0]) << base[0];
    if (count > 1) {
      word |= bits_at(from[1], o + bit[1], len[1]) << base[1];
      if (count > 2) word |= bits_at(from[2], o + bit[2], len[2]) << base[2];
      if (count > 3) word |= bits_at(from[3], o + bit[3], len[3]) << base[3];
      for (int i = 4; i < count; i++) word |= bits_at(from[i], o + bit[i], len[i]) << base[i];
    }
    const int n = list_whole(word, zero_row, scale, pool + at);
    entries[x].start = at;
    entries[x].n = (uint32_t)n;
    at += (uint32_t)n + 8;
  }
  return at;
}

/* Row blocks of whole pixels: the same pixel stands in many lists, so each is listed once and lists are
 * put together from theirs. */
enum { MOST_PIXELS = 16, LEAST_PITCH = 16, COPIED = LEVEL > 0 ? 16 : 8, OFTEN_MORE = 10 };
typedef struct { int count; int64_t at[MOST_PIXELS]; uint16_t more[MOST_PIXELS]; } Pixels;
typedef uint16_t Listed __attribute__((vector_size(2 * COPIED)));

/* Find the pixels of a combination; returns none where its lists are better made from bits. */
static int find_pixels(const Layer *l, const Combo *c, int scale, Pixels *p) {
  p->count = 0;
  if (LEVEL >= 3 && c->rows <= 64) return 0; /* an instruction lists a word */
  if (l->pitch < LEAST_PITCH || l->pitch > 64 || l->sx > 1 || l->sy > 1) return 0;
  for (int i = c->first; i < c->last; i++) {
    const Segment *g = l->segments + i;
    if (g->c0 || g->len % l->pitch) return 0;
    for (int64_t d = 0; d * l->pitch < g->len; d++, p->count++) {
      if (p->count == MOST_PIXELS) return 0;
      p->at[p->count] = g->dy * l->PW + g->dx + d;
      p->more[p->count] = (uint16_t)((g->base + d * l->pitch) << scale);
    }
  }
  return p->count;
}

static uint32_t list_pixels(const Layer *l, const Scratch *s, int64_t rows, int scale, Entry *entries, uint32_t at) {
  const int64_t pitch = l->pitch, across = l->PW;
  const int zero_row = (int)l->rows;
  uint16_t *const pool = s->pool;
  for (int64_t y = 0; y < rows; y++, entries += across)
    for (int64_t x = 0; x < across; x++) {
      const int n = list_whole(bits_at(s->image + y * s->row_bytes, x * pitch, (int)pitch), zero_row, scale, pool + at);
      entries[x] = (Entry){at, (uint32_t)n};
      at += (uint32_t)n + 8;
    }
  return at;
}

/* A row of anchors whose lists are put together; `pixels` are those of the row's first. Where pixels `often`
 * have more than are copied at once, twice as many are copied without asking. */
static AI uint32_t join_row(const Layer *l, const Scratch *s, const Pixels *p, const Range *g, const Entry *pixels,
                            int64_t xlast, int scale, Entry *entries, uint32_t at, const int count, const int often) {
  uint16_t *const pool = s->pool;
  const int64_t step = g->xstep;
  const Listed zero = (Listed){0} + (uint16_t)(l->rows << scale);
  for (int64_t x = g->xlo; x <= xlast; x += step) {
    const uint32_t start = at;
    for (int k = 0; k < count; k++) {
      const Entry from = pixels[x + p->at[k]];
      uint32_t i = 0;
      do {
#pragma GCC unroll 2
        for (int twice = 0; twice <= often; twice++, i += COPIED) {
          Listed some;
          memcpy(&some, pool + from.start + i, sizeof some);
          some += p->more[k];
          memcpy(pool + at + i, &some, sizeof some);
        }
      } while (i < from.n);
      at += from.n;
    }
    memcpy(pool + at, &zero, 16);
    entries[x] = (Entry){start, at - start};
    at += 8;
  }
  return at;
}

static uint32_t join(const Layer *l, const Scratch *s, const Pixels *p, const Range *g, const Entry *pixels,
                     int64_t xlast, int scale, Entry *entries, uint32_t at, int often) {
#define JOIN(count, often) join_row(l, s, p, g, pixels, xlast, scale, entries, at, count, often)
#define JOIN_ALL(often) (p->count == 2 ? JOIN(2, often) : p->count == 4 ? JOIN(4, often) : JOIN(p->count, often))
  if (p->count == 1 && !p->more[0]) { /* its list is there */
    for (int64_t x = g->xlo; x <= xlast; x += g->xstep) entries[x] = pixels[x + p->at[0]];
    return at;
  }
  return often ? JOIN_ALL(1) : JOIN_ALL(0);
#undef JOIN_ALL
#undef JOIN
}

/* List the driven wordlines of every anchor that output rows o0 .. o1 - 1 look at. */
static void list_band(const Layer *l, Scratch *s, const uint64_t *plane, int64_t o0, int64_t o1,
                      int scale) {
  int64_t py0 = o0 * l->sy, area = s->band_rows * l->PW;
  const int64_t rows = (o1 - 1 - o0) * l->sy + l->PH - (l->Ho - 1) * l->sy;
  pad_band(l, s, plane, py0, rows);
  uint32_t at = 0;
  Entry *const pixels = s->entries + l->ncombos * area;
  int listed = 0, often = 0;
  for (int64_t k = 0; k < l->ncombos; k++) {
    const Range *g = l->ranges + k;
    const Combo combo = l->combos[k];
    Pixels own;
    const int joined = find_pixels(l, &combo, scale, &own);
    if (joined && !listed++) {
      at = list_pixels(l, s, rows, scale, pixels, at);
      often = at > (8 + OFTEN_MORE) * rows * l->PW;
    }
    int64_t ylast = (o1 - 1 - o0) * l->sy + g->yhi, xlast = (l->Wo - 1) * l->sx + g->xhi;
    for (int64_t y = g->ylo; y <= ylast; y += g->ystep) {
      Entry *row = s->entries + k * area + y * l->PW;
      const uint8_t *image = s->image + y * s->row_bytes;
      if (joined) {
        at = join(l, s, &own, g, pixels + y * l->PW, xlast, scale, row, at, often);
        continue;
      }
      if (combo.rows <= 64 && combo.last - combo.first <= SHORT) {
        at = list_row(l, s, &combo, g, image, xlast, scale, row, at);
        continue;
      }
      for (int64_t x = g->xlo; x <= xlast; x += g->xstep) {
        uint32_t n = list_one(l, s, &combo, image, x * l->pitch, scale, s->pool + at);
        row[x].start = at;
        row[x].n = n;
        at += n ? n + 8 : 0;
      }
    }
  }
}
