// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/program/program.hpp>
#include <string>
#include <vector>

namespace {

using reprise::Operation;
using reprise::OperationKind;
using reprise::Program;
using reprise::Value;
using reprise::ValueKind;

// A node's output is encoded, the code offloaded, fetched and decoded; backward reads the last.
struct Parts {
  std::vector<Value> values{
      {.node = 0, .bytes = 100},
      {.kind = ValueKind::form, .node = 0, .bytes = 50, .is_approximate = true, .form_of = 0},
      {.kind = ValueKind::form, .node = 0, .is_approximate = true, .form_of = 1, .host_bytes = 50},
      {.kind = ValueKind::restored, .node = 0, .bytes = 50, .is_approximate = true, .form_of = 1},
      {.kind = ValueKind::restored, .node = 0, .bytes = 100, .is_approximate = true, .form_of = 0},
      {.kind = ValueKind::gradient, .node = 0, .bytes = 8}};
  std::vector<Operation> operations{
      {.node = 0, .writes = {0}, .repeatable = true},
      {.kind = OperationKind::encode, .node = 0, .reads = {0}, .writes = {1}, .repeatable = true},
      {.kind = OperationKind::offload, .node = 0, .reads = {1}, .writes = {2}, .repeatable = true},
      {.kind = OperationKind::loss, .reads = {0}, .writes = {5}},
      {.kind = OperationKind::fetch, .node = 0, .reads = {2}, .writes = {3}, .repeatable = true},
      {.kind = OperationKind::decode, .node = 0, .reads = {3}, .writes = {4}, .repeatable = true},
      {.kind = OperationKind::backward, .node = 0, .reads = {5, 4}, .tolerates = 2}};
  std::vector<reprise::value_id> results{};
  bool cost_is_flops = false;
};

void refuses(const std::function<void(Parts&)>& spoil, const std::string& why) {
  Parts parts;
  spoil(parts);
  std::string said = "nothing is refused";
  try {
    const Program program(parts.values, parts.operations, 3, 1, parts.cost_is_flops, parts.results);
  } catch (const reprise::InvalidGraph& refused) {
    said = refused.what();
  }
  INFO(said);
  CHECK(said.find(why) != std::string::npos);
}

}  // namespace

TEST_CASE("a program with a code that is offloaded is valid and says so") {
  const Parts parts;
  const Program program(parts.values, parts.operations, 3, 1, false);
  CHECK(program.has_forms());
  CHECK(program.describe(3) == "restored form of output 0 of node 0");
  CHECK(program.describe_operation(4) == "fetch for node 0");
}

TEST_CASE("each broken rule of forms is refused with its name") {
  refuses([](Parts& p) { p.values[1].form_of.reset(); }, "does not say what it stands for");
  refuses([](Parts& p) { p.values[0].form_of = 1; }, "not of the kind of forms");
  refuses([](Parts& p) { p.values[0].host_bytes = 1; }, "has bytes of the host, and is no form");
  refuses([](Parts& p) { p.values[0].is_approximate = true; }, "stands for nothing");
  refuses([](Parts& p) { p.values[0].variance = 1; }, "has a variance, and is no form");
  refuses([](Parts& p) { p.values[1].form_of = 17; }, "stands for value 17 of 6");
  refuses([](Parts& p) { p.values[1].form_of = 1; }, "stands for value 1 of 6");
  refuses([](Parts& p) { p.values[1].form_of = 5; }, "stands for a gradient");
  refuses([](Parts& p) { p.values[1].stays = true; }, "a view or stays");
  refuses([](Parts& p) { p.values[1].variance = -1; }, "has a variance of -1");
  refuses([](Parts& p) { p.values[1].variance = std::numeric_limits<double>::quiet_NaN(); },
          "has a variance of");
  refuses([](Parts& p) { p.values[3].variance = 1; }, "has a variance of 1");
  refuses([](Parts& p) { p.values[4].host_bytes = 1; }, "restored to the host");
  refuses([](Parts& p) { p.values[2].is_approximate = false; }, "stands for what is approximate");
  refuses([](Parts& p) { p.values[2].bytes = 50; }, "makes a form in the other memory");
  refuses([](Parts& p) { p.values[1].host_bytes = 50; }, "makes a form in the other memory");
  refuses([](Parts& p) { p.values[4].is_approximate = false; },
          "restores exactly what is approximate");
  refuses([](Parts& p) { p.operations[1].reads = {}; }, "it must read one and make one");
  refuses([](Parts& p) { p.operations[5].reads = {0}; }, "restores from what is no form");
  refuses([](Parts& p) { p.operations[4].kind = OperationKind::decode; },
          "restores from the other memory");
  refuses([](Parts& p) { p.operations[6].tolerates = 0; }, "does not tolerate");
  refuses([](Parts& p) { p.operations[6].tolerates = 6; }, "tolerates more than the 2 values");
  refuses([](Parts& p) { p.operations[0].tolerates = 1; }, "is no backward, and tolerates");
  refuses([](Parts& p) { p.operations[6].reads.push_back(2); }, "reads a form");
  refuses([](Parts& p) { p.operations[6].reads.push_back(3); }, "reads a form");
  refuses([](Parts& p) { p.results = {4}; }, "is a result, and approximate");
  refuses([](Parts& p) { p.results = {1}; }, "is a result, and a form");
  refuses([](Parts& p) { p.cost_is_flops = true; }, "whose costs are FLOPs");
  refuses([](Parts& p) { p.operations[6].kind = OperationKind::fetch; }, "it must read one");
  refuses([](Parts& p) { p.operations[4].kind = static_cast<OperationKind>(9); },
          "is of kind 9, which does not exist");
  refuses([](Parts& p) { p.operations[6].consumes = {4}; }, "takes over");
}

TEST_CASE("a program's fingerprint depends on its forms") {
  const Parts parts;
  const auto fingerprint = [&](const std::function<void(Parts&)>& change) {
    Parts other = parts;
    change(other);
    return Program(other.values, other.operations, 3, 1, false).fingerprint();
  };
  const std::uint64_t same = fingerprint([](Parts&) {});
  CHECK(same == fingerprint([](Parts&) {}));
  CHECK(same != fingerprint([](Parts& p) { p.values[2].host_bytes = 51; }));
  CHECK(same != fingerprint([](Parts& p) {
          for (Value& value : p.values) value.is_approximate = false;
          p.operations[6].tolerates = 0;
        }));
}
