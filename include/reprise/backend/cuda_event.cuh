// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A point in a stream that others can wait for.

#include <cuda_runtime_api.h>

#include <memory>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <type_traits>

namespace reprise::inline v0 {

/// A point in a stream; it measures no time. Default-constructed it is none at all, and nobody
/// waits for it.
class CudaEvent {
 public:
  CudaEvent() noexcept = default;

  /// An event of the current device. @throws CudaError
  [[nodiscard]] static CudaEvent make() {
    CudaEvent event;
    cudaEvent_t handle = nullptr;
    check_cuda(cudaEventCreateWithFlags(&handle, cudaEventDisableTiming),
               "cudaEventCreateWithFlags");
    event.handle_.reset(handle);
    return event;
  }

  /// Becomes the point that the stream has come to; in a stream that is being captured, for the
  /// streams of that capture. @throws CudaError
  void record(const CudaStream& stream) {
    check_cuda(cudaEventRecord(handle_.get(), stream.get()), "cudaEventRecord");
  }

  /// As `record`, for the host to wait for: captured, it becomes that point of each replay.
  /// @throws CudaError
  void record_for_host(const CudaStream& stream) {
    const unsigned flags = stream.is_capturing() ? cudaEventRecordExternal : cudaEventRecordDefault;
    check_cuda(cudaEventRecordWithFlags(handle_.get(), stream.get(), flags),
               "cudaEventRecordWithFlags");
  }

  /// Lets the stream, and not the host, wait for the point. @throws CudaError
  void hold_back(const CudaStream& stream) const {
    if (handle_) {
      check_cuda(cudaStreamWaitEvent(stream.get(), handle_.get(), cudaEventWaitDefault),
                 "cudaStreamWaitEvent");
    }
  }

  /// Lets the host wait for the point. @throws CudaError
  void synchronize() const {
    if (handle_) check_cuda(cudaEventSynchronize(handle_.get()), "cudaEventSynchronize");
  }

  /// The handle; null if it is no event.
  [[nodiscard]] cudaEvent_t get() const noexcept { return handle_.get(); }

 private:
  struct Destroy {
    void operator()(cudaEvent_t event) const noexcept { ignore_cuda(cudaEventDestroy(event)); }
  };
  std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, Destroy> handle_;
};

}  // namespace reprise::inline v0
