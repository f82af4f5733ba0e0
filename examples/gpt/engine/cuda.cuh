// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A GPU, as a device that the engine computes on.

#include <cuda_runtime.h>
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <reprise/backend/cuda.cuh>
#include <reprise/backend/cuda_buffer.cuh>
#include <reprise/backend/cuda_clock.cuh>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_launch.cuh>
#include <reprise/backend/cuda_memory.cuh>
#include <reprise/backend/cuda_pool.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/backend/cuda_upload.cuh>
#include <span>
#include <vector>

#include "engine/cublas.cuh"
#include "engine/cuda_team.cuh"
#include "engine/matrix_product.hpp"
#include "engine/precision.hpp"
#include "engine/strided_products.hpp"
#include "engine/tensor.hpp"

namespace gpt {

/// Threads of a team: a row has a hundred to a few thousand elements.
using RowTeam = CudaTeam<128>;

/// Calls `f(team, i)`, a block a call.
template <class F>
__global__ __launch_bounds__(RowTeam::threads) void run_team(F f) {
  f(RowTeam{}, std::size_t{blockIdx.x});
}

/// The current CUDA device, with a stream of its own: Cpu says what its functions do. Functors run
/// by Thrust, teams as blocks, matrix products by cuBLAS. Tensors have a pool to themselves, so
/// that the driver counts them and nothing else.
///
/// Not yet run on a GPU.
class Cuda {
 public:
  template <class T>
  using Buffer = reprise::CudaBuffer<T>;

  using Element = float;

  /// @param precision of products of floats
  /// @throws reprise::CudaError
  explicit Cuda(Precision precision = Precision::fp32)
      : tensor_pool_(std::make_shared<reprise::CudaPool>()),
        tensor_memory_(tensor_pool_),
        buffer_memory_(std::make_shared<reprise::CudaPool>()),
        products_(stream_, buffer_memory_, precision) {}

  /// @throws reprise::CudaError
  [[nodiscard]] void* allocate(std::size_t bytes) {
    return tensor_memory_.allocate(bytes, stream_);
  }
  void release(void* block, std::size_t bytes) noexcept {
    tensor_memory_.deallocate(block, bytes, stream_);
  }
  [[nodiscard]] std::uint64_t reserved_bytes() const { return tensor_pool_->reserved_bytes(); }
  void trim() {
    stream_.synchronize();  // what was freed in it becomes free
    tensor_pool_->trim();
  }
  [[nodiscard]] std::optional<std::uint64_t> peak_bytes() const {
    return tensor_pool_->peak_used_bytes();
  }
  void reset_peak() { tensor_pool_->reset_peak(); }

  template <class F>
  void for_each_index(std::size_t n, F f, std::size_t /*work*/ = 1) const {
    thrust::for_each_n(thrust::cuda::par_nosync.on(stream_.get()),
                       thrust::counting_iterator<std::size_t>(0), n, f);
  }
  template <class F>
  void for_each_team(std::size_t n, F f, std::size_t /*work*/ = 1) const {
    reprise::launch_cuda(stream_, "for_each_team",
                         {static_cast<std::uint32_t>(n), RowTeam::threads}, run_team<F>, f);
  }
  template <class T, class Result>
  void multiply(const MatrixProduct& product, MatrixView<const T> a, MatrixView<const T> b,
                MatrixView<Result> c) const {
    multiply(product, ProductBatch{}, a, b, c);
  }
  template <class T, class Result>
  void multiply(const MatrixProduct& product, const ProductBatch& batch, MatrixView<const T> a,
                MatrixView<const T> b, MatrixView<Result> c) const {
    for_each_strided(product, batch, a, b, c, products_);
  }

  template <class T>
  [[nodiscard]] Buffer<T> make_buffer(std::size_t size, T value) const {
    Buffer<T> buffer(size, buffer_memory_, stream_);
    for_each_index(size, Fill<T>{value, buffer.data()});
    return buffer;
  }
  template <class T>
  [[nodiscard]] Buffer<T> upload(const std::vector<T>& host) const {
    Buffer<T> buffer(host.size(), buffer_memory_, stream_);
    reprise::upload_cuda(stream_, std::span<const T>(host), buffer.data());
    return buffer;
  }
  template <class T, class F>
  auto read(std::span<const T> elements, F f) const {
    std::vector<T> host(elements.size());
    copy(elements.data(), host.data(), elements.size_bytes(), cudaMemcpyDeviceToHost);
    return f(std::span<const T>(host));
  }
  template <class T>
  void write(std::span<const T> host, std::span<T> elements) const {
    copy(host.data(), elements.data(), host.size_bytes(), cudaMemcpyHostToDevice);
  }

  /// The stream that everything is enqueued in.
  [[nodiscard]] cudaStream_t stream() const noexcept { return stream_.get(); }
  /// What measures the time of operations in the stream.
  [[nodiscard]] reprise::CudaClock operation_clock() const { return reprise::CudaClock(stream_); }
  /// What reads gradients into statistics, in this stream.
  [[nodiscard]] reprise::CudaBackend statistics_backend() const {
    return reprise::CudaBackend(stream_, buffer_memory_);
  }

 private:
  void copy(const void* from, void* to, std::size_t bytes, cudaMemcpyKind kind) const {
    if (bytes > 0) {
      reprise::check_cuda(cudaMemcpyAsync(to, from, bytes, kind, stream_.get()), "cudaMemcpyAsync");
    }
    stream_.synchronize();
  }

  reprise::CudaStream stream_;
  std::shared_ptr<reprise::CudaPool> tensor_pool_;
  reprise::CudaMemory tensor_memory_;
  reprise::CudaMemory buffer_memory_;
  Cublas products_;
};

}  // namespace gpt
