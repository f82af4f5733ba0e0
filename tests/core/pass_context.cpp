// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <reprise/core/pass_context.hpp>
#include <set>

TEST_CASE("each seed, step, micro-batch, node and purpose has a random stream of its own") {
  constexpr std::uint64_t each = 6;
  std::set<double> seen;
  for (std::uint64_t seed = 0; seed < each; ++seed) {
    for (std::uint64_t step = 0; step < each; ++step) {
      for (std::uint64_t micro_batch = 0; micro_batch < each; ++micro_batch) {
        reprise::PassContext pass({.seed = seed, .step = step, .micro_batch = micro_batch},
                                  reprise::PassMode::training);
        for (std::uint32_t node = 0; node < each; ++node) {
          pass.enter({.node = node});
          for (std::uint64_t purpose = 0; purpose < each; ++purpose) {
            seen.insert(pass.random(purpose).uniform(0));
          }
        }
      }
    }
  }
  CHECK(seen.size() > each * each * each * each * each - 10);  // two numbers may be equal by chance
}

TEST_CASE("a recompute draws what its original drew") {
  reprise::PassContext pass({.seed = 1, .step = 2, .micro_batch = 3}, reprise::PassMode::training);
  pass.enter({.node = 4});
  const double original = pass.random().uniform(5);
  pass.enter({.node = 4, .is_recompute = true});
  CHECK(pass.random().uniform(5) == original);
  pass.enter({.node = 4, .will_recompute = true, .may_skip_output = true});
  CHECK(pass.random().uniform(5) == original);
}
