// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/error.hpp>
#include <reprise/store/remat_stack.hpp>
#include <reprise/store/sizes_only.hpp>
#include <reprise/store/store_records.hpp>
#include <stdexcept>
#include <vector>

#include "support/store_parts.hpp"

namespace {

using reprise::storing::value_number;
using Parts = reprise_test::StoreParts<reprise::SizesOnly>;

}  // namespace

TEST_CASE("what a value is made from is made first, each level once") {
  Parts parts;
  const value_number a = parts.make({});
  const value_number b = parts.make({a});
  const value_number c = parts.make({a, b});
  parts.pool.evict_all();
  parts.take_told();
  parts.stack.materialise(c);
  CHECK(parts.take_told() == "rerun 0, rerun 1, rerun 2");
  parts.stack.materialise(c);
  CHECK(parts.take_told().empty());
}

TEST_CASE("depth is no limit") {
  Parts parts;
  std::vector<value_number> chain{parts.make({})};
  for (int i = 0; i < 100'000; ++i) chain.push_back(parts.make({chain.back()}));
  parts.pool.evict_all();
  parts.stack.materialise(chain.back());
  CHECK(parts.is_present(chain.back()));
}

TEST_CASE("a pinned value does not go") {
  Parts parts;
  const value_number a = parts.make({});
  parts.stack.pin(a);
  parts.stack.pin(a);
  parts.stack.unpin(a);
  CHECK_FALSE(parts.evict(a));
  parts.stack.unpin(a);
  CHECK(parts.evict(a));
}

TEST_CASE("a failing function unlocks all that was locked on the way") {
  Parts parts;
  bool fails = false;
  const auto may_fail = [&](auto, auto, auto&) {
    if (fails) throw std::runtime_error("out of order");
  };
  const value_number a = parts.make({});
  const value_number b = parts.make({}, may_fail);
  const value_number c = parts.make({a, b});
  CHECK(parts.evict(b));
  CHECK(parts.evict(c));
  fails = true;
  CHECK_THROWS_AS(parts.stack.materialise(c), std::runtime_error);
  CHECK(parts.records.storage(parts.records.storage_of(a)).locks == 0);
  CHECK(parts.evict(a));
  fails = false;
  parts.stack.materialise(c);
  CHECK(parts.is_present(c));
}

TEST_CASE("an operation that fails the first time is taken back") {
  Parts parts;
  const value_number a = parts.make({});
  const auto op = parts.add({a}, [](auto, auto, auto&) { throw std::runtime_error("never"); });
  CHECK_THROWS_AS(parts.stack.run_first(op), std::runtime_error);
  CHECK(parts.records.remembered() == 1);
  CHECK(parts.records.value(a).needs == 1);
}

TEST_CASE("what a recompute takes over is made once more for those who still read it") {
  Parts parts;
  const value_number a = parts.make({});
  const value_number b = parts.make({a}, {}, {0});
  CHECK_FALSE(parts.is_present(a));
  const value_number c = parts.make({a, b});
  parts.pool.evict_all();
  parts.take_told();
  parts.stack.materialise(c);
  CHECK(parts.take_told() == "rerun 0, rerun 1, rerun 0, rerun 2");
}

TEST_CASE("before what nothing can recompute is taken over, what reads it is made to stay") {
  Parts parts;
  const value_number once = parts.make({}, {}, {}, false);
  const value_number reader = parts.make({once});
  CHECK(parts.evict(reader));
  const std::vector<reprise::OperationOutput> outputs{{.bytes = 8}};
  parts.stack.secure_dependants({.inputs = {once}, .outputs = outputs, .consumes = {0}});
  CHECK(parts.is_present(reader));
  CHECK_FALSE(parts.evict(reader));
}

TEST_CASE("when nobody holds anything, what was recomputed on the way goes") {
  Parts parts;
  const value_number a = parts.make({});
  const value_number b = parts.make({a});
  parts.references.release(a);
  parts.evict(b);
  parts.stack.materialise(b);
  CHECK(parts.pool.held_bytes() == 16);
  parts.references.release(b);
  CHECK(parts.pool.held_bytes() == 8);
  parts.stack.clear_if_nobody_holds();
  CHECK(parts.pool.held_bytes() == 0);
}
