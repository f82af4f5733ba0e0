// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What device code builds on: C++20 under nvcc, CCCL's headers, the library's host headers.

#include <doctest/doctest.h>
#include <thrust/version.h>

#include <concepts>
#include <cub/version.cuh>
#include <reprise/core/units.hpp>

namespace {

template <class F>
concept IndexFunction = requires(F f, int i) {
  { f(i) } -> std::same_as<float>;
};

struct Square {
  __host__ __device__ float operator()(int i) const {
    return static_cast<float>(i) * static_cast<float>(i);
  }
};

template <IndexFunction F>
__global__ void fill(float* out, int n, F f) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = f(i);
}

TEST_CASE("a constrained kernel computes what the host does") {
  using namespace reprise::literals;
  static_assert(THRUST_MAJOR_VERSION >= 3 && CUB_MAJOR_VERSION >= 3);
  static_assert(THRUST_DEVICE_SYSTEM == THRUST_DEVICE_SYSTEM_CUDA);
  constexpr int n = static_cast<int>(1_KiB);

  float* out = nullptr;
  REQUIRE(cudaMallocManaged(&out, n * sizeof(float)) == cudaSuccess);
  fill<<<n / 256, 256>>>(out, n, Square{});
  REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
  for (int i = 0; i < n; ++i) REQUIRE(out[i] == Square{}(i));
  CHECK(cudaFree(out) == cudaSuccess);
}

}  // namespace
