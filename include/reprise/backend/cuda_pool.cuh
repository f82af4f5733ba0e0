// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The driver's own stream-ordered memory.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/stream_ordered_resource.cuh>
#include <reprise/core/error.hpp>
#include <string>
#include <type_traits>

namespace reprise::inline v0 {

/// A pool behind `cudaMallocAsync`. Models StreamOrderedResource.
///
/// One of its own keeps what was freed for the next allocation, until `trim`; what of it outlives
/// the pool stays valid until it is freed. The device's default pool, which everyone shares, is
/// left with the settings that it has.
class CudaPool {
 public:
  /// What memory from here is aligned to, in bytes.
  static constexpr std::size_t alignment_bytes = 256;

  /// A new pool on the current device. @throws CudaError
  CudaPool() {
    cudaMemPoolProps properties{};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.handleTypes = cudaMemHandleTypeNone;
    properties.location.type = cudaMemLocationTypeDevice;
    check_cuda(cudaGetDevice(&properties.location.id), "cudaGetDevice");
    cudaMemPool_t pool = nullptr;
    check_cuda(cudaMemPoolCreate(&pool, &properties), "cudaMemPoolCreate");
    handle_ = {pool, [](cudaMemPool_t owned) { ignore_cuda(cudaMemPoolDestroy(owned)); }};
    std::uint64_t threshold = std::numeric_limits<std::uint64_t>::max();
    check_cuda(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold),
               "cudaMemPoolSetAttribute");
  }

  /// The caller's pool, which must outlive this one.
  explicit CudaPool(cudaMemPool_t pool) : handle_(pool, [](cudaMemPool_t) {}) {}

  /// The default pool of the current device. @throws CudaError
  [[nodiscard]] static CudaPool of_device() {
    int device = 0;
    check_cuda(cudaGetDevice(&device), "cudaGetDevice");
    cudaMemPool_t pool = nullptr;
    check_cuda(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
    return CudaPool(pool);
  }

  /// @throws CudaError, with cudaErrorMemoryAllocation where there is no memory
  /// @throws InvalidArgument for an alignment that the pool does not give
  [[nodiscard]] void* allocate_async(std::size_t bytes, std::size_t alignment,
                                     cudaStream_t stream) {
    if (alignment > alignment_bytes) {
      throw InvalidArgument("CudaPool: an alignment of " + std::to_string(alignment) +
                            " bytes, it has " + std::to_string(alignment_bytes));
    }
    void* memory = nullptr;
    check_cuda(cudaMallocFromPoolAsync(&memory, bytes, handle_.get(), stream),
               "cudaMallocFromPoolAsync");
    return memory;
  }

  /// @throws CudaError
  void deallocate_async(void* memory, std::size_t /*bytes*/, std::size_t /*alignment*/,
                        cudaStream_t stream) {
    check_cuda(cudaFreeAsync(memory, stream), "cudaFreeAsync");
  }

  /// Gives what no stream uses any more back to the device. @throws CudaError
  void trim() { check_cuda(cudaMemPoolTrimTo(handle_.get(), 0), "cudaMemPoolTrimTo"); }

  /// Bytes that the pool has from the device. @throws CudaError
  [[nodiscard]] std::uint64_t reserved_bytes() const {
    return attribute(cudaMemPoolAttrReservedMemCurrent);
  }
  /// Bytes of it that are allocated. @throws CudaError
  [[nodiscard]] std::uint64_t used_bytes() const {
    return attribute(cudaMemPoolAttrUsedMemCurrent);
  }
  /// The most of it that was allocated since `reset_peak`, as the driver counts. @throws CudaError
  [[nodiscard]] std::uint64_t peak_used_bytes() const {
    return attribute(cudaMemPoolAttrUsedMemHigh);
  }
  /// Lets `peak_used_bytes` begin with what is allocated now. @throws CudaError
  void reset_peak() {
    std::uint64_t zero = 0;  // the one value that the driver takes
    check_cuda(cudaMemPoolSetAttribute(handle_.get(), cudaMemPoolAttrUsedMemHigh, &zero),
               "cudaMemPoolSetAttribute");
  }

 private:
  [[nodiscard]] std::uint64_t attribute(cudaMemPoolAttr which) const {
    std::uint64_t value = 0;
    check_cuda(cudaMemPoolGetAttribute(handle_.get(), which, &value), "cudaMemPoolGetAttribute");
    return value;
  }

  std::shared_ptr<std::remove_pointer_t<cudaMemPool_t>> handle_;
};
static_assert(StreamOrderedResource<CudaPool>);

}  // namespace reprise::inline v0
