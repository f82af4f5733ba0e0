// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The backends that typed tests run on, and what the tests need to know of them.

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/host.hpp>
#include <reprise/backend/sum_of_squares.hpp>
#include <tuple>
#include <vector>

#include "support/played_runtime.hpp"
#ifdef __CUDACC__
#include <reprise/backend/cuda.cuh>
#endif
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(REPRISE_HAS_TBB) && REPRISE_HAS_TBB
#include <tbb/global_control.h>

#include <reprise/backend/host_tbb.hpp>
#endif

namespace reprise_test {

#ifdef __CUDACC__
/// What nvcc compiles runs on the device; the host's backends have the same test of their own.
using Backends = std::tuple<reprise::CudaBackend>;
#else
/// Every host system that this build has, and the device's kernels played on the host.
using Backends = std::tuple<PlayedDevice<>, reprise::HostBackend<reprise::Serial>
#ifdef _OPENMP
                            ,
                            reprise::HostBackend<reprise::OpenMP>
#endif
#if defined(REPRISE_HAS_TBB) && REPRISE_HAS_TBB
                            ,
                            reprise::HostBackend<reprise::TBB>
#endif
                            >;
#endif

/// What a thread that adds in float may be off by, relatively: half an ulp for each square that one
/// of its four sums takes, and the roundings at the end.
template <class Tuning>
constexpr double float_sum_error = (2.0 * Tuning::chunk_bytes / (16.0 * Tuning::chunk_threads) +
                                    2) *
                                   0x1p-24;

/// What tests need to know of a backend's machine.
///
/// - `reference`: a backend that gives the same bits;
/// - `allocator<T>`: of memory that both the test and the backend reach;
/// - `sum_error`: the relative error that a sum of squares may have;
/// - `squares_in_float`: whether squares that no float holds are lost;
/// - `wait()`: until the backend no longer reads that memory.
template <class B>
struct Machine {
  using reference = reprise::HostBackend<reprise::Serial>;
  template <class T>
  using allocator = std::allocator<T>;
  static constexpr double sum_error = reprise::sum_of_squares_error + 1e-13;
  static constexpr bool squares_in_float = false;
  static void wait() {}
};

template <class Tuning>
struct Machine<PlayedDevice<Tuning>> : Machine<void> {
  using reference = PlayedDevice<Tuning>;
  static constexpr double sum_error = float_sum_error<Tuning>;
  static constexpr bool squares_in_float = true;
  static void wait() { PlayedRuntime::synchronize_all(); }
};

/// A vector in memory that backend B reaches.
template <class B, class T>
using vector_for = std::vector<T, typename Machine<B>::template allocator<T>>;

/// Runs f with the given number of threads, on every system that has threads.
template <class F>
void with_threads(int threads, F f) {
#ifdef _OPENMP
  const int before = omp_get_max_threads();
  omp_set_num_threads(threads);
#endif
#if defined(REPRISE_HAS_TBB) && REPRISE_HAS_TBB
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism,
                                    static_cast<std::size_t>(threads));
#endif
  f();
#ifdef _OPENMP
  omp_set_num_threads(before);
#endif
}

}  // namespace reprise_test

TYPE_TO_STRING(reprise_test::PlayedDevice<>);
TYPE_TO_STRING(reprise::HostBackend<reprise::Serial>);
#ifdef _OPENMP
TYPE_TO_STRING(reprise::HostBackend<reprise::OpenMP>);
#endif
#if defined(REPRISE_HAS_TBB) && REPRISE_HAS_TBB
TYPE_TO_STRING(reprise::HostBackend<reprise::TBB>);
#endif

#ifdef __CUDACC__
#include "support/cuda_machine.cuh"
#endif
