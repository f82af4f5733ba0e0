// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <memory>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/store/sizes_only.hpp>
#include <reprise/store/store_records.hpp>
#include <vector>

#include "support/counting_tensor.hpp"

namespace {

using reprise::Neighbourhood;
using reprise::storing::no_number;
using Records = reprise::storing::StoreRecords<reprise::SizesOnly>;

}  // namespace

TEST_CASE("values and constants are numbered apart, and share storages") {
  Records records(Neighbourhood::none, false);
  const auto op = records.add_operation();
  const auto id = records.add_storage(16);
  const auto constant = records.add_value(no_number, records.add_storage(4));
  const auto first = records.add_value(op, id);
  const auto view = records.add_value(op, id);
  CHECK(records.describe(constant) == "constant 0");
  CHECK(records.describe(first) == "value 0");
  CHECK(records.describe(view) == "value 1");
  CHECK(records.storage(id).bytes == 16);
  CHECK(records.storage(id).values == std::vector{first, view});
  CHECK(records.storage_of(view) == id);
  CHECK(records.remembered() == 2);
}

TEST_CASE("the number of a forgotten record is given to the next, which knows nothing") {
  Records records(Neighbourhood::none, false);
  const auto op = records.add_operation();
  const auto id = records.add_storage(16);
  const auto value = records.add_value(op, id);
  records.value(value).needs = 3;
  records.operation(op).cost = 5;
  records.forget_value(value);
  records.forget_operation(op);
  records.forget_storage(id);
  CHECK(records.remembered() == 0);
  CHECK(records.add_operation() == op);
  CHECK(records.operation(op).cost == 0);
  CHECK(records.operation(op).number == 1);
  CHECK(records.add_storage(8) == id);
  CHECK(records.storage(id).values.empty());
  CHECK(records.add_value(op, id) == value);
  CHECK(records.value(value).needs == 0);
  CHECK(records.value(value).number == 1);
}

TEST_CASE("what nobody needs is collected, but for what a neighbourhood leads to") {
  Records records(Neighbourhood::exact, false);
  const auto add = [&](bool is_needed) {
    const auto op = records.add_operation();
    const auto id = records.add_storage(1);
    const auto value = records.add_value(op, id);
    records.operation(op).remembered_outputs = 1;
    records.value(value).needs = records.storage(id).needs = is_needed ? 1 : 0;
    return id;
  };
  const auto needed = add(true);
  const auto beside = add(false);
  records.graph().link(beside, needed);
  while (records.remembered() < 1023) add(false);
  records.collect_if_due();
  CHECK(records.remembered() == 1023);
  add(false);
  records.collect_if_due();
  CHECK(records.remembered() == 2);
  CHECK(records.storage(needed).is_in_use);
  CHECK(records.storage(beside).is_in_use);
}

TEST_CASE("a change in place is noted before the value goes") {
  using Tensor = reprise_test::CountingTensor;
  reprise_test::CountingMemory memory;
  reprise::storing::StoreRecords<Tensor> records(Neighbourhood::none, false);
  const auto id = records.add_storage(8);
  const auto value = records.add_value(records.add_operation(), id);
  auto& v = records.value(value);
  v.payload = Tensor(memory, 2);
  v.made = records.replay().made(v.payload);
  v.is_defined = true;
  records.note_changes(records.storage(id));
  CHECK_FALSE(v.is_spoilt);
  v.payload.changed();
  records.note_changes(records.storage(id));
  CHECK(v.is_spoilt);
  records.undefine(value);
  CHECK_FALSE(v.is_defined);
  CHECK(memory.live == 0);
}

TEST_CASE("closed records hold neither payloads nor functions") {
  using Payload = std::shared_ptr<int>;
  reprise::storing::StoreRecords<Payload> records(Neighbourhood::none, false);
  const auto held = std::make_shared<int>(1);
  const auto op = records.add_operation();
  records.operation(op).function = [held](auto, auto, auto&) {};
  records.value(records.add_value(op, records.add_storage(4))).payload = held;
  CHECK(held.use_count() == 3);
  records.close();
  CHECK(records.is_closed());
  CHECK(held.use_count() == 1);
}
