// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <reprise/core/error.hpp>
#include <reprise/planner/fewest_forms.hpp>
#include <reprise/planner/uniform_forms.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <utility>
#include <vector>

using reprise::byte_count;
using reprise::FewestForms;
using reprise::OperationKind;
using reprise::Program;
using reprise::value_id;
using reprise::ValueKind;

namespace {

/// Forms of a quarter of the bytes.
struct Quarters {
  [[nodiscard]] reprise::FormOption option(std::size_t, byte_count bytes) const {
    return {.bytes = bytes / 4, .exactness = reprise::Exactness::unbiased};
  }
  [[nodiscard]] reprise::ChosenForm choice(std::size_t maker, const Program& program,
                                           value_id value, reprise::Bias bias) const {
    return {.choice = {.value = value,
                       .option = option(maker, program.values()[value].bytes),
                       .bias = bias},
            .maker = maker};
  }
};

// A chain of nodes whose backwards are linear in their inputs.
Program chain(std::uint32_t nodes) {
  std::vector<reprise::Value> values;
  std::vector<reprise::Operation> operations;
  for (std::uint32_t n = 0; n < nodes; ++n) {
    values.push_back({.node = n, .bytes = 100});
    operations.push_back({.node = n, .layer = n, .writes = {n}, .cost = 1, .repeatable = true});
    if (n > 0) operations.back().reads = {n - 1};
  }
  values.push_back({.kind = ValueKind::gradient, .node = nodes - 1, .bytes = 100});
  operations.push_back(
      {.kind = OperationKind::loss, .layer = nodes - 1, .reads = {nodes - 1}, .writes = {nodes}});
  for (std::uint32_t n = nodes - 1; n > 0; --n) {
    const auto gradient = static_cast<value_id>(values.size() - 1);
    values.push_back({.kind = ValueKind::gradient, .node = n - 1, .bytes = 100});
    operations.push_back({.kind = OperationKind::backward,
                          .node = n,
                          .layer = n,
                          .reads = {gradient, n - 1},
                          .writes = {gradient + 1},
                          .cost = 2});
    operations.back().tolerate_linearly(1);
  }
  return {std::move(values), std::move(operations), nodes, nodes, true};
}

byte_count peak_with(const Program& program, const std::vector<reprise::ChosenForm>& chosen) {
  const Program formed = reprise::with_forms(program, reprise::choices_of(chosen)).program;
  return simulate(formed, schedule_from_saved(formed, reprise::SavedSet(formed.values().size(), 1)))
      .peak_bytes;
}

}  // namespace

TEST_CASE("no more tensors are in another form than the budget asks for") {
  const Program program = chain(20);
  const std::vector<reprise::ChosenForm> all = reprise::UniformForms{}(program, Quarters{});
  const byte_count plain = peak_with(program, {});
  const byte_count least = peak_with(program, all);
  CHECK(FewestForms{}(program, Quarters{}).empty());
  CHECK(FewestForms{.budget = plain}(program, Quarters{}).empty());
  std::size_t before = 0;
  for (byte_count budget = plain - 1; budget >= least; budget -= 25) {
    CAPTURE(budget);
    std::vector<reprise::ChosenForm> chosen = FewestForms{.budget = budget}(program, Quarters{});
    CHECK(peak_with(program, chosen) <= budget);
    REQUIRE_FALSE(chosen.empty());
    CHECK(chosen.size() >= before);
    before = chosen.size();
    chosen.pop_back();
    CHECK(peak_with(program, chosen) > budget);
  }
  CHECK(before > 10);
}

TEST_CASE("where all forms together are not enough, all are taken") {
  const Program program = chain(20);
  const std::size_t all = reprise::UniformForms{}(program, Quarters{}).size();
  CHECK(all == 19);
  CHECK(FewestForms{.budget = 1}(program, Quarters{}).size() == all);
}

TEST_CASE("several passes share the budget") {
  const Program program = chain(20);
  const byte_count plain = peak_with(program, {});
  const FewestForms two{.budget = 2 * plain, .passes_in_flight = 2};
  CHECK(two(program, Quarters{}).empty());
  CHECK_FALSE((FewestForms{.budget = plain, .passes_in_flight = 2}(program, Quarters{}).empty()));
}
