// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The sums of squares of many tensors at once, on a device.

#include <cstddef>
#include <cstdint>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/chunk_table.hpp>
#include <reprise/backend/cuda_block.cuh>
#include <reprise/backend/cuda_buffer.cuh>
#include <reprise/backend/cuda_launch.cuh>
#include <reprise/backend/cuda_memory.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/backend/cuda_upload.cuh>
#include <span>
#include <vector>

namespace reprise::inline v0 {

namespace kernels {

/// Takes each chunk to the sum of its squares, a block a chunk.
template <class Tuning>
__global__ __launch_bounds__(Tuning::chunk_threads,
                             Tuning::chunk_blocks) void reduce_chunks(const Chunk* chunks,
                                                                      double* chunk_sums) {
  reduce_chunk<Tuning, CudaAccess>(CudaBlock<Tuning::chunk_threads>{}, chunks[blockIdx.x],
                                   chunk_sums[blockIdx.x]);
}

/// Adds up the sums of each layer's chunks, a block a layer.
template <class Tuning>
__global__ __launch_bounds__(Tuning::layer_threads) void reduce_layers(
    const double* chunk_sums, const std::uint32_t* first_chunk, double* sums) {
  reduce_layer(CudaBlock<Tuning::layer_threads>{}, chunk_sums, first_chunk[blockIdx.x],
               first_chunk[blockIdx.x + 1], sums[blockIdx.x]);
}

}  // namespace kernels

/// The sums of squares of registered tensors, by layer: at most two kernel launches, and nothing
/// else.
///
/// Tensors are cut into chunks of one length, whose table goes to the device once, when the object
/// is made. A block takes a chunk, so that the device spreads them over its multiprocessors, and
/// the second kernel adds the chunks of each layer up. There are no atomics: the order of all
/// additions is fixed by the tensors' lengths and their addresses modulo 16, so that the sums are
/// the same on each run and on each device.
///
/// Not yet run on a GPU; tests play the kernels' bodies on the host.
/// @tparam Tuning a ReductionTuning
template <class Tuning = DefaultReductionTuning>
class CudaSumOfSquares {
 public:
  CudaSumOfSquares() = default;

  /// Uploads the table, in stream order. @throws CudaError
  CudaSumOfSquares(const ChunkTable& table, const CudaMemory& memory, const CudaStream& stream)
      : first_of_layer_(table.first_chunk),
        elements_(table.elements),
        chunks_(table.chunks.size(), memory, stream),
        first_chunk_(table.first_chunk.size(), memory, stream),
        chunk_sums_(table.chunks.size(), memory, stream) {
    upload_cuda(stream, std::span<const Chunk>(table.chunks), chunks_.data());
    upload_cuda(stream, std::span<const std::uint32_t>(table.first_chunk), first_chunk_.data());
  }

  /// Layers, those without gradients included.
  [[nodiscard]] std::size_t layers() const noexcept { return first_of_layer_.size() - 1; }
  /// Elements of all tensors.
  [[nodiscard]] std::size_t elements() const noexcept { return elements_; }

  /// Enqueues `sums[l]` = the sum of layer l, for each layer. Not for two streams at once.
  /// @param sums on the device @throws CudaError
  void operator()(const CudaStream& stream, double* sums) const {
    enqueue(stream, 0, layers(), sums);
  }

  /// Enqueues `*sum` = the sum of one layer. @throws CudaError
  void operator()(const CudaStream& stream, std::size_t layer, double* sum) const {
    enqueue(stream, layer, layer + 1, sum);
  }

 private:
  void enqueue(const CudaStream& stream, std::size_t first, std::size_t last, double* sums) const {
    const std::uint32_t begin = first_of_layer_[first];
    launch_cuda(stream, "reduce_chunks", {first_of_layer_[last] - begin, Tuning::chunk_threads},
                kernels::reduce_chunks<Tuning>, chunks_.data() + begin, chunk_sums_.data() + begin);
    launch_cuda(
        stream, "reduce_layers", {static_cast<std::uint32_t>(last - first), Tuning::layer_threads},
        kernels::reduce_layers<Tuning>, chunk_sums_.data(), first_chunk_.data() + first, sums);
  }

  std::vector<std::uint32_t> first_of_layer_ = {0};
  std::size_t elements_ = 0;
  CudaBuffer<Chunk> chunks_;
  CudaBuffer<std::uint32_t> first_chunk_;
  mutable CudaBuffer<double> chunk_sums_;  // scratch
};

}  // namespace reprise::inline v0
