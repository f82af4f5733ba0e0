// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/planner/uniform_forms.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/program.hpp>
#include <string>
#include <vector>

using reprise::Bias;
using reprise::Exactness;
using reprise::OperationKind;
using reprise::Program;
using reprise::UniformForms;
using reprise::value_id;
using reprise::ValueKind;

namespace {

/// Forms of half of the bytes, which say what they are.
struct Halves {
  Exactness exactness = Exactness::unbiased;

  [[nodiscard]] reprise::FormOption option(std::size_t maker, reprise::byte_count bytes) const {
    if (maker > 0) throw reprise::InvalidArgument("form maker " + std::to_string(maker) + " of 1");
    return {.bytes = bytes / 2, .exactness = exactness};
  }
  [[nodiscard]] reprise::ChosenForm choice(std::size_t maker, const Program& program,
                                           value_id value, Bias bias) const {
    return {.choice = {.value = value,
                       .option = option(maker, program.values()[value].bytes),
                       .bias = bias},
            .maker = maker};
  }
};

// Backward is linear in values 0 and 4, tolerates 1, reads 2 exactly, and 3 in both ways.
Program program() {
  std::vector<reprise::Value> values;
  for (std::uint32_t v = 0; v < 5; ++v) values.push_back({.node = v, .bytes = v == 4 ? 0U : 100U});
  std::vector<reprise::Operation> operations;
  for (std::uint32_t v = 0; v < 5; ++v) {
    operations.push_back({.node = v, .writes = {v}, .repeatable = true});
  }
  operations.push_back({.kind = OperationKind::loss});
  operations.push_back({.kind = OperationKind::backward,
                        .node = 4,
                        .reads = {0, 1, 2, 3, 4},
                        .tolerates = 0b11011,
                        .linear = 0b11001});
  operations.push_back({.kind = OperationKind::backward, .node = 3, .reads = {3}});
  return {std::move(values), std::move(operations), 5, 1, true};
}

std::vector<value_id> kept(const UniformForms& chooser, const Halves& forms) {
  std::vector<reprise::FormChoice> choices;
  std::vector<value_id> values;
  for (const reprise::ChosenForm& chosen : chooser(program(), forms)) {
    choices.push_back(chosen.choice);
    values.push_back(chosen.choice.value);
  }
  static_cast<void>(reprise::with_forms(program(), choices));  // accepted as they are
  return values;
}

}  // namespace

TEST_CASE("what every backward may read in a form is kept in it, if that saves bytes") {
  CHECK(kept({}, {Exactness::unbiased}) == std::vector<value_id>{0});
  CHECK(kept({}, {Exactness::biased}).empty());
  CHECK(kept({.bias = Bias::allowed}, {Exactness::unbiased}) == std::vector<value_id>{0, 1});
  CHECK(kept({.bias = Bias::allowed}, {Exactness::biased}) == std::vector<value_id>{0, 1});
  CHECK(kept({}, {Exactness::exact}) == std::vector<value_id>{0, 1, 2, 3});
}

TEST_CASE("a maker that is not there is refused") {
  CHECK_THROWS_AS(static_cast<void>(kept({.maker = 1}, {})), reprise::InvalidArgument);
}
