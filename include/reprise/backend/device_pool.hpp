// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A device runtime's own stream-ordered memory.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/core/error.hpp>
#include <string>
#include <type_traits>

namespace reprise::inline v0 {

/// A pool of the runtime's. Models StreamOrderedResource.
///
/// One of its own keeps what was freed for the next allocation, until `trim`; what of it outlives
/// the pool stays valid until it is freed. The device's default pool, which everyone shares, is
/// left with the settings that it has.
/// @tparam R the device runtime
template <DeviceRuntime R>
class DevicePool {
 public:
  /// The runtime's handle.
  using handle_type = typename R::pool_type;
  /// The handle of the runtime's streams.
  using stream_type = typename R::stream_type;

  /// What memory from here is aligned to, in bytes.
  static constexpr std::size_t alignment_bytes = R::alignment_bytes;

  /// A new pool on the current device. @throws DeviceError
  DevicePool() : handle_(R::make_pool(), [](handle_type owned) { R::destroy_pool(owned); }) {}

  /// The caller's pool, which must outlive this one.
  explicit DevicePool(handle_type pool) : handle_(pool, [](handle_type) {}) {}

  /// The default pool of the current device. @throws DeviceError
  [[nodiscard]] static DevicePool of_device() { return DevicePool(R::default_pool()); }

  /// @throws DeviceError, with the runtime's `out_of_memory` where there is no memory
  /// @throws InvalidArgument for an alignment that the pool does not give
  [[nodiscard]] void* allocate_async(std::size_t bytes, std::size_t alignment, stream_type stream) {
    if (alignment > alignment_bytes) {
      throw InvalidArgument(std::string(R::name) + "Pool: an alignment of " +
                            std::to_string(alignment) + " bytes, it has " +
                            std::to_string(alignment_bytes));
    }
    return R::allocate(handle_.get(), bytes, stream);
  }

  /// @throws DeviceError
  void deallocate_async(void* memory, std::size_t /*bytes*/, std::size_t /*alignment*/,
                        stream_type stream) {
    R::deallocate(memory, stream);
  }

  /// Gives what no stream uses any more back to the device. @throws DeviceError
  void trim() { R::trim(handle_.get()); }

  /// Bytes that the pool has from the device. @throws DeviceError
  [[nodiscard]] std::uint64_t reserved_bytes() const { return R::reserved_bytes(handle_.get()); }
  /// Bytes of it that are allocated. @throws DeviceError
  [[nodiscard]] std::uint64_t used_bytes() const { return R::used_bytes(handle_.get()); }
  /// The most of it that was allocated since `reset_peak`, as the driver counts.
  /// @throws DeviceError
  [[nodiscard]] std::uint64_t peak_used_bytes() const { return R::peak_used_bytes(handle_.get()); }
  /// Lets `peak_used_bytes` begin with what is allocated now. @throws DeviceError
  void reset_peak() { R::reset_peak_used(handle_.get()); }

 private:
  std::shared_ptr<std::remove_pointer_t<handle_type>> handle_;
};

}  // namespace reprise::inline v0
