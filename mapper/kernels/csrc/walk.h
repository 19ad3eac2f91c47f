/* Neurons over all time steps in single precision, forwards and backwards; see training.h.
 *
 * Products and sums are rounded one by one (no fused multiply-add), as torch rounds them. `spiking`,
 * `reset` and `has_current` are constants for the common kinds, and loops over neurons then vectors.
 */

enum { NAME(STRETCH) = 1024 };  /* neurons at a time, so that a membrane stays in cache */

/* What one time step hands to the next. */
typedef struct {
  float v[NAME(STRETCH)], current[NAME(STRETCH)];
} NAME(Ahead);

static AI void NAME(step_on)(const Walk *w, int64_t at, int64_t many, NAME(Ahead) *ahead, int spiking,
                             int reset, int has_current) {
  const float leak = w->numbers[0], threshold = w->numbers[1], current_leak = w->numbers[2];
  const float *restrict x = w->x + at;
  float *restrict v = ahead->v, *restrict membranes = w->membranes + at;
  float *restrict currents = has_current ? w->currents + at : NULL;
  for (int64_t i = 0; i < many; i++) {
    float drive = x[i];
    if (has_current) currents[i] = ahead->current[i] = drive = current_leak * ahead->current[i] + drive;
    membranes[i] = v[i] = leak * v[i] + drive;
  }
  if (!spiking) return;
  float *restrict spikes = w->spikes + at;  /* in a loop of their own: no branches */
  for (int64_t i = 0; i < many; i++) spikes[i] = v[i] - threshold >= 0 ? 1.0f : 0.0f;
  for (int64_t i = 0; i < many && reset == SUBTRACT; i++) v[i] = v[i] - spikes[i] * threshold;
  for (int64_t i = 0; i < many && reset == TO_VALUE; i++) v[i] = v[i] * (1 - spikes[i]);
}

static AI void NAME(walk_on)(const Walk *w, int64_t from, int64_t many, int spiking, int reset,
                             int has_current) {
  NAME(Ahead) ahead = {{0}, {0}};
  for (int64_t t = 0; t < w->T; t++)
    NAME(step_on)(w, t * w->N + from, many, &ahead, spiking, reset, has_current);
}

/* What one time step hands to the one before, and sums over time. */
typedef struct {
  float after[NAME(STRETCH)], carried[NAME(STRETCH)];  /* gradients */
  float leaks[NAME(STRETCH)], limits[NAME(STRETCH)], passed[NAME(STRETCH)];
  float fired[NAME(STRETCH)];  /* spikes of the step before, in a loop of their own: no branches */
} NAME(Behind);

/* `begins` is a constant: whether it is the first time step, which has no membrane before it. */
static AI void NAME(step_back)(const Walk *w, int64_t at, int64_t many, NAME(Behind) *behind, int begins,
                               int spiking, int reset, int has_current) {
  const float leak = w->numbers[0], threshold = w->numbers[1], current_leak = w->numbers[2];
  const float sharp = w->numbers[3];
  const float *restrict g = w->gradient + at, *restrict m = w->membranes + at;
  const float *restrict before = begins ? m : m - w->N;
  const float *restrict current = has_current && !begins ? w->currents + at - w->N : NULL;
  float *restrict found = w->found + at, *restrict fired = behind->fired;
  for (int64_t i = 0; i < many; i++) fired[i] = spiking && before[i] - threshold >= 0 ? 1.0f : 0.0f;
  for (int64_t i = 0; i < many; i++) {
    const float level = m[i] - threshold, scaled = sharp * level, spike = level >= 0 ? 1.0f : 0.0f;
    const float surrogate = spiking ? g[i] / (1 + scaled * scaled) : g[i];
    const float kept = spiking && reset == TO_VALUE ? 1 - spike : 1.0f;
    if (spiking) behind->limits[i] -= surrogate + (reset == SUBTRACT ? behind->after[i] * spike : 0.0f);
    float whole = surrogate + behind->after[i] * kept;
    const float past = reset == SUBTRACT   ? before[i] - fired[i] * threshold
                       : reset == TO_VALUE ? before[i] * (1 - fired[i])
                                    : before[i];
    if (!begins) behind->leaks[i] += whole * past;
    behind->after[i] = whole * leak;
    if (has_current) {
      whole += behind->carried[i];
      if (!begins) behind->passed[i] += whole * current[i];
      behind->carried[i] = whole * current_leak;
    }
    found[i] = whole;
  }
}

static AI void NAME(walk_back)(const Walk *w, int64_t from, int64_t many, int spiking, int reset,
                               int has_current) {
  NAME(Behind) behind = {{0}, {0}, {0}, {0}, {0}, {0}};
  for (int64_t t = w->T - 1; t > 0; t--)
    NAME(step_back)(w, t * w->N + from, many, &behind, 0, spiking, reset, has_current);
  NAME(step_back)(w, from, many, &behind, 1, spiking, reset, has_current);
  double leaked = 0, limited = 0, passed = 0;
  for (int64_t i = 0; i < many; i++) {
    leaked += behind.leaks[i];
    limited += behind.limits[i];
    passed += behind.passed[i];
  }
  w->learned[0] += leaked;
  w->learned[1] += limited;
  w->learned[2] += passed;
}

#define BY_KIND(walk)                                                                        \
  for (int64_t at = first; at < last; at += NAME(STRETCH)) {                                 \
    const int64_t many = last - at < NAME(STRETCH) ? last - at : NAME(STRETCH);              \
    if (w->spiking && !w->has_current && w->reset == SUBTRACT) NAME(walk)(w, at, many, 1, SUBTRACT, 0); \
    else if (w->spiking && !w->has_current && w->reset == TO_VALUE) NAME(walk)(w, at, many, 1, TO_VALUE, 0); \
    else NAME(walk)(w, at, many, (int)w->spiking, (int)w->reset, (int)w->has_current);       \
  }

void NAME(walk_forward)(const Walk *w, int64_t first, int64_t last) { BY_KIND(walk_on) }

void NAME(walk_backward)(const Walk *w, int64_t first, int64_t last) { BY_KIND(walk_back) }
#undef BY_KIND
