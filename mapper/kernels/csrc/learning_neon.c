/* What training computes, for 64-bit Arm processors. */
#if defined(__aarch64__)
#define LEVEL 0
#define NEON
#define VARIANT neon
#include "learning.h"
#else
typedef int spikeloom_no_learning_neon;
#endif
