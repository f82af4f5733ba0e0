// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An operation before it runs, in the numbers of a store's records.

#include <algorithm>
#include <cstddef>
#include <cstdint>
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

  /// @throws InvalidArgument for an index that does not exist, bytes whose sum passes 2^64 - 1, or
  ///   what the operation cannot take over.
  void check(const Records& records) const {
    byte_count bytes = transient_bytes;
    for (const OperationOutput& output : outputs) {
      check_output(records, output);
      if (!output.view_of) bytes = sum_of(bytes, output.bytes);
    }
    for (const std::size_t index : consumes) check_consumed(records, index);
  }

  /// Whether the operation may run again: not if it takes over what nothing can remake.
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

  void check_output(const Records& records, const OperationOutput& output) const {
    if (!output.view_of) return;
    check_index(*output.view_of, "a view of");
    const storage_id viewed = storage(records, *output.view_of);
    for (const std::size_t index : consumes) {
      if (index >= inputs.size() || storage(records, index) != viewed) continue;
      throw InvalidArgument("an operation cannot take over input " + std::to_string(index) +
                            " and make a view of it");
    }
  }

  void check_consumed(const Records& records, std::size_t index) const {
    check_index(index, "consumes");
    const auto refuse = [&](const std::string& why) {
      throw InvalidArgument("an operation cannot take over input " + std::to_string(index) + why);
    };
    const storage_id consumed = storage(records, index);
    if (records.storage(consumed).is_kept) refuse(", which is a constant or was kept");
    if (std::ranges::count(consumes, index) > 1) refuse(" twice");
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (i == index || storage(records, i) != consumed) continue;
      refuse(" and read it as input " + std::to_string(i) + " too");
    }
  }
};

}  // namespace reprise::inline v0::storing
