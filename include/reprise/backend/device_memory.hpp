// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where device memory comes from, whatever the resource behind it.

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <reprise/backend/allocation_retry.hpp>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_pool.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <reprise/backend/stream_ordered.hpp>
#include <string>
#include <utility>

namespace reprise::inline v0 {

/// A handle to a resource in the runtime's stream order (`stream_ordered::Resource`) that does not
/// give up at once: an allocation that fails has others make room, then waits for its stream and
/// trims the resource, and raises only if that did not help either. Copies share the resource.
/// @tparam R the device runtime
template <DeviceRuntime R>
class DeviceMemory {
 public:
  /// Asks whoever holds memory to give up so many bytes, in stream order; returns whether any were.
  using make_room_type = std::function<bool(std::size_t bytes)>;

  /// The default pool of the current device. @throws DeviceError
  DeviceMemory() : DeviceMemory(std::make_shared<DevicePool<R>>(DevicePool<R>::of_device())) {}

  /// @param resource is kept as long as there is memory of it
  /// @param make_room is called when the resource has no memory
  template <stream_ordered::Resource<typename R::stream_type> Resource>
  explicit DeviceMemory(std::shared_ptr<Resource> resource, make_room_type make_room = {})
      : source_(std::make_shared<Model<Resource>>(std::move(resource))),
        make_room_(std::move(make_room)) {}

  /// @param resource must outlive the handle, its copies, and all memory of it
  template <stream_ordered::Resource<typename R::stream_type> Resource>
  explicit DeviceMemory(Resource& resource, make_room_type make_room = {})
      : DeviceMemory(std::shared_ptr<Resource>(std::shared_ptr<void>(), &resource),
                     std::move(make_room)) {}

  /// Memory that what is enqueued in the stream from now on may use; null for no bytes.
  /// @throws DeviceError with the runtime's `out_of_memory` if there is none in spite of all, and
  ///         any other exception of the resource
  [[nodiscard]] void* allocate(std::size_t bytes, const DeviceStream<R>& stream) const {
    if (bytes == 0) return nullptr;
    void* const memory =
        allocate_with_retries([&] { return try_allocate(bytes, stream); },
                              [&] { return make_room_ && make_room_(bytes); },
                              [&] {
                                stream.synchronize();  // what was freed in it becomes free
                                source_->trim();
                              });
    if (memory == nullptr) {
      throw DeviceError<R>(R::out_of_memory, "allocation of " + std::to_string(bytes) + " bytes");
    }
    return memory;
  }

  /// Gives it back when the stream gets there. Errors are not reported: it is what destructors
  /// call.
  void deallocate(void* memory, std::size_t bytes, const DeviceStream<R>& stream) const noexcept {
    if (memory == nullptr) return;
    ignore_failure([&] { source_->deallocate(memory, bytes, stream.get()); });
  }

 private:
  using stream_type = typename R::stream_type;

  struct Source {
    Source() = default;
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    virtual ~Source() = default;
    virtual void* allocate(std::size_t bytes, stream_type stream) = 0;
    virtual void deallocate(void* memory, std::size_t bytes, stream_type stream) = 0;
    virtual void trim() = 0;
  };

  template <class Resource>
  class Model final : public Source {
   public:
    explicit Model(std::shared_ptr<Resource> resource) : resource_(std::move(resource)) {}
    void* allocate(std::size_t bytes, stream_type stream) override {
      return stream_ordered::allocate(*resource_, bytes, R::alignment_bytes, stream);
    }
    void deallocate(void* memory, std::size_t bytes, stream_type stream) override {
      stream_ordered::deallocate(*resource_, memory, bytes, R::alignment_bytes, stream);
    }
    void trim() override {
      if constexpr (requires(Resource & resource) { resource.trim(); }) resource_->trim();
    }

   private:
    std::shared_ptr<Resource> resource_;
  };

  [[nodiscard]] void* try_allocate(std::size_t bytes, const DeviceStream<R>& stream) const {
    try {
      return source_->allocate(bytes, stream.get());
    } catch (const std::bad_alloc&) {
      return nullptr;
    } catch (const DeviceError<R>& error) {
      if (error.code() != R::out_of_memory) throw;
      return nullptr;
    }
  }

  std::shared_ptr<Source> source_;
  make_room_type make_room_;
};

}  // namespace reprise::inline v0
