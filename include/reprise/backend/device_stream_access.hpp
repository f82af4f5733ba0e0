// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Elements that a stream may use, for as long as the host enqueues work on them.

#include <functional>
#include <reprise/backend/device_error.hpp>
#include <reprise/backend/device_event.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <utility>

namespace reprise::inline v0 {

/// Elements of a tensor that one stream may use: whatever is enqueued in it while the object lives
/// comes after what the elements had to wait for, and before what has to wait for it. Enqueue
/// before the object goes.
/// @tparam R the device runtime
template <class T, DeviceRuntime R>
class DeviceStreamAccess {
 public:
  /// Is told when the access ends: with the event behind it, which it may keep. Must not throw.
  using end_type = std::function<void(DeviceEvent<R>)>;

  /// Elements at home in the stream that uses them: nothing is to be fenced.
  explicit DeviceStreamAccess(T* data) noexcept : data_(data) {}

  /// @param end gets an event of `stream` when the object goes @throws DeviceError
  DeviceStreamAccess(T* data, const DeviceStream<R>& stream, end_type end)
      : data_(data), stream_(stream.get()), event_(DeviceEvent<R>::make()), end_(std::move(end)) {}

  DeviceStreamAccess(DeviceStreamAccess&& other) noexcept
      : data_(other.data_),
        stream_(other.stream_),
        event_(std::move(other.event_)),
        end_(std::exchange(other.end_, nullptr)) {}
  DeviceStreamAccess(const DeviceStreamAccess&) = delete;
  DeviceStreamAccess& operator=(const DeviceStreamAccess&) = delete;
  DeviceStreamAccess& operator=(DeviceStreamAccess&&) = delete;
  ~DeviceStreamAccess() {
    if (!end_) return;
    ignore_failure([&] { R::record(event_.get(), stream_); });
    end_(std::move(event_));
  }

  /// The first element, on the device: for what is enqueued, not for the host.
  [[nodiscard]] T* data() const noexcept { return data_; }

 private:
  T* data_;
  typename R::stream_type stream_ = nullptr;
  DeviceEvent<R> event_;
  end_type end_;
};

}  // namespace reprise::inline v0
