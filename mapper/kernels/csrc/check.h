#ifndef SPIKELOOM_CHECK_H
#define SPIKELOOM_CHECK_H
#include <stdarg.h>
#include "layer.h"

/* Multiply int64_t factors; -1 where one is negative or the product does not fit. */
int64_t product(int64_t count, ...);
/* Each returns what does not hold, or NULL. Tables are looked at after their sizes were checked. */
const char *check_sizes(const Layer *l);
const char *check_tables(Layer *l);
const char *check_neurons(const Neurons *n, int64_t N);
#endif
