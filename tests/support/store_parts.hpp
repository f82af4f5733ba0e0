// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The parts of a store of operations, put together without the store.

#include <cstdint>
#include <memory>
#include <reprise/core/units.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/store/eviction_pool.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/operation_output.hpp>
#include <reprise/store/operation_request.hpp>
#include <reprise/store/operation_runner.hpp>
#include <reprise/store/references.hpp>
#include <reprise/store/remat_stack.hpp>
#include <reprise/store/store_event.hpp>
#include <reprise/store/store_records.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise_test {

/// The parts, evicting what was read longest ago, and what they tell.
template <class Payload>
struct StoreParts {
  using value_number = reprise::storing::value_number;
  using operation_number = reprise::storing::operation_number;
  using Request = reprise::storing::OperationRequest<Payload>;
  using Function = typename reprise::storing::StoreRecords<Payload>::Function;

  explicit StoreParts(reprise::byte_count budget = reprise::unlimited_bytes)
      : pool(records, std::make_shared<reprise::MemoryAccount>(budget), {}) {
    pool.observe([this](const reprise::StoreEvent& event) {
      constexpr const char* names[] = {"run ", "rerun ", "drop "};
      told += (told.empty() ? "" : ", ") +
              (names[static_cast<int>(event.kind)] + std::to_string(event.number));
    });
  }

  /// Hands over an operation with one output of 8 bytes, which has one handle; it has not run.
  operation_number add(std::vector<value_number> inputs, Function function = {},
                       std::vector<std::size_t> consumes = {}, bool repeatable = true) {
    const std::vector<reprise::OperationOutput> outputs{{.bytes = 8}};
    return references.add(Request{.cost = 1,
                                  .inputs = std::move(inputs),
                                  .outputs = outputs,
                                  .consumes = std::move(consumes),
                                  .repeatable = repeatable,
                                  .function = std::move(function)});
  }
  /// The same, and runs it.
  value_number make(std::vector<value_number> inputs, Function function = {},
                    std::vector<std::size_t> consumes = {}, bool repeatable = true) {
    const operation_number op =
        add(std::move(inputs), std::move(function), std::move(consumes), repeatable);
    stack.run_first(op);
    const value_number made = records.operation(op).outputs[0];
    references.settle(op);
    return made;
  }

  bool evict(value_number value) { return pool.evict_if_possible(records.storage_of(value)); }
  bool is_present(value_number value) const { return records.value(value).is_defined; }
  bool has_recipe(value_number value) const {
    return records.operation(records.value(value).op).has_recipe;
  }
  /// What was told since the last call.
  std::string take_told() { return std::exchange(told, {}); }

  std::string told{};
  reprise::storing::StoreRecords<Payload> records{reprise::Neighbourhood::none, false};
  reprise::storing::EvictionPool<Payload, reprise::Lru> pool;
  reprise::storing::References<Payload, reprise::Lru> references{records, pool};
  reprise::storing::OperationRunner<Payload, reprise::Lru> runner{records, pool, references, 0};
  reprise::storing::RematStack<Payload, reprise::Lru> stack{records, pool, references, runner};
};

}  // namespace reprise_test
