// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A stream, of the caller's or of its own.

#include <cuda_runtime_api.h>

#include <memory>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/core/error.hpp>
#include <string>
#include <type_traits>

namespace reprise::inline v0 {

/// A stream of the current device: the caller's, which must outlive the handle and all its copies,
/// or one of its own, which goes with its last copy. Nothing in Reprise takes the default stream
/// unless it is passed here.
class CudaStream {
 public:
  /// A new stream that does not wait for the default stream. @throws CudaError
  CudaStream() {
    cudaStream_t stream = nullptr;
    check_cuda(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking),
               "cudaStreamCreateWithFlags");
    handle_ = {stream, [](cudaStream_t owned) { ignore_cuda(cudaStreamDestroy(owned)); }};
    device_ = device_of(stream);
  }

  /// The caller's stream; null is the default stream.
  /// @throws InvalidArgument for a stream of another device than the current one
  /// @throws CudaError for what is no stream
  explicit CudaStream(cudaStream_t stream)
      : handle_(stream, [](cudaStream_t) {}), device_(device_of(stream)) {
    int current = 0;
    check_cuda(cudaGetDevice(&current), "cudaGetDevice");
    if (device_ != current) {
      throw InvalidArgument("a stream of device " + std::to_string(device_) +
                            ", while the current device is " + std::to_string(current));
    }
  }

  /// The handle, for calls of CUDA itself; it is good while a copy of this one lives.
  [[nodiscard]] cudaStream_t get() const noexcept { return handle_.get(); }
  /// The device that it belongs to.
  [[nodiscard]] int device() const noexcept { return device_; }

  /// Whether what is enqueued now goes into a graph. @throws CudaError
  [[nodiscard]] bool is_capturing() const {
    cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
    check_cuda(cudaStreamIsCapturing(get(), &status), "cudaStreamIsCapturing");
    return status != cudaStreamCaptureStatusNone;
  }

  /// Lets the host wait for all that was enqueued. @throws CudaError
  void synchronize() const { check_cuda(cudaStreamSynchronize(get()), "cudaStreamSynchronize"); }

  /// The same stream, whoever owns it.
  friend bool operator==(const CudaStream& a, const CudaStream& b) noexcept {
    return a.get() == b.get();
  }

 private:
  static int device_of(cudaStream_t stream) {
    int device = 0;
    check_cuda(cudaStreamGetDevice(stream, &device), "cudaStreamGetDevice");
    return device;
  }

  std::shared_ptr<std::remove_pointer_t<cudaStream_t>> handle_;
  int device_;
};

}  // namespace reprise::inline v0
