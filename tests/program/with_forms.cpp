// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <algorithm>
#include <reprise/core/error.hpp>
#include <reprise/program/forms/form_candidates.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_from_saved.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <vector>

#include "support/cases.hpp"
#include "support/seed.hpp"
#include "support/wild_forms.hpp"

namespace {

using reprise::Bias;
using reprise::Exactness;
using reprise::FormChoice;
using reprise::FormOption;
using reprise::Operation;
using reprise::OperationKind;
using reprise::Program;
using reprise::Value;
using reprise::ValueKind;

constexpr reprise::value_id hidden = 0;    // read by the next forward, and by both backwards
constexpr reprise::value_id output = 1;    // read by the loss and by its backward
constexpr reprise::value_id gradient = 2;  // of the output

// Two nodes: the backward of the second tolerates an approximate `hidden`, that of the first does
// not.
Program two_nodes(bool cost_is_flops = false) {
  const std::vector<Value> values{{.node = 0, .bytes = 100},
                                  {.node = 1, .bytes = 40},
                                  {.kind = ValueKind::gradient, .node = 1, .bytes = 40},
                                  {.kind = ValueKind::gradient, .node = 0, .bytes = 100}};
  const std::vector<Operation> operations{
      {.node = 0, .writes = {hidden}, .cost = 1, .repeatable = true},
      {.node = 1, .layer = 1, .reads = {hidden}, .writes = {output}, .cost = 1, .repeatable = true},
      {.kind = OperationKind::loss, .layer = 1, .reads = {output}, .writes = {gradient}},
      {.kind = OperationKind::backward,
       .node = 1,
       .layer = 1,
       .reads = {gradient, hidden, output},
       .writes = {3},
       .cost = 2,
       .tolerates = 2},
      {.kind = OperationKind::backward, .node = 0, .reads = {3, hidden}, .cost = 2}};
  return {values, operations, 2, 2, cost_is_flops};
}

reprise::FormedProgram formed(const Program& program, const FormChoice& choice) {
  return reprise::with_forms(program, std::vector<FormChoice>{choice});
}

reprise::Schedule store_all(const Program& program) {
  return reprise::schedule_from_saved(program, reprise::SavedSet(program.values().size(), 1));
}

std::string refusal(const FormChoice& choice) {
  try {
    static_cast<void>(formed(two_nodes(), choice));
  } catch (const reprise::Error& refused) {
    return refused.what();
  }
  return "nothing is refused";
}

bool refuses(const FormChoice& choice, const std::string& why) {
  const std::string said = refusal(choice);
  INFO(said);
  CHECK(said.find(why) != std::string::npos);
  return said.find(why) != std::string::npos;
}

}  // namespace

TEST_CASE("an exact form is made after the last read before the loss and read by every backward") {
  const reprise::FormedProgram result =
      formed(two_nodes(), {.value = hidden, .option = {.bytes = 50, .cost = 0.5}});
  const reprise::MadeForm& made = result.forms.at(0);
  const Program& program = result.program;
  CHECK(made.maker == result.operation_of[1] + 1);
  CHECK(program.operations()[made.maker].kind == OperationKind::encode);
  CHECK(made.restorers.at(0) + 1 == result.operation_of[3]);
  for (const reprise::operation_id backward : {3U, 4U}) {
    const auto& reads = program.operations()[result.operation_of[backward]].reads;
    CHECK(std::ranges::find(reads, hidden) == reads.end());
    CHECK(std::ranges::find(reads, made.restored[0]) != reads.end());
  }
  CHECK(program.values()[made.restored[0]].bytes == 100);
  CHECK(program.describe(made.form) == "form of output 0 of node 0");
  CHECK(program.describe(made.restored[0]) == "restored output 0 of node 0");
  CHECK(program.describe_operation(made.maker) == "encoding for node 0");
  // Between forward and backward the form is kept, not the value.
  CHECK(reprise::simulate(program, store_all(program)).boundary_bytes == 40 + 50);
  CHECK(reprise::simulate(two_nodes(), store_all(two_nodes())).boundary_bytes == 40 + 100);
}

