// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The sums of squares of many tensors at once, on a device.

#include <cstddef>
#include <cstdint>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/device_buffer.hpp>
#include <reprise/backend/device_memory.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <span>
#include <vector>

namespace reprise::inline v0 {

/// The sums of squares of registered tensors, by layer: at most two kernel launches, and nothing
/// else.
///
/// Tensors are cut into chunks of one length, whose table goes to the device once, when the object
/// is made. A block takes a chunk, so that the device spreads them over its multiprocessors, and
/// the second kernel adds the chunks of each layer up. There are no atomics: the order of all
/// additions is fixed by the tensors' lengths and their addresses modulo 16, so that the sums are
/// the same on each run and on each device.
///
/// @tparam R      the device runtime, with kernels
/// @tparam Tuning a ReductionTuning
template <DeviceRuntime R, class Tuning = DefaultReductionTuning>
class DeviceSumOfSquares {
 public:
  DeviceSumOfSquares() = default;

  /// Uploads the table, in stream order. @throws DeviceError
  DeviceSumOfSquares(const ChunkTable& table, const DeviceMemory<R>& memory,
                     const DeviceStream<R>& stream)
      : first_of_layer_(table.first_chunk),
        elements_(table.elements),
        chunks_(table.chunks.size(), memory, stream),
        first_chunk_(table.first_chunk.size(), memory, stream),
        chunk_sums_(table.chunks.size(), memory, stream) {
    R::kernels::upload(stream, std::span<const Chunk>(table.chunks), chunks_.data());
    R::kernels::upload(stream, std::span<const std::uint32_t>(table.first_chunk),
                       first_chunk_.data());
  }

  /// Layers, those without gradients included.
  [[nodiscard]] std::size_t layers() const noexcept { return first_of_layer_.size() - 1; }
  /// Elements of all tensors.
  [[nodiscard]] std::size_t elements() const noexcept { return elements_; }

  /// Enqueues `sums[l]` = the sum of layer l, for each layer. Not for two streams at once.
  /// @param sums on the device @throws DeviceError
  void operator()(const DeviceStream<R>& stream, double* sums) const {
    enqueue(stream, 0, layers(), sums);
  }

  /// Enqueues `*sum` = the sum of one layer. @throws DeviceError
  void operator()(const DeviceStream<R>& stream, std::size_t layer, double* sum) const {
    enqueue(stream, layer, layer + 1, sum);
  }

 private:
  void enqueue(const DeviceStream<R>& stream, std::size_t first, std::size_t last,
               double* sums) const {
    const std::uint32_t begin = first_of_layer_[first];
    const std::uint32_t chunks = first_of_layer_[last] - begin;
    if (chunks > 0) {
      R::kernels::template reduce_chunks<Tuning>(stream, chunks, chunks_.data() + begin,
                                                 chunk_sums_.data() + begin);
    }
    if (last > first) {
      R::kernels::template reduce_layers<Tuning>(stream, static_cast<std::uint32_t>(last - first),
                                                 chunk_sums_.data(), first_chunk_.data() + first,
                                                 sums);
    }
  }

  std::vector<std::uint32_t> first_of_layer_ = {0};
  std::size_t elements_ = 0;
  DeviceBuffer<Chunk, R> chunks_;
  DeviceBuffer<std::uint32_t, R> first_chunk_;
  mutable DeviceBuffer<double, R> chunk_sums_;  // scratch
};

}  // namespace reprise::inline v0
