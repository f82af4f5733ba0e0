// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/store/eviction_pool.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/sizes_only.hpp>
#include <reprise/store/store_event.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <vector>

namespace {

using reprise::storage_id;

/// Opaque, and the same for all.
struct Indifferent {
  double score(const reprise::Candidate&) const { return 1; }
};

/// A pool of storages of one value each.
template <class Policy>
struct Present {
  explicit Present(reprise::byte_count budget)
      : pool(records, std::make_shared<reprise::MemoryAccount>(budget), Policy{}) {
    pool.observe([this](const reprise::StoreEvent& event) { dropped.push_back(event.number); });
  }

  storage_id add(reprise::byte_count bytes) {
    const storage_id id = records.add_storage(bytes);
    records.value(records.add_value(records.add_operation(), id)).is_defined = true;
    pool.make_present(id);
    pool.join(id);
    return id;
  }
  void ensure_room(reprise::byte_count bytes) {
    pool.ensure_room(bytes, 0, [] { return std::string("a test"); });
  }

  reprise::storing::StoreRecords<reprise::SizesOnly> records{reprise::Neighbourhood::none, false};
  reprise::storing::EvictionPool<reprise::SizesOnly, Policy> pool;
  std::vector<std::uint64_t> dropped{};
};

}  // namespace

TEST_CASE("the lowest score goes, of equal ones the one that joined latest") {
  Present<reprise::Largest> present(40);
  for (const reprise::byte_count bytes : {8U, 16U, 16U}) present.add(bytes);
  present.ensure_room(1);
  CHECK(present.dropped == std::vector<std::uint64_t>{2});
  present.ensure_room(32);
  CHECK(present.dropped == std::vector<std::uint64_t>{2, 1});
  CHECK(present.pool.held_bytes() == 8);
  CHECK(present.pool.account().live_bytes() == 8);
  CHECK(present.pool.evictions() == 2);
}

TEST_CASE("of equal opaque scores the one that joined latest goes, whatever changed since") {
  Present<Indifferent> present(16);
  const storage_id first = present.add(8);
  present.pool.leave(first);
  present.pool.mark_stale(first);
  present.add(8);
  present.pool.join(first);
  present.ensure_room(8);
  CHECK(present.dropped == std::vector<std::uint64_t>{0});
}

TEST_CASE("a score is asked for again when it is marked stale") {
  Present<reprise::Lru> present(24);
  const storage_id first = present.add(8);
  present.add(8);
  CHECK(present.pool.make_room(0) == 0);
  present.records.advance_clock(1);
  present.records.storage(first).last_access = present.records.clock();
  present.pool.mark_stale(first);
  CHECK(present.pool.make_room(1) == 8);
  CHECK(present.dropped == std::vector<std::uint64_t>{1});
}

TEST_CASE("what is locked or held for good does not go, and is named when nothing else can") {
  Present<reprise::Largest> present(24);
  const storage_id locked = present.add(8);
  const storage_id held = present.add(8);
  ++present.records.storage(locked).locks;
  present.pool.leave(locked);
  present.pool.join(locked);
  present.pool.hold_for_good(held);
  CHECK_FALSE(present.pool.evict_if_possible(locked));
  CHECK_FALSE(present.pool.evict_if_possible(held));
  CHECK(present.pool.make_room(100) == 0);
  present.ensure_room(8);
  try {
    present.ensure_room(9);
    FAIL("there was room");
  } catch (const reprise::BudgetExceeded& refused) {
    CHECK(std::string(refused.what()) ==
          "a test needs 25 bytes of a budget of 24, and nothing is left to evict: 16 bytes are "
          "here (pinned or read value 0: 8, unrepeatable value 1: 8)");
  }
  present.pool.free_for_good(held);
  CHECK(present.pool.held_bytes() == 8);
}

TEST_CASE("what is taken over or goes as a view alone") {
  Present<reprise::Largest> present(24);
  const storage_id id = present.add(8);
  const auto view = present.records.add_value(present.records.value(0).op, id);
  present.records.value(view).is_defined = true;
  present.pool.drop_view(view);
  present.pool.drop_view(view);
  CHECK(present.dropped == std::vector<std::uint64_t>{1});
  CHECK(present.pool.held_bytes() == 8);
  CHECK_FALSE(present.pool.take_over(id));
  CHECK(present.pool.held_bytes() == 0);
  CHECK(present.dropped.size() == 1);
  const storage_id fixed = present.add(8);
  present.pool.hold_for_good(fixed);
  CHECK(present.pool.take_over(fixed));
}

TEST_CASE("all that may go goes at once, and is no eviction for room") {
  Present<reprise::Largest> present(24);
  const storage_id first = present.add(8);
  present.add(8);
  present.pool.leave(first);
  present.pool.evict_all();
  CHECK(present.pool.held_bytes() == 8);
  CHECK(present.pool.evictions() == 0);
}
