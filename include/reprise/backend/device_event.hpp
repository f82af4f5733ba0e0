// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A point in a stream that others can wait for.

#include <memory>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <type_traits>

namespace reprise::inline v0 {

/// A point in a stream. Default-constructed it is none at all, and nobody
/// waits for it.
/// @tparam R the device runtime
template <DeviceRuntime R>
class DeviceEvent {
 public:
  /// The runtime's handle.
  using handle_type = typename R::event_type;

  DeviceEvent() noexcept = default;

  /// An event of the current device. @throws DeviceError
  [[nodiscard]] static DeviceEvent make() {
    DeviceEvent event;
    event.handle_.reset(R::make_event());
    return event;
  }

  /// One that measures time, for DeviceClock. @throws DeviceError
  [[nodiscard]] static DeviceEvent make_timing() requires RuntimeTimers<R> {
    DeviceEvent event;
    event.handle_.reset(R::make_timing_event());
    return event;
  }

  /// Becomes the point that the stream has come to; in a stream that is being captured, for the
  /// streams of that capture. @throws DeviceError
  void record(const DeviceStream<R>& stream) { R::record(get(), stream.get()); }

  /// As `record`, for the host to wait for: captured, it becomes that point of each replay.
  /// @throws DeviceError
  void record_for_host(const DeviceStream<R>& stream) { R::record_for_host(get(), stream.get()); }

  /// Lets the stream, and not the host, wait for the point. @throws DeviceError
  void hold_back(const DeviceStream<R>& stream) const {
    if (handle_) R::wait(stream.get(), get());
  }

  /// Lets the host wait for the point. @throws DeviceError
  void synchronize() const {
    if (handle_) R::synchronize(get());
  }

  /// The handle; null if it is no event.
  [[nodiscard]] handle_type get() const noexcept { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(handle_type event) const noexcept { R::destroy_event(event); }
  };
  std::unique_ptr<std::remove_pointer_t<handle_type>, Destroy> handle_;
};

}  // namespace reprise::inline v0