TEST_CASE("an approximate form is read by those who tolerate it, by nobody else") {
  const reprise::FormedProgram result = formed(
      two_nodes(), {.value = hidden,
                    .option = {.bytes = 25, .exactness = Exactness::biased, .variance = 0.25},
                    .bias = Bias::allowed});
  const auto reads = [&](reprise::operation_id op, reprise::value_id value) {
    const auto& list = result.program.operations()[result.operation_of[op]].reads;
    return std::ranges::find(list, value) != list.end();
  };
  CHECK(reads(3, result.forms[0].restored[0]));
  CHECK_FALSE(reads(3, hidden));
  CHECK(reads(4, hidden));
  CHECK(reprise::simulate(result.program, store_all(result.program)).variance == 0.25);
}

TEST_CASE("gradients stay unbiased where they are linear in what has an unbiased code") {
  const FormOption stochastic{.bytes = 25, .exactness = Exactness::unbiased};
  Program linear = two_nodes();
  std::vector<Operation> operations(linear.operations().begin(), linear.operations().end());
  operations[3].tolerate_linearly(1);
  linear = Program({linear.values().begin(), linear.values().end()}, std::move(operations),
                   linear.loss(), linear.layer_count(), linear.cost_is_flops(),
                   {linear.results().begin(), linear.results().end()});
  const auto exactness_of = [](const Program& program, const FormChoice& choice) {
    return formed(program, choice).exactness;
  };
  CHECK(exactness_of(linear, {.value = hidden}) == Exactness::exact);
  CHECK(exactness_of(linear, {.value = hidden, .option = stochastic}) == Exactness::unbiased);
  CHECK(exactness_of(two_nodes(), {.value = hidden, .option = stochastic, .bias = Bias::allowed}) ==
        Exactness::biased);
  CHECK(exactness_of(linear, {.value = hidden,
                              .option = {.exactness = Exactness::biased},
                              .bias = Bias::allowed}) == Exactness::biased);
  using reprise::form_candidates;
  CHECK(form_candidates(linear, Exactness::unbiased) == std::vector<reprise::value_id>{hidden});
  CHECK(form_candidates(linear, Exactness::biased).empty());
  CHECK(form_candidates(two_nodes(), Exactness::unbiased).empty());
  CHECK(form_candidates(two_nodes(), Exactness::biased, Bias::allowed) ==
        std::vector<reprise::value_id>{hidden});
}

TEST_CASE("a choice that would be wrong is refused with the reason") {
  const FormOption lossy{.bytes = 10, .exactness = Exactness::biased};
  refuses({.value = 9}, "value 9 of a program of 4");
  refuses({.value = gradient}, "which is a gradient");
  refuses({.value = hidden, .option = lossy, .reads = {{.reader = 1}}}, "would be tainted");
  refuses({.value = output, .option = lossy, .reads = {{.reader = 2}}}, "an output of the graph");
  refuses({.value = hidden, .option = lossy, .reads = {{.reader = 4}}}, "does not tolerate it");
  refuses({.value = hidden, .option = lossy, .reads = {{.reader = 3}}}, "would bias the gradients");
  refuses({.value = hidden, .option = {.exactness = Exactness::unbiased}, .reads = {{.reader = 3}}},
          "would bias the gradients");
  refuses({.value = output, .option = lossy}, "no backward would read");
  refuses({.value = hidden, .reads = {{.reader = 2}}}, "does not read it");
  refuses({.value = hidden, .reads = {{.reader = 12}}}, "operation 12 of 5");
  refuses({.value = hidden, .reads = {{.reader = 3}, {.reader = 3}}}, "read twice");
  refuses({.value = hidden, .reads = {{.reader = 3, .restoration = 1}}}, "restoration 1 of 1");
  refuses({.value = hidden, .option = {.restorations = {}}}, "nothing restores");
  refuses({.value = hidden, .option = {.variance = 1}}, "exact and adds a variance");
  refuses({.value = hidden,
           .option = {.memory = reprise::Memory::host, .exactness = Exactness::biased}},
          "in the host's memory and not exact");
  refuses({.value = hidden, .option = {.cost = -1}}, "costs -1");
}

