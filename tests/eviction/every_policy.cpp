// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What every eviction policy promises, policy by policy; a new one is a header and a line here.

#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/dtr_local.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/msps.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/eviction/score.hpp>
#include <string>

#include "support/eviction_conformance.hpp"
#include "support/seed.hpp"

namespace {

using reprise::Candidate;
using reprise::FixedScore;
using reprise::Neighbourhood;

/// Outside of the library: the README's.
struct CheapestFirst {
  FixedScore score(const Candidate& value) const {
    return {.numerator = value.cost(), .denominator = value.bytes()};
  }
};
/// Outside of the library: an opaque score with a parameter.
struct Discounted {
  double score(const Candidate& value) const {
    return static_cast<double>(value.cost()) /
           (rate + static_cast<double>(value.clock() - value.last_access()));
  }
  double rate = 1;
};

struct Remembers {
  FixedScore score(const Candidate&) const { return {.numerator = ++asked}; }
  mutable std::uint64_t asked = 0;
};
struct AsksForTheClock {
  FixedScore score(const Candidate& value) const { return {.numerator = value.clock()}; }
};
struct NotANumber {
  double score(const Candidate& value) const {
    return static_cast<double>(value.bytes()) / static_cast<double>(value.bytes());
  }
};
struct FromTheFuture {
  reprise::AgeingScore score(const Candidate& value) const {
    return {.numerator = 1, .weight = 1, .since = value.last_access() + 5};
  }
};

struct WithoutScore {};
struct ScoresInWholeNumbers {
  int score(const Candidate&) const { return 0; }
};
struct NamesOtherThings : CheapestFirst {
  static constexpr int neighbourhood = 1;
};
struct ChangesItsMind : CheapestFirst {
  static inline Neighbourhood neighbourhood = Neighbourhood::none;
};

static_assert(!reprise::EvictionPolicy<WithoutScore>);
static_assert(!reprise::EvictionPolicy<ScoresInWholeNumbers>);
static_assert(!reprise::EvictionPolicy<NamesOtherThings>);
static_assert(!reprise::EvictionPolicy<ChangesItsMind>);
static_assert(reprise::neighbourhood_of<CheapestFirst>() == Neighbourhood::exact);

template <class P>
std::string fault_of(const P& policy) {
  REPRISE_SEEDED(random);
  return reprise_test::fault_of_eviction_policy(policy, random);
}

}  // namespace

TEST_CASE("Dtr") { reprise_test::check_eviction_policy(reprise::Dtr{}); }
TEST_CASE("DtrEqClass") { reprise_test::check_eviction_policy(reprise::DtrEqClass{}); }
TEST_CASE("DtrLocal") { reprise_test::check_eviction_policy(reprise::DtrLocal{}); }
TEST_CASE("Msps") { reprise_test::check_eviction_policy(reprise::Msps{}); }
TEST_CASE("Lru") { reprise_test::check_eviction_policy(reprise::Lru{}); }
TEST_CASE("Largest") { reprise_test::check_eviction_policy(reprise::Largest{}); }
TEST_CASE("a policy of one's own") { reprise_test::check_eviction_policy(CheapestFirst{}); }
TEST_CASE("an opaque policy") { reprise_test::check_eviction_policy(Discounted{.rate = 2}); }

TEST_CASE("a policy that offends against the concept's semantics is found out") {
  CHECK(fault_of(Remembers{}) == "asked twice, it scores otherwise");
  CHECK(fault_of(AsksForTheClock{}) == "a score changed although nothing that it may look at did");
  CHECK(fault_of(NotANumber{}) == "a score is not a number");
  CHECK(fault_of(FromTheFuture{}) == "a score ages from the future");
}
