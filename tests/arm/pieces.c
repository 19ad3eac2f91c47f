/* Prints what pieces of the kernels make of numbers that a generator gives: the same text from every
 * compiler, and with NEON or without. The parts of a kernel that NEON has instructions for. */
#include <stdio.h>

#include "layer.h"
#define LEVEL 0
#include "vectors.h"
#include "lists.h"
#define VB 16
#include "bits.h"
#include "plain.h"

static uint64_t state = 1;
static uint64_t drawn(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state ^ state >> 33;
}

static void show(const char *what, const void *bytes, int count) {
  printf("%s ", what);
  for (int k = 0; k < count; k++) printf("%02x", ((const uint8_t *)bytes)[k]);
  printf("\n");
}

/* Sums of `n` driven wordlines against references. */
static void sense(int n) {
  uint8_t cells[200 * 16], refs[13 * 16];
  uint16_t listed[208];
  for (int k = 0; k < 200 * 16; k++) cells[k] = (uint8_t)(k < 16 ? 0 : drawn());
  for (int k = 0; k < 13 * 16; k++) refs[k] = (uint8_t)drawn();
  for (int k = 0; k < 208; k++) listed[k] = (uint16_t)(k < n ? 16 * (1 + drawn() % 199) : 0);
  for (int planes = 7; planes <= 10; planes += 3) {
    const NAME2(Driven_16, VARIANT) driven = {{listed}, {n}, n};
    const NAME2(V_16, VARIANT) found = NAME(sense_16)(driven, cells, refs, planes);
    show("reached", &found, 16);
  }
}

static void list(uint64_t word) {
  uint16_t out[160] = {0};
  const int n = list_whole(word, 70, 4, out);
  show("listed", out, 2 * (n + 8));
}

static void quick(void) {
  lanes16 x, y, low = {0}, high = {0};
  for (int k = 0; k < 8; k++) x[k] = (int16_t)drawn(), y[k] = (int16_t)drawn();
  const int by = (int)(drawn() % 16);
  const lanes16 found[] = {plain_max_epi16(x, y), plain_min_epi16(x, y), plain_mulhi_epu16(x, y),
                           plain_mullo_epi16(x, y), plain_srl_epi16(x, by)};
  plain_add_weighed(&low, &high, x, y, x[0], y[1]);
  show("codes", found, sizeof found);
  show("low", &low, 16);
  show("high", &high, 16);
}

int main(void) {
  for (int n = 0; n < 200; n++) sense(n);
  for (int k = 0; k < 200; k++) list(k % 2 ? drawn() : drawn() & drawn() & drawn());
  list(0);
  list(~0ULL);
  for (int k = 0; k < 200; k++) quick();
  return 0;
}
