// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The kernels that a device runtime enqueues.

#include <cstddef>
#include <cstdint>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <reprise/backend/squared_norm_factor.hpp>
#include <span>

namespace reprise::inline v0 {

/// Kernels of a runtime: static functions that enqueue in the stream and wait for nothing. Pointers
/// are the device's, but for the span's.
///
/// - `upload(stream, host, out)`: copies small tables; the host's memory may go at once;
/// - `reduce_chunks<Tuning>(stream, count, chunks, sums)`: `reduce_chunk` for each;
/// - `reduce_layers<Tuning>(stream, count, chunk_sums, first_chunk, sums)`: `reduce_layer` for
/// each;
/// - `update_average(stream, smoothing, factor, layout, sums, moments, statistics)`: `update_step`;
/// - `add(stream, size, into, part)`: `into[i] += part[i]`; what holds no tensors goes without.
///
/// A kernel that cannot be launched throws `DeviceError<R>`.
template <class K, class R>
concept DeviceKernels = DeviceRuntime<R> &&
    requires(const DeviceStream<R>& stream, std::span<const Chunk> host, Chunk* out,
             std::uint32_t count, const std::uint32_t* first_chunk, const double* in, double* sums,
             const SmoothingArchetype& smoothing, KnownFactor factor, StatisticsLayout layout) {
  K::upload(stream, host, out);
  K::template reduce_chunks<DefaultReductionTuning>(stream, count, out, sums);
  K::template reduce_layers<DefaultReductionTuning>(stream, count, in, first_chunk, sums);
  K::update_average(stream, smoothing, factor, layout, in, sums, sums);
};

}  // namespace reprise::inline v0
