/* Neurons over all time steps in single precision, forwards and backwards; see training.h.
 *
 * Products and sums are rounded one by one (no fused multiply-add), as torch rounds them.
 */

enum { NAME(STRETCH) = 1024 };  /* neurons at a time, so that a membrane stays in cache */

static AI void NAME(walk_on)(const Walk *w, int64_t from, int64_t many) {
  const float leak = w->numbers[0], threshold = w->numbers[1], current_leak = w->numbers[2];
  float v[NAME(STRETCH)] = {0}, current[NAME(STRETCH)] = {0};
  for (int64_t t = 0; t < w->T; t++) {
    const float *restrict x = w->x + t * w->N + from;
    float *restrict membranes = w->membranes + t * w->N + from;
    for (int64_t i = 0; i < many; i++) {
      float drive = x[i];
      if (w->has_current) {
        drive = current[i] = current_leak * current[i] + drive;
        w->currents[t * w->N + from + i] = drive;
      }
      membranes[i] = v[i] = leak * v[i] + drive;
    }
    if (!w->spiking) continue;
    float *restrict spikes = w->spikes + t * w->N + from;
    for (int64_t i = 0; i < many; i++) {
      const float spike = v[i] - threshold >= 0 ? 1.0f : 0.0f;
      spikes[i] = spike;
      if (w->reset == 0) v[i] = v[i] - spike * threshold;
      if (w->reset == 1) v[i] = v[i] * (1 - spike);
    }
  }
}

void NAME(walk_forward)(const Walk *w, int64_t first, int64_t last) {
  for (int64_t at = first; at < last; at += NAME(STRETCH))
    NAME(walk_on)(w, at, last - at < NAME(STRETCH) ? last - at : NAME(STRETCH));
}

/* `spiking`, `reset` and `has_current` are constants where it is called for the common kinds. */
static AI void NAME(walk_back)(const Walk *w, int64_t from, int64_t many, int spiking, int reset,
                               int has_current) {
  const float leak = w->numbers[0], threshold = w->numbers[1], current_leak = w->numbers[2];
  const float sharp = w->numbers[3];
  float after[NAME(STRETCH)] = {0}, carried[NAME(STRETCH)] = {0};  /* gradients of the next step's */
  float leaks[NAME(STRETCH)] = {0}, limits[NAME(STRETCH)] = {0}, currents[NAME(STRETCH)] = {0};
  for (int64_t t = w->T - 1; t >= 0; t--) {
    const float *restrict g = w->gradient + t * w->N + from, *restrict m = w->membranes + t * w->N + from;
    const float *restrict before = m - (t ? w->N : 0);
    float *restrict found = w->found + t * w->N + from;
    for (int64_t i = 0; i < many; i++) {
      float whole = g[i];
      if (spiking) {
        const float level = m[i] - threshold, scaled = sharp * level;
        const float spike = level >= 0 ? 1.0f : 0.0f, surrogate = g[i] / (1 + scaled * scaled);
        const float kept = reset == 1 ? 1 - spike : 1.0f;
        limits[i] -= surrogate + (reset == 0 ? after[i] * spike : 0.0f);
        whole = surrogate + after[i] * kept;
      } else {
        whole += after[i];
      }
      float past = 0;
      if (t) {
        const float spike = spiking && before[i] - threshold >= 0 ? 1.0f : 0.0f;
        past = reset == 0 ? before[i] - spike * threshold : reset == 1 ? before[i] * (1 - spike) : before[i];
      }
      leaks[i] += whole * past;
      after[i] = whole * leak;
      if (has_current) {
        whole += carried[i];
        if (t) currents[i] += whole * w->currents[(t - 1) * w->N + from + i];
        carried[i] = whole * current_leak;
      }
      found[i] = whole;
    }
  }
  double leaked = 0, limited = 0, passed = 0;
  for (int64_t i = 0; i < many; i++) {
    leaked += leaks[i];
    limited += limits[i];
    passed += currents[i];
  }
  w->learned[0] += leaked;
  w->learned[1] += limited;
  w->learned[2] += passed;
}

void NAME(walk_backward)(const Walk *w, int64_t first, int64_t last) {
  const int common = w->spiking && !w->has_current;
  for (int64_t at = first; at < last; at += NAME(STRETCH)) {
    const int64_t many = last - at < NAME(STRETCH) ? last - at : NAME(STRETCH);
    if (common && w->reset == 0) NAME(walk_back)(w, at, many, 1, 0, 0);
    else if (common && w->reset == 1) NAME(walk_back)(w, at, many, 1, 1, 0);
    else NAME(walk_back)(w, at, many, (int)w->spiking, (int)w->reset, (int)w->has_current);
  }
}
