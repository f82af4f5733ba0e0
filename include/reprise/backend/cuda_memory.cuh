// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where device memory comes from, whatever the resource behind it.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <reprise/backend/allocation_retry.hpp>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_pool.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/backend/stream_ordered.hpp>
#include <reprise/backend/stream_ordered_resource.cuh>
#include <string>
#include <utility>

namespace reprise::inline v0 {

/// A handle to a StreamOrderedResource that does not give up at once: an allocation that fails has
/// others make room, then waits for its stream and trims the resource, and raises only if that did
/// not help either. Copies share the resource.
class CudaMemory {
 public:
  /// Asks whoever holds memory to give up so many bytes, in stream order; returns whether any were.
  using make_room_type = std::function<bool(std::size_t bytes)>;

  /// The default pool of the current device. @throws CudaError
  CudaMemory() : CudaMemory(std::make_shared<CudaPool>(CudaPool::of_device())) {}

  /// @param resource is kept as long as there is memory of it
  /// @param make_room is called when the resource has no memory
  template <StreamOrderedResource R>
  explicit CudaMemory(std::shared_ptr<R> resource, make_room_type make_room = {})
      : resource_(std::make_shared<Model<R>>(std::move(resource))),
        make_room_(std::move(make_room)) {}

  /// @param resource must outlive the handle, its copies, and all memory of it
  template <StreamOrderedResource R>
  explicit CudaMemory(R& resource, make_room_type make_room = {})
      : CudaMemory(std::shared_ptr<R>(std::shared_ptr<void>(), &resource), std::move(make_room)) {}

  /// Memory that what is enqueued in the stream from now on may use; null for no bytes.
  /// @throws CudaError with cudaErrorMemoryAllocation if there is none in spite of all, and any
  /// other
  ///         exception of the resource
  [[nodiscard]] void* allocate(std::size_t bytes, const CudaStream& stream) const {
    if (bytes == 0) return nullptr;
    void* const memory =
        allocate_with_retries([&] { return try_allocate(bytes, stream); },
                              [&] { return make_room_ && make_room_(bytes); },
                              [&] {
                                stream.synchronize();  // what was freed in it becomes free
                                resource_->trim();
                              });
    if (memory == nullptr) {
      throw CudaError(cudaErrorMemoryAllocation,
                      "allocation of " + std::to_string(bytes) + " bytes");
    }
    return memory;
  }

  /// Gives it back when the stream gets there. Errors are not reported: it is what destructors
  /// call.
  void deallocate(void* memory, std::size_t bytes, const CudaStream& stream) const noexcept {
    if (memory == nullptr) return;
    try {
      resource_->deallocate(memory, bytes, stream.get());
    } catch (...) {  // a dead context has nothing to give back to
    }
  }

 private:
  struct Resource {
    Resource() = default;
    Resource(const Resource&) = delete;
    Resource& operator=(const Resource&) = delete;
    virtual ~Resource() = default;
    virtual void* allocate(std::size_t bytes, cudaStream_t stream) = 0;
    virtual void deallocate(void* memory, std::size_t bytes, cudaStream_t stream) = 0;
    virtual void trim() = 0;
  };

  template <class R>
  struct Model final : Resource {
    explicit Model(std::shared_ptr<R> resource) : resource_(std::move(resource)) {}
    void* allocate(std::size_t bytes, cudaStream_t stream) override {
      return stream_ordered::allocate(*resource_, bytes, CudaPool::alignment_bytes, stream);
    }
    void deallocate(void* memory, std::size_t bytes, cudaStream_t stream) override {
      stream_ordered::deallocate(*resource_, memory, bytes, CudaPool::alignment_bytes, stream);
    }
    void trim() override {
      if constexpr (requires(R & resource) { resource.trim(); }) resource_->trim();
    }

    std::shared_ptr<R> resource_;
  };

  [[nodiscard]] void* try_allocate(std::size_t bytes, const CudaStream& stream) const {
    try {
      return resource_->allocate(bytes, stream.get());
    } catch (const std::bad_alloc&) {
      return nullptr;
    } catch (const CudaError& error) {
      if (error.code() != cudaErrorMemoryAllocation) throw;
      return nullptr;
    }
  }

  std::shared_ptr<Resource> resource_;
  make_room_type make_room_;
};

}  // namespace reprise::inline v0
