// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Device memory that is counted and that can run out.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <reprise/backend/cuda_pool.cuh>
#include <reprise/backend/stream_ordered_resource.cuh>

namespace reprise_test {

/// A pool of which at most `capacity_bytes` are allocated at a time. Counts in the host's order.
struct CountingResource {
  reprise::CudaPool pool{};
  std::size_t capacity_bytes = std::numeric_limits<std::size_t>::max();
  std::size_t live_bytes = 0;
  std::size_t peak_bytes = 0;
  std::uint64_t allocations = 0;
  std::uint64_t trims = 0;

  void* allocate_async(std::size_t bytes, std::size_t alignment, cudaStream_t stream) {
    ++allocations;
    if (bytes > capacity_bytes - live_bytes) throw std::bad_alloc();
    void* const memory = pool.allocate_async(bytes, alignment, stream);
    live_bytes += bytes;
    peak_bytes = std::max(peak_bytes, live_bytes);
    return memory;
  }
  void deallocate_async(void* memory, std::size_t bytes, std::size_t alignment,
                        cudaStream_t stream) {
    live_bytes -= bytes;
    pool.deallocate_async(memory, bytes, alignment, stream);
  }
  void trim() {
    ++trims;
    pool.trim();
  }
};
static_assert(reprise::StreamOrderedResource<CountingResource>);

}  // namespace reprise_test
