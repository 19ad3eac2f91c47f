/* What cells of a die conduct, a vector at a time: see draw.c, which hands over some neighbouring cells.
 *
 * Doubles are added and multiplied in the order of NumPy's definition, and never fused, so that both
 * give the same integers. A number below 2**53 over 2**53 is less than an end where the number is less
 * than the end times 2**53, rounded up: whether a cell is stuck is asked in integers.
 */
#if LEVEL > 0
#define CELLS (VECTOR / 8) /* at once */
typedef double NAME(reals) __attribute__((vector_size(VECTOR)));
typedef int64_t NAME(masks) __attribute__((vector_size(VECTOR)));
typedef uint64_t NAME(places) __attribute__((vector_size(VECTOR)));
typedef int16_t NAME(digits) __attribute__((vector_size(VECTOR / 4)));
typedef int32_t NAME(cells) __attribute__((vector_size(VECTOR / 2)));
#define WHERE(test) ((NAME(masks))(test))
#define AS(type, v) __builtin_convertvector(v, type)
#else /* products of 64 bits are faster one by one */
#define CELLS 1
typedef double NAME(reals);
typedef int64_t NAME(masks);
typedef uint64_t NAME(places);
typedef int16_t NAME(digits);
typedef int32_t NAME(cells);
#define WHERE(test) (-(int64_t)(test))
#define AS(type, v) ((type)(v))
#endif

/* Entries of a table of doubles at places that are within it. */
static AI NAME(reals) NAME(entries)(const double *table, NAME(masks) at) {
#if LEVEL >= 2
  return (NAME(reals))_mm512_i64gather_pd((__m512i)at, table, 8);
#elif LEVEL == 1
  return (NAME(reals))_mm256_i64gather_pd(table, (__m256i)at, 8);
#else
  return table[at];
#endif
}

static AI NAME(places) NAME(hashes_at)(uint64_t key, NAME(places) site) {
  const NAME(places) z = MIX_ONCE(key + (site + 1) * GOLDEN), y = MIX_AGAIN(z);
  return y ^ y >> 31;
}

/* What is above 0, elsewhere 0. */
static AI NAME(reals) NAME(above_0)(NAME(reals) g) {
  const NAME(masks) above = WHERE(g > 0);
  NAME(masks) bits;
  memcpy(&bits, &g, sizeof g);
  bits &= above;
  memcpy(&g, &bits, sizeof g);
  return g;
}

/* What cells of some levels conduct, in counts. */
static AI NAME(reals) NAME(conductances)(const Draw *d, NAME(masks) u, NAME(places) site) {
  if (d->stuck) {
    const NAME(masks) drawn = (NAME(masks))(NAME(hashes_at)(d->keys[0], site) >> 11);
    const NAME(masks) on = WHERE(drawn < d->stuck_below), off = WHERE(drawn >= d->off_from);
    u = (on & (d->L - 1)) | (~on & ~off & u);
  }
  NAME(reals) g = NAME(entries)(d->mean, u);
  if (d->spread) {
    const NAME(masks) at = (NAME(masks))(NAME(hashes_at)(d->keys[1], site) >> 48);
    g = NAME(above_0)(g + NAME(entries)(d->sigma, u) * NAME(entries)(d->quantiles, at));
  }
  if (d->drifts) {
    NAME(masks) at = u * d->drifts;
    if (d->drifts > 1) at += (NAME(masks))(NAME(hashes_at)(d->keys[2], site) >> 48);
    g = g * NAME(entries)(d->left, at);
  }
  return g;
}

/* Net cells of neighbouring digits. Vectors may read past the end of sites and references. Returns whether
 * every cell is a 32-bit number. */
int NAME(draw_some)(const Draw *d, const int16_t *digits, const uint64_t *sites, const double *taken,
                    int64_t count, int32_t *out) {
  const double whole = 6755399441055744.0; /* 3 * 2**51: added and taken away, it rounds */
  const double unit = (double)(INT64_C(1) << d->fraction);
  NAME(masks) beyond = {0};
  for (int64_t k = 0; k < count; k += CELLS) {
    const size_t some = count - k < CELLS ? (size_t)(count - k) : CELLS;
    NAME(digits) written = {0};
    NAME(places) site;
    NAME(reals) net;
    if (CELLS == 1 || some == CELLS) memcpy(&written, digits + k, sizeof written);
    else memcpy(&written, digits + k, some * 2);
    memcpy(&site, sites + k, sizeof site);
    const NAME(masks) digit = AS(NAME(masks), written);
    if (d->pairs) {
      net = NAME(conductances)(d, digit & WHERE(digit > 0), site) - NAME(conductances)(d, -digit & WHERE(digit < 0), site + 1);
    } else {
      memcpy(&net, taken + k, sizeof net);
      net = NAME(conductances)(d, digit, site) - net;
    }
    net = (net * unit + whole) - whole;
    beyond |= ~(WHERE(net > -2147483648.0) & WHERE(net < 2147483648.0));
    const NAME(cells) found = AS(NAME(cells), net);
    if (CELLS == 1 || some == CELLS) memcpy(out + k, &found, sizeof found);
    else memcpy(out + k, &found, some * 4);
  }
  int64_t each[CELLS], any = 0;
  memcpy(each, &beyond, sizeof each);
  for (int k = 0; k < CELLS; k++) any |= each[k];
  return !any;
}
#undef CELLS
#undef WHERE
#undef AS
