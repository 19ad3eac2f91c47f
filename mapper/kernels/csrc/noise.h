/* Noise of single reads: 16 bits of a hash for each column, as mapper/ir/counter.py has them.
 *
 * SplitMix64 from the key of a sample, at the place of the read among those of a time step. A hash of
 * 64 bits serves four neighbouring columns. They choose one of the ascending numbers N[65536]: what a
 * sum is read with. A sum reaches a threshold that is `d` above it where N[h] >= d, which is where the
 * 16 bits h are at least the count of numbers below d: a table, as short as noise is small. Where sums
 * are multiples of a unit, few counts of it lie within noise: a threshold is then the greatest sum that
 * may not reach it, less one for each of some steps that h is beyond.
 */
typedef uint64_t NAME(hashes) __attribute__((vector_size(VECTOR)));
#define HASHES (VECTOR / 8)
#define GOLDEN UINT64_C(0x9E3779B97F4A7C15)

/* States of SplitMix64 for neighbouring counters from one on. */
static AI NAME(hashes) NAME(states_from)(uint64_t key, uint64_t counter) {
  NAME(hashes) state;
  for (int k = 0; k < HASHES; k++) state[k] = (uint64_t)k * GOLDEN;
  return state + (key + (counter + 1) * GOLDEN);
}

/* SplitMix64, in two steps and a half. */
#define MIX_ONCE(z) (((z) ^ (z) >> 30) * UINT64_C(0xBF58476D1CE4E5B9))
#define MIX_AGAIN(z) (((z) ^ (z) >> 27) * UINT64_C(0x94D049BB133111EB))

/* What SplitMix64 makes of some vectors of states at once: each takes long, and none waits for another. */
static AI void NAME(mix)(NAME(hashes) *z, const int count) {
#pragma GCC unroll 8
  for (int k = 0; k < count; k++) z[k] = MIX_ONCE(z[k]);
#pragma GCC unroll 8
  for (int k = 0; k < count; k++) z[k] = MIX_AGAIN(z[k]);
#pragma GCC unroll 8
  for (int k = 0; k < count; k++) z[k] ^= z[k] >> 31;
}

/* The hashes of `count` neighbouring counters, and up to HASHES - 1 behind them. */
static AI void NAME(hash_some)(uint64_t key, uint64_t counter, int64_t count, uint64_t *out) {
  NAME(hashes) state = NAME(states_from)(key, counter);
  for (int64_t k = 0; k < count; k += HASHES, state += HASHES * GOLDEN) {
    NAME(hashes) z = state;
    NAME(mix)(&z, 1);
    memcpy(out + k, &z, VECTOR);
  }
}

/* Entries of a table at places that are within it. */
static AI lanes32 NAME(gathered)(const int32_t *table, lanes32 at) {
#if LEVEL >= 2
  return (lanes32)_mm512_i32gather_epi32((__m512i)at, table, 4);
#elif LEVEL == 1
  return (lanes32)_mm256_i32gather_epi32(table, (__m256i)at, 4);
#else
  lanes32 found;
  for (int k = 0; k < LANES32; k++) found[k] = table[at[k]];
  return found;
#endif
}

/* 16 bits of as many columns as a vector has words. */
static AI lanes32 NAME(widened)(const uint16_t *p) {
  typedef uint16_t some __attribute__((vector_size(VECTOR / 2)));
  some bits;
  memcpy(&bits, p, sizeof bits);
  return __builtin_convertvector(bits, lanes32);
}

/* How often thresholds that are `away` above sums are reached: a comparison is -1 where it holds. */
static AI lanes32 NAME(reached_by)(const int32_t *noise, lanes32 low, lanes32 most, lanes32 away, lanes32 bits) {
  away -= low;
#if LEVEL >= 2
  away = (lanes32)_mm512_min_epi32(_mm512_max_epi32((__m512i)away, _mm512_setzero_si512()), (__m512i)most);
#elif LEVEL == 1
  away = (lanes32)_mm256_min_epi32(_mm256_max_epi32((__m256i)away, _mm256_setzero_si256()), (__m256i)most);
#else
  away &= away > 0;
  const lanes32 beyond = away > most;
  away = (beyond & most) | (~beyond & away);
#endif
  return bits >= NAME(gathered)(noise, away);
}

/* Where a position's reads of a row block are counted from: its sample's key, its first slice. */
typedef struct { uint64_t key, place; } NAME(Reads);

static AI NAME(Reads) NAME(reads_of)(const Layer *l, const Scratch *s, int64_t block, int64_t p) {
  const int64_t at = s->placed[p], place = l->sampled ? 0 : at;
  const uint64_t read = (uint64_t)(place * l->planes + s->plane) * (uint64_t)l->G + (uint64_t)l->numbers[block];
  return (NAME(Reads)){s->keys[l->sampled ? at : 0], read * (uint64_t)l->S};
}

/* 16 bits for each of `count` outputs of a slice, from output `first` of the layer on. */
static AI const uint16_t *NAME(bits_of)(const Layer *l, NAME(Reads) at, int64_t slice, int64_t first,
                                        int64_t count, uint64_t *hashes) {
  const uint64_t fours = (uint64_t)(l->N + 3) / 4;
  NAME(hash_some)(at.key, (at.place + (uint64_t)slice) * fours + (uint64_t)first / 4, (count + first % 4 + 3) / 4,
                  hashes);
  return (const uint16_t *)hashes + first % 4;
}
