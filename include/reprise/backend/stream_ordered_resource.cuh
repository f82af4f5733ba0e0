// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What Reprise asks of whoever gives it device memory.

#include <cuda_runtime_api.h>

#include <concepts>
#include <cstddef>

namespace reprise::inline v0 {

/// Device memory in stream order, in the signatures of RMM's and CCCL's asynchronous resources, so
/// that theirs are models as they are.
///
/// - `allocate_async(bytes, alignment, stream)`: memory that what is enqueued in `stream`
/// afterwards
///   may use; throws `std::bad_alloc`, something derived from it, or CudaError where there is none.
/// - `deallocate_async(memory, bytes, alignment, stream)`: gives it back when `stream` gets there.
/// - `trim()`, optional: gives what is held and not in use back to the device.
template <class R>
concept StreamOrderedResource = requires(R& resource, void* memory, std::size_t bytes,
                                         std::size_t alignment, cudaStream_t stream) {
  { resource.allocate_async(bytes, alignment, stream) } -> std::same_as<void*>;
  resource.deallocate_async(memory, bytes, alignment, stream);
};

}  // namespace reprise::inline v0
