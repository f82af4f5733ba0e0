// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/eviction/eviction_policy_by_name.hpp>
#include <string>
#include <string_view>
#include <variant>

namespace {

template <class P>
bool is_called(std::string_view name) {
  return std::holds_alternative<P>(reprise::eviction_policy_by_name(name));
}

}  // namespace

TEST_CASE("each eviction policy has a name that stays") {
  CHECK(is_called<reprise::Dtr>("dtr"));
  CHECK(is_called<reprise::DtrEqClass>("dtr-eq"));
  CHECK(is_called<reprise::DtrLocal>("dtr-local"));
  CHECK(is_called<reprise::Msps>("msps"));
  CHECK(is_called<reprise::Lru>("lru"));
  CHECK(is_called<reprise::Largest>("largest"));
  CHECK(reprise::eviction_policy_names().size() == 6);
  for (const reprise::EvictionPolicyName& policy : reprise::eviction_policy_names()) {
    CAPTURE(policy.name);
    CHECK(reprise::is_eviction_policy_name(policy.name));
    CHECK(policy.summary.ends_with('.'));
  }
}

TEST_CASE("a policy that does not exist is refused with the names of those that do") {
  CHECK_FALSE(reprise::is_eviction_policy_name("LRU"));
  CHECK_THROWS_WITH_AS(static_cast<void>(reprise::eviction_policy_by_name("LRU")),
                       "there is no eviction policy 'LRU' (did you mean 'lru'?); choose dtr, "
                       "dtr-eq, dtr-local, msps, lru or largest",
                       reprise::UnknownName);
}
