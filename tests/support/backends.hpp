// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The backends that typed tests run on, and how many threads they take.

#include <doctest/doctest.h>

#include <cstddef>
#include <memory>
#include <reprise/backend/host.hpp>
#include <tuple>
#ifdef _OPENMP
#include <omp.h>
#endif
#if defined(REPRISE_HAS_TBB) && REPRISE_HAS_TBB
#include <tbb/global_control.h>

#include <reprise/backend/host_tbb.hpp>
#endif

namespace reprise_test {

/// Every host system that this build has.
using Backends = std::tuple<reprise::HostBackend<reprise::Serial>
#ifdef _OPENMP
                            ,
                            reprise::HostBackend<reprise::OpenMP>
#endif
#if defined(REPRISE_HAS_TBB) && REPRISE_HAS_TBB
                            ,
                            reprise::HostBackend<reprise::TBB>
#endif
                            >;

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

TYPE_TO_STRING(reprise::HostBackend<reprise::Serial>);
#ifdef _OPENMP
TYPE_TO_STRING(reprise::HostBackend<reprise::OpenMP>);
#endif
#if defined(REPRISE_HAS_TBB) && REPRISE_HAS_TBB
TYPE_TO_STRING(reprise::HostBackend<reprise::TBB>);
#endif
