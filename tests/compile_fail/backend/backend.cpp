// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: BackendReadback

// A backend that lacks the way back to the host is refused by the name of what it lacks.

#include <reprise/backend/host.hpp>

struct NoReadback : private reprise::HostBackend<reprise::Serial> {
  using Base = HostBackend;
  using Base::buffer_type;
  using Base::check;
  using Base::copy_from_host;
  using Base::copy_to_host;
  using Base::gradient_plan;
  using Base::make_buffer;
  using Base::make_plan;
  using Base::sum_of_squares;
  using Base::update_average;
};

template <reprise::Backend B>
void use(B) {}

void call() {
#ifdef REPRISE_POSITIVE
  use(reprise::HostBackend<reprise::Serial>{});
#else
  use(NoReadback{});
#endif
}
