// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Launches a kernel.

#include <cuda_runtime.h>

#include <cstdint>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <utility>

namespace reprise::inline v0 {

/// How many blocks of how many threads, one-dimensional.
struct CudaGrid {
  std::uint32_t blocks = 1;   ///< in the grid; 0 launches nothing
  std::uint32_t threads = 1;  ///< of each block
};

/// Enqueues a kernel; nothing if there are no blocks.
/// @param name what errors call it
/// @throws CudaError if it cannot be launched; what others left as the last error is not taken for
///         its own
template <class... Parameters, class... Arguments>
void launch_cuda(const CudaStream& stream, const char* name, CudaGrid grid,
                 void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (grid.blocks == 0) return;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(grid.blocks);
  config.blockDim = dim3(grid.threads);
  config.stream = stream.get();
  check_cuda(cudaLaunchKernelEx(&config, kernel, std::forward<Arguments>(arguments)...), name);
}

}  // namespace reprise::inline v0
