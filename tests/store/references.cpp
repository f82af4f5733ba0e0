// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <reprise/core/error.hpp>
#include <reprise/store/references.hpp>
#include <reprise/store/sizes_only.hpp>
#include <reprise/store/store_records.hpp>

#include "support/store_parts.hpp"

namespace {

using reprise::storing::no_number;
using reprise::storing::value_number;
using Parts = reprise_test::StoreParts<reprise::SizesOnly>;

}  // namespace

TEST_CASE("a value goes with its last handle, its recipe with the last that may need it") {
  Parts parts;
  const value_number a = parts.make({});
  const value_number b = parts.make({a});
  parts.references.retain(a);
  parts.references.release(a);
  CHECK(parts.is_present(a));
  parts.references.release(a);
  CHECK_FALSE(parts.is_present(a));
  CHECK(parts.has_recipe(a));
  parts.references.release(b);
  CHECK_FALSE(parts.has_recipe(b));
  CHECK_FALSE(parts.has_recipe(a));
  CHECK_FALSE(parts.references.has_handles());
}

TEST_CASE("a chain of recipes is forgotten without recursion") {
  Parts parts;
  value_number last = parts.make({});
  const value_number first = last;
  for (int i = 0; i < 100'000; ++i) {
    const value_number next = parts.make({last});
    parts.references.release(last);
    last = next;
  }
  CHECK(parts.has_recipe(first));
  parts.references.release(last);
  CHECK_FALSE(parts.has_recipe(first));
}

TEST_CASE("what is kept stays until nobody needs it, and needs no recipe") {
  Parts parts;
  const value_number a = parts.make({});
  const value_number b = parts.make({a});
  parts.references.keep(a);
  CHECK_FALSE(parts.has_recipe(a));
  CHECK_FALSE(parts.evict(a));
  parts.references.release(a);
  CHECK(parts.is_present(a));
  parts.references.release(b);
  CHECK_FALSE(parts.is_present(a));
}

TEST_CASE("what is released while it is locked goes when the last lock ends") {
  Parts parts;
  const value_number a = parts.make({});
  const auto id = parts.records.storage_of(a);
  ++parts.records.storage(id).locks;
  parts.references.release(a);
  CHECK(parts.is_present(a));
  --parts.records.storage(id).locks;
  parts.references.end_locks(id);
  CHECK_FALSE(parts.is_present(a));
}

TEST_CASE("recipes say who reads a storage and who takes it over") {
  Parts parts;
  const value_number a = parts.make({});
  const auto id = parts.records.storage_of(a);
  CHECK(parts.references.reader_of(id) == no_number);
  const value_number b = parts.make({a});
  const value_number c = parts.make({a}, {}, {0});
  CHECK(parts.references.reader_of(id) == parts.records.value(b).op);
  CHECK(parts.references.consumer_of(id) == parts.records.value(c).op);
  CHECK(parts.references.first_unsettled_output(parts.records.value(c).op) == c);
  CHECK_THROWS_WITH_AS(parts.references.keep(a),
                       "value 0 cannot be kept: 1 operations that may run again take over its "
                       "memory",
                       reprise::InvalidState);
  parts.references.keep(c);
  CHECK(parts.references.consumer_of(id) == no_number);
}

TEST_CASE("an operation that is taken back leaves no trace") {
  Parts parts;
  const value_number a = parts.make({});
  const auto op = parts.add({a}, {}, {0});
  CHECK(parts.records.value(a).needs == 2);
  parts.references.take_back(op);
  CHECK(parts.records.value(a).needs == 1);
  CHECK(parts.records.storage(parts.records.storage_of(a)).consumers == 0);
  CHECK(parts.records.storage(parts.records.storage_of(a)).readers == 0);
  CHECK(parts.records.remembered() == 1);
  CHECK(parts.records.add_operation() == op);
}