TEST_CASE("a program with lanes has its costs in seconds") {
  const FormChoice offload{.value = hidden,
                           .option = {.bytes = 100, .memory = reprise::Memory::host}};
  CHECK_NOTHROW(static_cast<void>(formed(two_nodes(), offload)));
  CHECK_THROWS_AS(static_cast<void>(formed(two_nodes(true), offload)), reprise::InvalidGraph);
}

TEST_CASE("bytes of the two memories are counted apart, and what moves between them") {
  const reprise::FormedProgram result =
      formed(two_nodes(), {.value = hidden,
                           .option = {.bytes = 100,
                                      .memory = reprise::Memory::host,
                                      .cost = 3,
                                      .restorations = {{.cost = 4}}}});
  const reprise::Simulation played = reprise::simulate(result.program, store_all(result.program));
  CHECK(played.peak_host_bytes == 100);
  CHECK(played.boundary_bytes == 40);
  CHECK(played.moved_bytes == 200);
  CHECK(played.seconds == 1 + 1 + 3 + 4 + 2 + 2);
  CHECK(played.waited_seconds == 3 + 4);
}

TEST_CASE("a pair of restorations: each reader has its own") {
  const reprise::FormedProgram result =
      formed(two_nodes(), {.value = hidden,
                           .option = {.bytes = 30, .restorations = {{}, {}, {}}},
                           .reads = {{.reader = 3, .restoration = 2}, {.reader = 4}}});
  const reprise::MadeForm& made = result.forms.at(0);
  CHECK(made.restored[1] == reprise::MadeForm::no_value);
  CHECK(made.restorers[1] == Program::no_operation);
  CHECK(made.restorers[0] + 1 == result.operation_of[4]);
  CHECK(made.restorers[2] + 1 == result.operation_of[3]);
}

TEST_CASE("a code may itself be offloaded") {
  const reprise::FormedProgram coded =
      formed(two_nodes(), {.value = hidden,
                           .option = {.bytes = 25, .exactness = Exactness::biased},
                           .bias = Bias::allowed});
  const reprise::FormedProgram moved = formed(
      coded.program,
      {.value = coded.forms[0].form, .option = {.bytes = 25, .memory = reprise::Memory::host}});
  const Program& program = moved.program;
  CHECK(program.describe(moved.forms[0].form) == "form of form of output 0 of node 0");
  const reprise::Simulation played = reprise::simulate(program, store_all(program));
  CHECK(played.peak_host_bytes == 25);
  CHECK(played.boundary_bytes == 40 + 100);  // the other backward reads it exactly
}

TEST_CASE("random forms: what is approximate is read by nobody who does not say so") {
  REPRISE_SEEDED(random);
  std::size_t approximate = 0;
  for (std::size_t i = 0; i < reprise_test::cases(300); ++i) {
    const Program program =
        reprise_test::wild_forms(random, {.has_loss = i % 3 != 0, .has_views = i % 2 == 0});
    for (const Operation& op : program.operations()) {
      for (const reprise::value_id read : op.reads) {
        if (!program.values()[read].is_approximate) continue;
        ++approximate;
        const bool restores = op.kind == OperationKind::decode || op.kind == OperationKind::fetch ||
                              op.kind == OperationKind::offload;
        const bool tolerates = op.tolerates_read(read);
        CHECK((restores || tolerates));
      }
    }
  }
  CHECK(approximate > 0);
}
