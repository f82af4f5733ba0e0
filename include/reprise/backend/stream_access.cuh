// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Elements that a stream may use, for as long as the host enqueues work on them.

#include <cuda_runtime_api.h>

#include <functional>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_event.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <utility>

namespace reprise::inline v0 {

/// Elements of a tensor that one stream may use: whatever is enqueued in it while the object lives
/// comes after what the elements had to wait for, and before what has to wait for it. Enqueue
/// before the object goes.
template <class T>
class StreamAccess {
 public:
  /// Is told when the access ends: with the event behind it, which it may keep. Must not throw.
  using end_type = std::function<void(CudaEvent)>;

  /// Elements at home in the stream that uses them: nothing is to be fenced.
  explicit StreamAccess(T* data) noexcept : data_(data) {}

  /// @param end gets an event of `stream` when the object goes @throws CudaError
  StreamAccess(T* data, const CudaStream& stream, end_type end)
      : data_(data), stream_(stream.get()), event_(CudaEvent::make()), end_(std::move(end)) {}

  StreamAccess(StreamAccess&& other) noexcept
      : data_(other.data_),
        stream_(other.stream_),
        event_(std::move(other.event_)),
        end_(std::exchange(other.end_, nullptr)) {}
  StreamAccess(const StreamAccess&) = delete;
  StreamAccess& operator=(const StreamAccess&) = delete;
  StreamAccess& operator=(StreamAccess&&) = delete;
  ~StreamAccess() {
    if (!end_) return;
    ignore_cuda(cudaEventRecord(event_.get(), stream_));
    end_(std::move(event_));
  }

  /// The first element, on the device: for what is enqueued, not for the host.
  [[nodiscard]] T* data() const noexcept { return data_; }

 private:
  T* data_;
  cudaStream_t stream_ = nullptr;
  CudaEvent event_;
  end_type end_;
};

}  // namespace reprise::inline v0
