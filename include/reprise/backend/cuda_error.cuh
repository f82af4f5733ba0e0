// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A call to CUDA that failed, as an exception.

#include <cuda_runtime_api.h>

#include <reprise/core/error.hpp>
#include <string>

namespace reprise::inline v0 {

/// A CUDA call that failed. As kernels and copies run later than they are called, the call that is
/// named is the one that found the error, not always the one that made it.
class CudaError : public Error {
 public:
  /// @param code what the call returned
  /// @param call the name of the call
  CudaError(cudaError_t code, const std::string& call)
      : Error(call + ": " + cudaGetErrorName(code) + " (" + std::to_string(static_cast<int>(code)) +
              "), " + cudaGetErrorString(code)),
        code_(code),
        call_(call) {}

  /// What the call returned.
  [[nodiscard]] cudaError_t code() const noexcept { return code_; }
  /// The name of the call.
  [[nodiscard]] const std::string& call() const noexcept { return call_; }
  /// Whether each later call fails too: the context is dead, and what it holds is lost. What
  /// Reprise has on the host stays readable.
  [[nodiscard]] bool is_sticky() const noexcept {
    switch (code_) {
      case cudaErrorECCUncorrectable:
      case cudaErrorNvlinkUncorrectable:
      case cudaErrorContained:
      case cudaErrorIllegalAddress:
      case cudaErrorLaunchTimeout:
      case cudaErrorAssert:
      case cudaErrorHardwareStackError:
      case cudaErrorIllegalInstruction:
      case cudaErrorMisalignedAddress:
      case cudaErrorInvalidAddressSpace:
      case cudaErrorInvalidPc:
      case cudaErrorLaunchFailure:
      case cudaErrorTensorMemoryLeak:
      case cudaErrorMpsClientTerminated:
        return true;
      default:
        return false;
    }
  }

 private:
  cudaError_t code_;
  std::string call_;
};

/// Passes if the call succeeded. What it left as the thread's last error is taken away, so that
/// nobody else finds it.
/// @throws CudaError otherwise
inline void check_cuda(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  throw CudaError(code, call);
}

/// What became of a call does not matter, as in destructors: after a sticky error they all fail.
inline void ignore_cuda(cudaError_t code) noexcept {
  if (code != cudaSuccess) static_cast<void>(cudaGetLastError());
}

}  // namespace reprise::inline v0
