/* The kernels for any processor. */
#define LEVEL 0
#define VARIANT base
#include "kernels.h"
