// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <thrust/iterator/counting_iterator.h>
#include <thrust/reduce.h>
#include <thrust/system/omp/execution_policy.h>

#include <reprise/reprise.hpp>
#include <reprise/version.hpp>

int main() {
  using namespace reprise::literals;
  const thrust::counting_iterator<int> one(1);
  const bool sums = thrust::reduce(thrust::omp::par, one, one + 100) == 5050;
  return sums && reprise::parse_bytes("1.5 GiB") == 1536_MiB ? 0 : 1;
}
