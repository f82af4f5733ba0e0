// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What an online policy makes of a known program.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/release_points.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/operation_store.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What happened in an online run, in terms of its program.
struct OnlineEvent {
  enum class Kind : std::uint8_t { run, rerun, drop };

  Kind kind = Kind::run;
  std::uint32_t index = 0;      ///< an operation, or the value that was dropped
  double clock = 0;             ///< the cost of all that has run, in the program's unit
  byte_count live_bytes = 0;    ///< held after it
  byte_count during_bytes = 0;  ///< held while it ran
};

/// How an online run goes.
struct OnlineOptions {
  byte_count budget = unlimited_bytes;
  /// Recomputation beyond which the run ends as thrashing, in the program's unit of cost.
  double most_recomputed_cost = std::numeric_limits<double>::infinity();
  /// One flag for each value, or empty: never evicted once it was made.
  std::span<const std::uint8_t> pinned{};
  /// One flag for each value, or empty: evicted at the turn.
  std::span<const std::uint8_t> forced{};
  std::function<void(const OnlineEvent&)> observer{};
};

/// How an online run went.
struct OnlineRun {
  enum class Result : std::uint8_t { pass, out_of_memory, thrash };

  Result result = Result::pass;
  Schedule schedule{};         ///< what was done, up to the end or to where it failed
  double recomputed_cost = 0;  ///< in the program's unit of cost
  byte_count peak_bytes = 0;
  std::uint64_t evictions = 0;  ///< to make room; what was released apart
};

namespace online {

/// Plays a program's operations one by one on a store without tensors.
template <EvictionPolicy P>
class Simulator {
 public:
  Simulator(const Program& program, P policy, const OnlineOptions& options)
      : program_(program),
        options_(options),
        account_(std::make_shared<MemoryAccount>(options.budget)),
        store_(account_, std::move(policy)),
        scale_(program.cost_is_flops() ? 1.0 : nanoseconds),
        handles_(program.values().size()) {
    store_.observe([this](const StoreEvent& event) { note(event); });
  }

  [[nodiscard]] OnlineRun run() {
    try {
      hold_what_is_given();
      const std::vector<std::vector<value_id>> released = release_points(program_);
      for (operation_id op = 0; op < program_.operations().size(); ++op) {
        if (op == program_.turn()) evict_what_is_forced();
        if (!run_operation(op)) return finish(OnlineRun::Result::thrash);
        for (const value_id value : released[op]) {
          if (!program_.is_given(value)) handles_[value].reset();
        }
      }
      for (const value_id result : program_.results()) {
        if (program_.is_given(result)) continue;
        store_.keep(handles_[result]);
        if (is_thrashing()) return finish(OnlineRun::Result::thrash);
      }
    } catch (const BudgetExceeded&) {
      return finish(is_thrashing() ? OnlineRun::Result::thrash : OnlineRun::Result::out_of_memory);
    }
    store_.make_room(unlimited_bytes - 1);  // what was remade on the way and nobody asked for
    return finish(OnlineRun::Result::pass);
  }

 private:
  using Store = OperationStore<NoPayload, P>;
  static constexpr double nanoseconds = 1e9;

  void hold_what_is_given() {
    for (value_id v = 0; v < program_.values().size(); ++v) {
      if (program_.is_given(v)) handles_[v] = store_.constant({}, program_.values()[v].bytes);
    }
  }

  void evict_what_is_forced() {
    for (value_id v = 0; v < options_.forced.size(); ++v) {
      if (options_.forced[v] != 0 && handles_[v]) store_.evict(handles_[v]);
    }
  }

  // False if it recomputes too much.
  [[nodiscard]] bool run_operation(operation_id op) {
    const Operation& o = program_.operations()[op];
    typename Store::Request request{
        .cost = static_cast<std::uint64_t>(std::llround(o.cost * scale_)),
        .transient_bytes = o.transient_bytes,
        .repeatable = o.repeatable};
    std::vector<value_id> inputs = o.reads;
    for (const value_id part : o.accumulates) {
      if (!o.adds_in_place) request.transient_bytes += program_.values()[part].bytes;
      if (std::ranges::find(o.writes, part) != o.writes.end()) continue;
      if (std::ranges::find(inputs, part) == inputs.end()) inputs.push_back(part);
    }
    for (const value_id input : inputs) request.inputs.push_back(handles_[input]);
    for (const value_id consumed : o.consumes) request.consumes.push_back(place(inputs, consumed));
    for (const value_id written : o.writes) {
      const Value& value = program_.values()[written];
      typename Store::Output output{.bytes = value.bytes};
      if (value.view_of) output.view_of = place(inputs, *value.view_of);
      request.outputs.push_back(output);
      value_of_number_.push_back(written);
    }
    std::vector<typename Store::Handle> made = store_.run(request);
    for (std::size_t i = 0; i < made.size(); ++i) {
      const value_id written = o.writes[i];
      handles_[written] = std::move(made[i]);
      if (!options_.pinned.empty() && options_.pinned[written] != 0) store_.keep(handles_[written]);
    }
    return !is_thrashing();
  }

  [[nodiscard]] std::size_t place(const std::vector<value_id>& inputs, value_id value) const {
    const auto found = std::ranges::find(inputs, value);
    if (found == inputs.end()) {
      throw InvalidGraph("an operation uses the memory of what it does not read: " +
                         program_.describe(value));
    }
    return static_cast<std::size_t>(found - inputs.begin());
  }

  [[nodiscard]] bool is_thrashing() const {
    return recomputed_cost() > options_.most_recomputed_cost;
  }
  [[nodiscard]] double recomputed_cost() const {
    return static_cast<double>(store_.recomputed_cost()) / scale_;
  }

  void note(const StoreEvent& event) {
    const bool is_drop = event.kind == StoreEvent::Kind::drop;
    const std::uint32_t index =
        is_drop ? value_of_number_[event.number] : static_cast<std::uint32_t>(event.number);
    schedule_.actions.push_back(is_drop ? Action::drop(index) : Action::run(index));
    if (!options_.observer) return;
    options_.observer({.kind = static_cast<OnlineEvent::Kind>(event.kind),
                       .index = index,
                       .clock = static_cast<double>(event.clock) / scale_,
                       .live_bytes = event.live_bytes,
                       .during_bytes = event.during_bytes});
  }

  [[nodiscard]] OnlineRun finish(OnlineRun::Result result) {
    store_.observe({});
    return {.result = result,
            .schedule = std::move(schedule_),
            .recomputed_cost = recomputed_cost(),
            .peak_bytes = account_->peak_bytes(),
            .evictions = store_.evictions()};
  }

  const Program& program_;
  const OnlineOptions& options_;
  std::shared_ptr<MemoryAccount> account_;
  Store store_;
  double scale_;
  std::vector<typename Store::Handle> handles_;
  std::vector<value_id> value_of_number_;
  Schedule schedule_;
};

}  // namespace online

/// Plays a program under an online policy, without tensors: the same events as an engine's run with
/// the same sizes and costs.
///
/// What cannot be repeated stays until the program lets go of it; at the end the results are made
/// present one after another. The schedule of a run that passed is valid for `simulate`.
template <EvictionPolicy P>
[[nodiscard]] OnlineRun run_online(const Program& program, P policy,
                                   const OnlineOptions& options = {}) {
  return online::Simulator<P>(program, std::move(policy), options).run();
}

}  // namespace reprise::inline v0
