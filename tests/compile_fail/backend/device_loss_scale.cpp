// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: BackendSmoothing

// A backend that folds by factors of the host's only cannot read a loss scale where it lies.

#include <reprise/backend/host.hpp>

struct FoldsByFactor : reprise::HostBackend<reprise::Serial> {
#ifndef REPRISE_POSITIVE
  template <class Smoothing>
  void update_average(const Smoothing& smoothing, double factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) const {
    HostBackend::update_average(smoothing, factor, sums, moments, statistics);
  }
#endif
};

template <reprise::Backend B>
void use(B) {}

void call() { use(FoldsByFactor{}); }
