// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What the README shows of operations under a policy of one's own.

#include <doctest/doctest.h>

#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/score.hpp>
#include <reprise/store/operation_store.hpp>
#include <utility>
#include <vector>

namespace {

using Tensor = std::vector<float>;

/// The README's policy.
struct CheapestFirst {
  reprise::FixedScore score(const reprise::Candidate& value) const {
    return {.numerator = value.cost(), .denominator = value.bytes()};
  }
};

}  // namespace

TEST_CASE("the README's policy evicts what is cheapest to recompute for its bytes") {
  reprise::OperationStore<Tensor, CheapestFirst> store(reprise::byte_count{12});
  const auto make = [&](std::uint64_t cost) {
    return std::move(store.run({.cost = cost,
                                .outputs = {{.bytes = sizeof(float)}},
                                .run = [cost](auto, auto outputs, auto&) {
                                  outputs[0].assign(1, static_cast<float>(cost));
                                }})[0]);
  };
  const auto dear = make(9);
  const auto cheap = make(2);
  const auto middle = make(5);
  const auto next = make(7);
  CHECK(store.is_present(dear));
  CHECK_FALSE(store.is_present(cheap));
  CHECK(store.is_present(middle));
  CHECK((*store.pin(cheap))[0] == 2);
  CHECK_FALSE(store.is_present(middle));
  CHECK(store.is_present(next));
}
