/* The image that windows of a layer slide over, of spikes as torch has them; see training.h. */

/* Turn 0 and 1 into bytes; return whether there was anything else. */
static AI int NAME(to_bytes)(const float *restrict x, uint8_t *restrict to, int64_t count) {
  int32_t others = 0;
  for (int64_t k = 0; k < count; k++) {
    to[k] = x[k] == 1;
    others |= (x[k] != 0) & (x[k] != 1);
  }
  return others != 0;
}

/* The same, `step` bytes apart. */
static AI int NAME(to_bytes_apart)(const float *restrict x, uint8_t *restrict to, int64_t step, int64_t count) {
  int32_t others = 0;
  for (int64_t k = 0; k < count; k++) {
    to[k * step] = x[k] == 1;
    others |= (x[k] != 0) & (x[k] != 1);
  }
  return others != 0;
}

/* Some pixels of a row of a sample; `x` and `to` begin where they do. */
static AI int NAME(lay_row)(const Spikes *s, const float *x, uint8_t *to, int64_t count) {
  const int64_t C = s->C, step = s->fx * C;
  int others = 0;
  if (!s->last)
    for (int64_t c = 0; c < C; c++) others |= NAME(to_bytes_apart)(x + c * s->H * s->W, to + c, step, count);
  else if (s->fx == 1)
    others = NAME(to_bytes)(x, to, count * C);
  else
    for (int64_t w = 0; w < count; w++) others |= NAME(to_bytes)(x + w * C, to + w * step, C);
  return others;
}

/* Returns whether all numbers are 0 or 1, of those that the image has room for. */
int NAME(lay_spikes)(const Spikes *s) {
  const int64_t down = s->last ? s->W * s->C : s->W, right = s->last ? s->C : 1;
  const int64_t first = s->left < 0 ? (-s->left + s->fx - 1) / s->fx : 0, room = s->wide - s->left;
  const int64_t end = room <= 0 ? 0 : (room + s->fx - 1) / s->fx, count = (end < s->W ? end : s->W) - first;
  for (int64_t b = 0; b < s->B && count > 0; b++)
    for (int64_t h = 0; h < s->H; h++) {
      const int64_t row = s->top + h * s->fy, column = s->left + first * s->fx;
      if (row < 0 || row >= s->tall) continue;
      const float *x = s->x + b * s->H * s->W * s->C + h * down + first * right;
      if (NAME(lay_row)(s, x, s->image + ((b * s->tall + row) * s->wide + column) * s->C, count)) return 0;
    }
  return 1;
}
