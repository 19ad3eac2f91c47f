/* What training computes, for any processor. */
#define LEVEL 0
#define VARIANT base
#include "learning.h"
