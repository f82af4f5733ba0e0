// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// For the check itself: beside the kernels one that cannot do without local memory.

#include "kernels.cu"

__global__ void spill(int* values, int at) {
  int local[64] = {};
  for (int i = 0; i < 64; ++i) local[values[i] % 64] += i;
  values[0] = local[at];
}
