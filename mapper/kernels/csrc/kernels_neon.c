/* The kernels for 64-bit Arm processors, which all have NEON. */
#if defined(__aarch64__)
#define LEVEL 0
#define NEON
#define VARIANT neon
#include "kernels.h"
#else
typedef int spikeloom_no_neon;
#endif
