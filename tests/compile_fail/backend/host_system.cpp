// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// expect: S::policy

// A system must give an execution policy.

#include <reprise/backend/host.hpp>
#include <string_view>

struct WithoutPolicy {
  static constexpr std::string_view name = "no policy";
};

#ifdef REPRISE_POSITIVE
reprise::HostBackend<reprise::Serial> backend;
#else
reprise::HostBackend<WithoutPolicy> backend;
#endif
