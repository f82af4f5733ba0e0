// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A stream, of the caller's or of its own.

#include <memory>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/core/error.hpp>
#include <string>
#include <type_traits>

namespace reprise::inline v0 {

/// A stream of the current device: the caller's, which must outlive the handle and all its copies,
/// or one of its own, which goes with its last copy. Nothing in Reprise takes the default stream
/// unless it is passed here.
/// @tparam R the device runtime
template <DeviceRuntime R>
class DeviceStream {
 public:
  /// The runtime's handle.
  using handle_type = typename R::stream_type;

  /// A new stream that does not wait for the default stream. @throws DeviceError
  DeviceStream()
      : handle_(R::make_stream(), [](handle_type owned) { R::destroy_stream(owned); }),
        device_(R::device_of(get())) {}

  /// The caller's stream; null is the default stream.
  /// @throws InvalidArgument for a stream of another device than the current one
  /// @throws DeviceError for what is no stream
  explicit DeviceStream(handle_type stream)
      : handle_(stream, [](handle_type) {}), device_(R::device_of(stream)) {
    const int current = R::current_device();
    if (device_ != current) {
      throw InvalidArgument("a stream of device " + std::to_string(device_) +
                            ", while the current device is " + std::to_string(current));
    }
  }

  /// The handle, for calls of the runtime itself; it is good while a copy of this one lives.
  [[nodiscard]] handle_type get() const noexcept { return handle_.get(); }
  /// The device that it belongs to.
  [[nodiscard]] int device() const noexcept { return device_; }

  /// Whether what is enqueued now goes into a graph. @throws DeviceError
  [[nodiscard]] bool is_capturing() const { return R::is_capturing(get()); }

  /// Lets the host wait for all that was enqueued. @throws DeviceError
  void synchronize() const { R::synchronize(get()); }

  /// The same stream, whoever owns it.
  friend bool operator==(const DeviceStream& a, const DeviceStream& b) noexcept {
    return a.get() == b.get();
  }

 private:
  std::shared_ptr<std::remove_pointer_t<handle_type>> handle_;
  int device_;
};

}  // namespace reprise::inline v0
