// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// How long a device's operations take.

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/backend/device_event.hpp>
#include <reprise/backend/device_runtime.hpp>
#include <reprise/backend/device_stream.hpp>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Measures what a stream does between two points, by events of the device. The host never waits
/// for it, but in `finish`. An OperationClock, for `MeasuredTime`.
///
/// A stream that is being captured measures nothing: a time between its marks is not a number, and
/// of earlier marks nothing is said until the capture has ended.
/// Not for use by several threads at a time.
/// @tparam R the device runtime, whose events measure time
template <RuntimeTimers R>
class DeviceClock {
 public:
  /// Of a stream.
  explicit DeviceClock(DeviceStream<R> stream) noexcept : stream_(std::move(stream)) {}

  /// The point that the stream has come to once it has done what it was given. @throws DeviceError
  [[nodiscard]] std::uint64_t mark() {
    if (stream_.is_capturing()) return captured;
    if (free_.empty()) {
      events_.push_back(DeviceEvent<R>::make_timing());
      free_.push_back(events_.size() - 1);
    }
    const std::size_t place = free_.back();
    events_[place].record(stream_);
    free_.pop_back();
    last_ = place;
    return place;
  }

  /// Seconds from one mark to the other; empty while the device has not come to both.
  /// @throws DeviceError
  [[nodiscard]] std::optional<double> seconds_between(std::uint64_t begin, std::uint64_t end) {
    if (begin == captured || end == captured) {
      release(begin);
      release(end);
      return std::numeric_limits<double>::quiet_NaN();
    }
    if (stream_.is_capturing()) return std::nullopt;  // to ask an event would end the capture
    const std::optional<double> seconds =
        R::seconds_between(events_[begin].get(), events_[end].get());
    if (seconds) {
      release(begin);
      release(end);
    }
    return seconds;
  }

  /// Lets the host wait until all marks have passed. @throws DeviceError
  void finish() const {
    if (last_ && !stream_.is_capturing()) events_[*last_].synchronize();
  }

 private:
  static constexpr std::uint64_t captured = std::numeric_limits<std::uint64_t>::max();

  void release(std::uint64_t mark) {
    if (mark != captured) free_.push_back(mark);
  }

  DeviceStream<R> stream_;
  std::vector<DeviceEvent<R>> events_;  ///< by mark
  std::vector<std::size_t> free_;       ///< of them, those that mark nothing now
  std::optional<std::size_t> last_;
};

}  // namespace reprise::inline v0
