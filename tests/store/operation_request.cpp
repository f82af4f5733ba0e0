// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstddef>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/store/operation_output.hpp>
#include <reprise/store/operation_request.hpp>
#include <reprise/store/sizes_only.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <vector>

namespace {

using reprise::OperationOutput;
using reprise::storing::value_number;
using Records = reprise::storing::StoreRecords<reprise::SizesOnly>;
using Request = reprise::storing::OperationRequest<reprise::SizesOnly>;

std::string refusal(const Request& request, const Records& records) {
  try {
    request.check(records);
  } catch (const reprise::InvalidArgument& refused) {
    return refused.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a request that cannot be meant is refused with its numbers") {
  Records records(reprise::Neighbourhood::none, false);
  const auto op = records.add_operation();
  const value_number a = records.add_value(op, records.add_storage(8));
  const value_number view_of_a = records.add_value(op, records.storage_of(a));
  const value_number kept = records.add_value(op, records.add_storage(8));
  records.storage(records.storage_of(kept)).is_kept = true;
  const std::vector<OperationOutput> one{{.bytes = 8}};
  const std::vector<OperationOutput> view{{.view_of = 0}};
  const std::vector<OperationOutput> huge{{.bytes = reprise::unlimited_bytes}, {.bytes = 1}};

  CHECK(refusal({.inputs = {a, view_of_a}, .outputs = one}, records).empty());
  CHECK(refusal({.inputs = {a}, .outputs = one, .consumes = {0}}, records).empty());
  CHECK(refusal({.outputs = view}, records) == "a view of input 0 of 0");
  CHECK(refusal({.inputs = {a}, .outputs = one, .consumes = {1}}, records) ==
        "consumes input 1 of 1");
  CHECK(refusal({.inputs = {a, view_of_a}, .outputs = one, .consumes = {0}}, records) ==
        "an operation cannot take over input 0 and read it as input 1 too");
  CHECK(refusal({.inputs = {a}, .outputs = one, .consumes = {0, 0}}, records) ==
        "an operation cannot take over input 0 twice");
  CHECK(refusal({.inputs = {a}, .outputs = view, .consumes = {0}}, records) ==
        "an operation cannot take over input 0 and make a view of it");
  CHECK(refusal({.inputs = {kept}, .outputs = one, .consumes = {0}}, records) ==
        "an operation cannot take over input 0, which is a constant or was kept");
  CHECK(refusal({.outputs = huge}, records) ==
        "the outputs and the transient of an operation take 18446744073709551615 and 1 bytes, more "
        "than 64 bits count");
}

TEST_CASE("what takes over what nothing can recompute runs once") {
  Records records(reprise::Neighbourhood::none, false);
  const value_number a = records.add_value(records.add_operation(), records.add_storage(8));
  CHECK(Request{.inputs = {a}, .consumes = {0}}.can_repeat(records));
  CHECK_FALSE(Request{.inputs = {a}, .repeatable = false}.can_repeat(records));
  records.storage(records.storage_of(a)).is_pinned = true;
  CHECK_FALSE(Request{.inputs = {a}, .consumes = {0}}.can_repeat(records));
  CHECK(Request{.inputs = {a}}.can_repeat(records));
}

// That its time is not quadratic shows in that it ends.
TEST_CASE("a request that takes over very many inputs is checked in little more than linear time") {
  constexpr std::size_t many = 200'000;
  Records records(reprise::Neighbourhood::none, false);
  const auto op = records.add_operation();
  Request request;
  std::vector<OperationOutput> views;
  for (std::size_t i = 0; i < many; ++i) {
    request.inputs.push_back(records.add_value(op, records.add_storage(8)));
    if (i % 2 == 0) {
      request.consumes.push_back(i);
    } else {
      views.push_back({.view_of = i});
    }
  }
  request.outputs = views;
  CHECK(refusal(request, records).empty());
  views.back().view_of = many - 2;
  CHECK(refusal(request, records) == "an operation cannot take over input " +
                                         std::to_string(many - 2) + " and make a view of it");
  views.back().view_of = 1;
  request.inputs.back() = request.inputs[many - 2];
  CHECK(refusal(request, records) == "an operation cannot take over input " +
                                         std::to_string(many - 2) + " and read it as input " +
                                         std::to_string(many - 1) + " too");
  request.consumes.push_back(0);
  CHECK(refusal(request, records) == "an operation cannot take over input 0 twice");
}
