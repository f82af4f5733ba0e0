// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The engine with one slab: by every planner and at every budget it computes the bits of keeping
// everything, in no more than the slab, and it refuses in one line what cannot be done.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/program/bounds.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <vector>

#include "plan_only/net.hpp"
#include "plan_only/planning.hpp"
#include "plan_only/slab.hpp"
#include "support/program_run.hpp"

namespace {

using plan_only::Engine;
using plan_only::Net;
using reprise::byte_count;
using reprise_test::Folder;

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// All losses, and all gradients one step after the other.
template <class Step>
std::vector<float> train(const Net& net, Step step) {
  Engine engine = net.make_engine();
  std::vector<float> all;
  for (std::uint64_t i = 0; i < 3; ++i) {
    draw_batch(engine, i);
    step(engine);
    all.push_back(engine.loss);
    all.insert(all.end(), engine.gradients.begin(), engine.gradients.end());
    descend(engine);
  }
  return all;
}

byte_count store_all_slab(const Net& net) {
  return plan_only::plan_slab("store-all", net.program(), reprise::unlimited_bytes)
      .layout.high_water;
}

void check_refused(const Folder& folder, const std::string& arguments, const std::string& says) {
  reprise_test::check_refused(folder, PLAN_ONLY_PROGRAM, arguments, says);
}

}  // namespace

TEST_CASE("a plan in a slab gives the bits of keeping everything") {
  for (const std::uint32_t blocks : {1U, 6U, 20U}) {
    CAPTURE(blocks);
    const Net net(blocks);
    const std::vector<float> plain =
        train(net, [&](Engine& engine) { plan_only::run_plainly(net, engine); });
    CHECK(std::ranges::all_of(plain, [](float x) { return std::isfinite(x); }));
    const byte_count all = store_all_slab(net);
    const byte_count least = reprise::lower_bound_bytes(net.program());
    int planned = 0;
    for (const char* const planner : {"min-cut", "search", "balanced", "store-all"}) {
      CAPTURE(planner);
      for (const byte_count budget : {all, (3 * all + least) / 4, (all + least) / 2}) {
        CAPTURE(budget);
        if (budget < all && std::string(planner) == "store-all") continue;
        const reprise::SlabPlan laid = plan_only::plan_slab(planner, net.program(), budget);
        CHECK(laid.layout.high_water <= budget);
        CHECK(static_cast<double>(laid.layout.high_water) <=
              1.02 * static_cast<double>(laid.layout.live_bytes));
        CHECK(laid.layout.live_bytes == simulate(net.program(), laid.plan.schedule).peak_bytes);
        if (budget < all) CHECK(laid.plan.recomputed_cost > 0);
        plan_only::Slab slab(net, laid);
        CHECK(same_bits(train(net, [&](Engine& engine) { slab.run_step(net, engine); }), plain));
        ++planned;
      }
    }
    CHECK(planned == 10);
  }
}

TEST_CASE("the program says in plain words what it does") {
  const Folder folder;
  for (const std::string policy : {"min-cut", "search", "balanced"}) {
    const reprise_test::Outcome outcome = reprise_test::run_program(
        folder, PLAN_ONLY_PROGRAM, "--budget 60% --blocks 30 --steps 2 --policy " + policy);
    CAPTURE(outcome.output);
    CHECK(outcome.status == 0);
    CHECK(outcome.output.starts_with("Keeps "));
    CHECK(outcome.output.find(" outputs of silu, 32.00 KiB each, in nodes ") != std::string::npos);
    CHECK(outcome.output.find("bit for bit those of keeping everything") != std::string::npos);
  }
}

TEST_CASE("the net learns in its slab") {
  const Net net(6);
  const reprise::SlabPlan laid =
      plan_only::plan_slab("min-cut", net.program(), store_all_slab(net) / 2);
  plan_only::Slab slab(net, laid);
  Engine engine = net.make_engine();
  float first = 0;
  for (std::uint64_t step = 0; step < 100; ++step) {
    draw_batch(engine, step);
    slab.run_step(net, engine);
    if (step == 0) first = engine.loss;
    descend(engine);
  }
  CHECK(engine.loss < first / 2);
}

TEST_CASE("the program refuses in one line what is wrong or cannot be done") {
  const Folder folder;
  check_refused(folder, "--budget 1KiB --policy min-cut",
                "a slab of 1024 bytes (1.00 KiB) holds none of this planner's plans");
  check_refused(folder, "--budget 1KiB --policy min-cut", "and any plan has at least ");
  check_refused(folder, "--budget 99% --policy store-all",
                "the smallest slab that was found to hold one has ");
  check_refused(folder, "--budget much", "'much' is not a size");
  check_refused(folder, "--budget 0", "no byte is too little");
  check_refused(folder, "--policy best", "there is no policy 'best'");
  check_refused(folder, "--steps 0", "--steps");
  check_refused(folder, "--blocks -1", "--blocks");
  check_refused(folder, "--depth 3", "--depth");
}
