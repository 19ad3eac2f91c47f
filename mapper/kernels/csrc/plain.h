/* What quick.h does with vectors of 16 bytes where there are no instructions of x86, under their names.
 *
 * `epi16` are eight numbers of 16 bits, `epi32` four of 32 in the same type; `epu16` without a sign.
 */
typedef int16_t lanes16 __attribute__((vector_size(VECTOR)));

static AI lanes16 plain_set1_epi16(int16_t x) { return (lanes16){0} + x; }
static AI lanes16 plain_set1_epi32(int32_t x) { return (lanes16)((lanes32){0} + x); }
static AI lanes16 plain_add_epi16(lanes16 a, lanes16 b) { return a + b; }
static AI lanes16 plain_sub_epi16(lanes16 a, lanes16 b) { return a - b; }
static AI lanes16 plain_mullo_epi16(lanes16 a, lanes16 b) { return a * b; }

#ifdef NEON
static AI lanes16 plain_max_epi16(lanes16 a, lanes16 b) { return vmaxq_s16(a, b); }
static AI lanes16 plain_min_epi16(lanes16 a, lanes16 b) { return vminq_s16(a, b); }
static AI lanes16 plain_srl_epi16(lanes16 a, int by) {
  return (lanes16)vshlq_u16((uint16x8_t)a, vdupq_n_s16((int16_t)-by));
}
static AI lanes16 plain_mulhi_epu16(lanes16 a, lanes16 b) {
  const uint16x8_t x = (uint16x8_t)a, y = (uint16x8_t)b;
  const uint32x4_t low = vmull_u16(vget_low_u16(x), vget_low_u16(y)), high = vmull_high_u16(x, y);
  return (lanes16)vuzp2q_u16((uint16x8_t)low, (uint16x8_t)high);
}
#else
static AI lanes16 plain_where(lanes16 test, lanes16 a, lanes16 b) { return (test & a) | (~test & b); }
static AI lanes16 plain_max_epi16(lanes16 a, lanes16 b) { return plain_where(a > b, a, b); }
static AI lanes16 plain_min_epi16(lanes16 a, lanes16 b) { return plain_where(a < b, a, b); }
static AI lanes16 plain_srl_epi16(lanes16 a, int by) {
  for (int k = 0; k < VECTOR / 2; k++) a[k] = (int16_t)((uint16_t)a[k] >> by);
  return a;
}
static AI lanes16 plain_mulhi_epu16(lanes16 a, lanes16 b) {
  for (int k = 0; k < VECTOR / 2; k++)
    a[k] = (int16_t)((uint32_t)(uint16_t)a[k] * (uint16_t)b[k] >> 16);
  return a;
}
#endif

/* Add x times a weight and y times another to sums of 32 bits: `low` and `high` of the halves of x. */
static AI void plain_add_weighed(lanes16 *low, lanes16 *high, lanes16 x, lanes16 y, int16_t of_x, int16_t of_y) {
#ifdef NEON
  *low = (lanes16)vmlal_n_s16(vmlal_n_s16((int32x4_t)*low, vget_low_s16(x), of_x), vget_low_s16(y), of_y);
  *high = (lanes16)vmlal_high_n_s16(vmlal_high_n_s16((int32x4_t)*high, x, of_x), y, of_y);
#else
  lanes32 a = (lanes32)*low, b = (lanes32)*high;
  for (int k = 0; k < LANES32; k++) {
    a[k] += x[k] * of_x + y[k] * of_y;
    b[k] += x[k + LANES32] * of_x + y[k + LANES32] * of_y;
  }
  *low = (lanes16)a;
  *high = (lanes16)b;
#endif
}
