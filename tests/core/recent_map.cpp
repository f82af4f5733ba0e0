// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <reprise/core/recent_map.hpp>
#include <utility>
#include <vector>

#include "support/seed.hpp"

namespace {

using reprise::RecentMap;
using Numbers = std::vector<std::uint64_t>;

/// The same in the plainest way: the least recently used stands first.
class Model {
 public:
  explicit Model(std::size_t capacity) : capacity_(capacity) {}

  int* find(std::uint64_t number) {
    const auto found = std::ranges::find(entries_, number, &Entry::first);
    if (found == entries_.end()) return nullptr;
    std::rotate(found, found + 1, entries_.end());
    return &entries_.back().second;
  }
  void insert(std::uint64_t number, int value) {
    erase(number);
    entries_.emplace_back(number, value);
    if (entries_.size() > capacity_) entries_.erase(entries_.begin());
  }
  bool erase(std::uint64_t number) {
    return std::erase_if(entries_, [&](const Entry& e) { return e.first == number; }) > 0;
  }
  void clear() { entries_.clear(); }
  [[nodiscard]] Numbers numbers() const {
    Numbers all;
    for (const Entry& entry : entries_) all.push_back(entry.first);
    return all;
  }

 private:
  using Entry = std::pair<std::uint64_t, int>;
  std::size_t capacity_;
  std::vector<Entry> entries_;
};

}  // namespace

TEST_CASE("the least recently used goes, and to find is to use") {
  RecentMap<int> map(2);
  map.insert(1, 10);
  map.insert(2, 20);
  REQUIRE(map.find(1) != nullptr);
  map.insert(3, 30);
  CHECK(map.find(2) == nullptr);
  CHECK(*map.find(1) == 10);
  CHECK(*map.find(3) == 30);
  CHECK(map.numbers() == Numbers{1, 3});
  CHECK(*map.peek(1) == 10);
  CHECK(map.peek(4) == nullptr);
  CHECK(map.numbers() == Numbers{1, 3});
  CHECK(RecentMap<int>(0).capacity() == 1);
}

TEST_CASE("whatever is done in which order, it remembers what the plainest list remembers") {
  REPRISE_SEEDED(random);
  for (int sequence = 0; sequence < 200; ++sequence) {
    const std::size_t capacity = 1 + random() % 6;
    RecentMap<int> map(capacity);
    Model model(capacity);
    for (int i = 0; i < 200; ++i) {
      const std::uint64_t number = random() % 10;
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          map.insert(number, i);
          model.insert(number, i);
          break;
        case 3:
          REQUIRE(map.erase(number) == model.erase(number));
          break;
        case 4:
          if (random() % 20 == 0) {
            map.clear();
            model.clear();
          }
          break;
        default:
          const int* const found = map.find(number);
          const int* const expected = model.find(number);
          REQUIRE((found == nullptr) == (expected == nullptr));
          if (found != nullptr) REQUIRE(*found == *expected);
      }
      REQUIRE(map.numbers() == model.numbers());
      REQUIRE(map.size() <= capacity);
    }
  }
}

TEST_CASE("a copy forgets on its own") {
  RecentMap<int> map(2);
  map.insert(1, 10);
  RecentMap<int> copy = map;
  copy.insert(2, 20);
  copy.insert(3, 30);
  CHECK(map.numbers() == Numbers{1});
  CHECK(copy.numbers() == Numbers{2, 3});
}
