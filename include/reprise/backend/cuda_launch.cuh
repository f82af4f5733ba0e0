// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Launches a kernel.

#include <cstdint>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_runtime.cuh>
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
  CudaRuntime::launch(stream.get(), name, grid.blocks, grid.threads, kernel,
                      std::forward<Arguments>(arguments)...);
}

}  // namespace reprise::inline v0
