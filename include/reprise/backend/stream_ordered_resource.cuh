// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What Reprise asks of whoever gives it device memory.

#include <cuda_runtime_api.h>

#include <reprise/backend/stream_ordered.hpp>

namespace reprise::inline v0 {

/// Device memory in stream order, in the signatures of RMM's and CCCL's asynchronous resources,
/// today's and those of the last years, so that theirs are models as they are. One of the pairs
///
/// - `allocate(stream, bytes, alignment)` and `deallocate(stream, memory, bytes, alignment)`,
/// - `allocate_async(bytes, alignment, stream)` and
///   `deallocate_async(memory, bytes, alignment, stream)`,
/// - `allocate(bytes, stream)` and `deallocate(memory, bytes, stream)`;
///
/// where it has several, the first. `stream` is a `cudaStream_t` or what one converts to. What
/// is enqueued in it afterwards may use the memory, which is given back when it gets there.
/// Where there is none, allocating throws `std::bad_alloc`, something derived from it, or
/// CudaError. `trim()`, optional, gives what is held and not in use back to the device.
template <class R>
concept StreamOrderedResource = stream_ordered::Resource<R, cudaStream_t>;

}  // namespace reprise::inline v0
