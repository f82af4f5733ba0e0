// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An operation before it runs, in the numbers of a store's records.

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <reprise/core/byte_sum.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/store/operation_output.hpp>
#include <reprise/store/store_records.hpp>
#include <span>
#include <string>
#include <vector>

namespace reprise::inline v0::storing {

/// An operation that is handed to a store, its inputs as numbers of the store's records.
template <class Payload>
struct OperationRequest {
  /// What its inputs are numbers of.
  using Records = StoreRecords<Payload>;

  std::uint64_t cost = 0;                      ///< in any unit, the same for all
  std::vector<value_number> inputs{};          ///< in the order in which `function` gets them
  std::span<const OperationOutput> outputs{};  ///< borrowed
  byte_count transient_bytes = 0;              ///< beyond all that it makes
  std::vector<std::size_t> consumes{};         ///< inputs whose storages it takes over
  bool repeatable = true;                      ///< by the user's word, see `can_repeat`
  typename Records::Function function{};       ///< empty for a simulation

  /// Linearithmic in what it names.
  /// @throws InvalidArgument for an index that does not exist, bytes whose sum passes 2^64 - 1, or
  ///   what the operation cannot take over.
  void check(const Records& records) const {
    byte_count bytes = transient_bytes;
    const Places taken_over = places_of(records, consumes);
    for (const OperationOutput& output : outputs) {
      check_output(records, taken_over, output);
      if (!output.view_of) bytes = sum_of(bytes, output.bytes);
    }
    if (!consumes.empty()) check_consumed(records);
  }

  /// Whether the operation may run again: not if it takes over what nothing can recompute.
  [[nodiscard]] bool can_repeat(const Records& records) const {
    return repeatable && std::ranges::none_of(consumes, [&](std::size_t index) {
             return records.storage(storage(records, index)).is_pinned;
           });
  }

  /// The storage that an input lies in.
  [[nodiscard]] storage_id storage(const Records& records, std::size_t index) const {
    return records.storage_of(inputs[index]);
  }

 private:
  static byte_count sum_of(byte_count a, byte_count b) {
    if (const std::optional<byte_count> sum = byte_sum(a, b)) return *sum;
    throw InvalidArgument("the outputs and the transient of an operation take " +
                          std::to_string(a) + " and " + std::to_string(b) +
                          " bytes, more than 64 bits count");
  }

  void check_index(std::size_t index, const char* what) const {
    if (index < inputs.size()) return;
    throw InvalidArgument(std::string(what) + " input " + std::to_string(index) + " of " +
                          std::to_string(inputs.size()));
  }

  // Storages with a place in a list each, in order.
  struct Place {
    storage_id storage;
    std::size_t place;
    [[nodiscard]] friend auto operator<=>(const Place&, const Place&) = default;
  };
  using Places = std::vector<Place>;

  // Of the inputs of some numbers: those that exist.
  [[nodiscard]] Places places_of(const Records& records,
                                 std::span<const std::size_t> indices) const {
    Places places;
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] < inputs.size()) places.push_back({storage(records, indices[i]), i});
    }
    std::ranges::sort(places);
    return places;
  }
  // The first one in a storage at or after a place; null if there is none.
  [[nodiscard]] static const Place* find(const Places& places, Place first) {
    const auto found = std::ranges::lower_bound(places, first);
    return found != places.end() && found->storage == first.storage ? &*found : nullptr;
  }

  void check_output(const Records& records, const Places& taken_over,
                    const OperationOutput& output) const {
    if (!output.view_of) return;
    check_index(*output.view_of, "a view of");
    const storage_id viewed = storage(records, *output.view_of);
    const Place* const found = find(taken_over, {viewed, 0});
    if (found == nullptr) return;
    throw InvalidArgument("an operation cannot take over input " +
                          std::to_string(consumes[found->place]) + " and make a view of it");
  }

  void check_consumed(const Records& records) const {
    Places read;
    for (std::size_t i = 0; i < inputs.size(); ++i) read.push_back({storage(records, i), i});
    std::ranges::sort(read);
    std::vector<std::size_t> sorted = consumes;
    std::ranges::sort(sorted);
    for (const std::size_t index : consumes) {
      check_index(index, "consumes");
      const auto refuse = [&](const std::string& why) {
        throw InvalidArgument("an operation cannot take over input " + std::to_string(index) + why);
      };
      const storage_id consumed = storage(records, index);
      if (records.storage(consumed).is_kept) refuse(", which is a constant or was kept");
      const auto same = std::ranges::lower_bound(sorted, index);
      if (std::next(same) != sorted.end() && *std::next(same) == index) refuse(" twice");
      const Place* other = find(read, {consumed, 0});
      if (other->place == index) other = find(read, {consumed, index + 1});
      if (other != nullptr)
        refuse(" and read it as input " + std::to_string(other->place) + " too");
    }
  }
};

}  // namespace reprise::inline v0::storing
