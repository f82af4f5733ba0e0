// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// cuBLAS, so that it repeats its bits.

#include <cublas_v2.h>

#include <cstddef>
#include <memory>
#include <reprise/backend/cuda_buffer.cuh>
#include <reprise/backend/cuda_memory.cuh>
#include <reprise/backend/cuda_stream.cuh>
#include <reprise/core/error.hpp>
#include <string>
#include <type_traits>

#include "engine/bfloat16.hpp"
#include "engine/precision.hpp"
#include "engine/strided_products.hpp"

namespace gpt {

/// @throws reprise::Error if the call failed
inline void check_cublas(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw reprise::Error(std::string(call) + ": " + cublasGetStatusName(status) + " (" +
                       std::to_string(static_cast<int>(status)) + "), " +
                       cublasGetStatusString(status));
}

/// Matrix products in one stream. From run to run they have the same bits: the workspace is always
/// this one, no atomics are allowed, and one stream leaves the choice of the algorithm to the
/// shapes alone.
class Cublas {
 public:
  /// @throws reprise::Error
  Cublas(const reprise::CudaStream& stream, const reprise::CudaMemory& memory, Precision precision)
      : workspace_(workspace_bytes, memory, stream), compute_(compute_type(precision)) {
    cublasHandle_t handle = nullptr;
    check_cublas(cublasCreate(&handle), "cublasCreate");
    handle_.reset(handle);
    check_cublas(cublasSetStream(handle, stream.get()), "cublasSetStream");
    check_cublas(cublasSetWorkspace(handle, workspace_.data(), workspace_bytes),
                 "cublasSetWorkspace");
    check_cublas(cublasSetAtomicsMode(handle, CUBLAS_ATOMICS_NOT_ALLOWED), "cublasSetAtomicsMode");
    // A result of 16 bits is otherwise allowed to have its parts summed in 16 bits.
    check_cublas(cublasSetMathMode(handle, CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
                 "cublasSetMathMode");
  }

  /// Enqueues the products, of floats or Bfloat16; they sum in float. @throws reprise::Error
  template <class T, class Result>
  void operator()(const StridedProducts<T, Result>& p) const {
    const auto operation = [](bool is_transposed) {
      return is_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    };
    check_cublas(cublasGemmStridedBatchedEx(
                     handle_.get(), operation(p.a.is_transposed), operation(p.b.is_transposed), p.m,
                     p.n, p.k, &p.alpha, p.a.data, type_of<T>(), p.a.leading, p.a.step, p.b.data,
                     type_of<T>(), p.b.leading, p.b.step, &p.beta, p.c.data, type_of<Result>(),
                     p.c.leading, p.c.step, p.count, compute_, CUBLAS_GEMM_DEFAULT),
                 "cublasGemmStridedBatchedEx");
  }

 private:
  /// What cuBLAS takes by itself on the largest devices.
  static constexpr std::size_t workspace_bytes = std::size_t{32} << 20U;

  struct Destroy {
    void operator()(cublasHandle_t handle) const noexcept {
      static_cast<void>(cublasDestroy(handle));
    }
  };

  static cublasComputeType_t compute_type(Precision precision) {
    return precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  }

  template <class T>
  static constexpr cudaDataType_t type_of() {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, Bfloat16>);
    return std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;
  }

  reprise::CudaBuffer<std::byte> workspace_;
  cublasComputeType_t compute_;
  std::unique_ptr<std::remove_pointer_t<cublasHandle_t>, Destroy> handle_;
};

}  // namespace gpt
