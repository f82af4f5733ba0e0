// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What was used last, by number, up to a most.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Remembers values by number, up to a capacity; where one more would not fit, the least recently
/// used goes. To insert and to find is to use.
///
/// Finding takes constant time. An insertion that lets one go takes time linear in the capacity:
/// for values that take far longer to make. Copies are independent.
template <class V>
class RecentMap {
 public:
  /// Empty.
  /// @param capacity values that it remembers at most; 0 counts as 1
  explicit RecentMap(std::size_t capacity) : capacity_(std::max<std::size_t>(capacity, 1)) {}

  /// Values that it remembers at most.
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  /// Values that it remembers now.
  [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

  /// The value of a number, which is used now; null if there is none. Valid until the next change.
  [[nodiscard]] V* find(std::uint64_t number) {
    const auto found = entries_.find(number);
    if (found == entries_.end()) return nullptr;
    found->second.used = ++uses_;
    return &found->second.value;
  }
  /// The same, without a use.
  [[nodiscard]] const V* peek(std::uint64_t number) const {
    const auto found = entries_.find(number);
    return found == entries_.end() ? nullptr : &found->second.value;
  }

  /// Remembers a value, in place of the number's own or, where it is full, of the least recently
  /// used. Valid until the next change.
  V& insert(std::uint64_t number, V value) {
    const auto place = entries_.insert_or_assign(number, Entry{std::move(value), uses_ + 1}).first;
    ++uses_;
    if (entries_.size() > capacity_) entries_.erase(least_recent());
    return place->second.value;
  }

  /// Forgets a value.
  /// @returns whether there was one
  bool erase(std::uint64_t number) { return entries_.erase(number) != 0; }
  /// Forgets all.
  void clear() noexcept { entries_.clear(); }

  /// All numbers, the least recently used first. Takes time n log n.
  [[nodiscard]] std::vector<std::uint64_t> numbers() const {
    std::vector<std::uint64_t> all;
    all.reserve(entries_.size());
    for (const auto& [number, entry] : entries_) all.push_back(number);
    std::ranges::sort(all, {}, [this](std::uint64_t number) { return entries_.at(number).used; });
    return all;
  }

 private:
  struct Entry {
    V value;
    std::uint64_t used;  ///< the number of its last use
  };

  [[nodiscard]] auto least_recent() {
    return std::ranges::min_element(entries_, {},
                                    [](const auto& entry) { return entry.second.used; });
  }

  std::size_t capacity_;
  std::uint64_t uses_ = 0;
  std::unordered_map<std::uint64_t, Entry> entries_;
};

}  // namespace reprise::inline v0
