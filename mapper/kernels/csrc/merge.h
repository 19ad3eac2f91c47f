/* Bit-slices whose codes make one code: their counters, added up as one number of more planes.
 *
 * Slice s counts significances[s] / significances[0] = 2**places[s] times as much as the first, so its
 * planes are added from plane places[s] on: a ripple of carries over bits, where expand.h would add
 * every plane of every slice to numbers. Python asks for it where that is more work, which it is
 * without AVX-512.
 */
typedef uint64_t NAME(wide) __attribute__((vector_size(VECTOR)));

/* Planes of the merged number; check.c keeps it within MOST_MERGED. */
static AI int NAME(merged_planes)(const Layer *l) {
  return (int)l->depth + __builtin_ctz((unsigned)(l->significances[l->S - 1] / l->significances[0])) + 1;
}

/* Merge `width` bytes of columns; it is a constant where this is inlined. */
static AI void NAME(merge_some)(const Layer *l, const uint8_t *in, int64_t row, uint8_t *out,
                                int64_t stride, const size_t width) {
  const int depth = (int)l->depth;
  NAME(wide) sum[MOST_MERGED + 1];
  for (int k = 0; k < depth; k++) {
    sum[k] = (NAME(wide)){0};
    memcpy(&sum[k], in + k * row, width);
  }
  int planes = depth;
  for (int64_t s = 1; s < l->S; s++) {
    const int at = __builtin_ctz((unsigned)(l->significances[s] / l->significances[0]));
    const uint8_t *from = in + s * l->Npad / 8;
    NAME(wide) carry = {0};
    while (planes < at + depth) sum[planes++] = (NAME(wide)){0};
    for (int k = 0; k < depth; k++) {
      NAME(wide) a = sum[at + k], b = {0};
      memcpy(&b, from + k * row, width);
      const NAME(wide) half = a ^ b;
      sum[at + k] = half ^ carry;
      carry = (a & b) | (half & carry);
    }
    sum[planes++] = carry;
  }
  for (int k = 0; k < planes; k++) memcpy(out + k * stride, &sum[k], width);
}

/* Merge the counters of one cluster at some positions: s->merged[position][plane][Npad / 8]. */
static void NAME(merge_tile)(const Layer *l, const Scratch *s, int64_t positions) {
  const int64_t row = l->colblks * l->counted, stride = l->Npad / 8;
  const int planes = NAME(merged_planes)(l);
  for (int64_t p = 0; p < positions; p++) {
    const uint8_t *in = s->counters + p * l->depth * row;
    uint8_t *out = s->merged + p * planes * stride;
    int64_t c = 0;
    for (; c + VECTOR <= stride; c += VECTOR) NAME(merge_some)(l, in + c, row, out + c, stride, VECTOR);
#if VECTOR > 32
    for (; c + 32 <= stride; c += 32) NAME(merge_some)(l, in + c, row, out + c, stride, 32);
#endif
#if VECTOR > 16
    for (; c + 16 <= stride; c += 16) NAME(merge_some)(l, in + c, row, out + c, stride, 16);
#endif
    for (; c + 8 <= stride; c += 8) NAME(merge_some)(l, in + c, row, out + c, stride, 8);
    for (; c < stride; c += 2) NAME(merge_some)(l, in + c, row, out + c, stride, 2);
  }
}

/* What is expanded to numbers: the counters as they are, or merged to a slice of more planes. */
typedef struct { const uint8_t *planes; int64_t row, slices; int depth; } NAME(Counted);

static AI NAME(Counted) NAME(counted)(const Layer *l, const Scratch *s) {
  if (l->merged) return (NAME(Counted)){s->merged, l->Npad / 8, 1, NAME(merged_planes)(l)};
  return (NAME(Counted)){s->counters, l->colblks * l->counted, l->S, (int)l->depth};
}
