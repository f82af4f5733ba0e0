// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What an online policy makes of a known program.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/storages.hpp>
#include <reprise/store/memory_account.hpp>
#include <reprise/store/online_event.hpp>
#include <reprise/store/operation_feed.hpp>
#include <reprise/store/sizes_only.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// How an online run goes.
struct OnlineOptions {
  byte_count budget = unlimited_bytes;  ///< of what is live at once, in bytes
  /// Recomputation beyond which the run ends as thrashing, in the program's unit of cost.
  double most_recomputed_cost = std::numeric_limits<double>::infinity();
  /// Reruns beyond which it does, too: free ones add no cost. 0: a thousand for each operation.
  std::uint64_t most_reruns = 0;
  /// One flag for each value, or empty: never evicted once it was made, as all else that its
  /// operation makes.
  std::span<const std::uint8_t> must_save{};
  /// One flag for each value, or empty: evicted at the loss.
  std::span<const std::uint8_t> must_recompute{};
  OnlineObserver observer{};  ///< hears of each run and drop; empty: nobody does
};

/// How an online run went.
struct OnlineRun {
  /// Why a run ended.
  enum class Result : std::uint8_t {
    pass,           ///< everything ran, and the results are there
    out_of_memory,  ///< an operation did not fit the budget, whatever was evicted for it
    thrash,         ///< it recomputed more than the options allow
  };

  Result result = Result::pass;  ///< why it ended
  Schedule schedule{};           ///< what was done, up to the end or to where it failed
  double recomputed_cost = 0;    ///< in the program's unit of cost
  byte_count peak_bytes = 0;     ///< the most that was live, inside operations too
  std::uint64_t evictions = 0;   ///< to make room; what was released apart
};

namespace online {

/// Plays a program's operations one by one on a store without tensors.
template <EvictionPolicy P>
class Simulator {
 public:
  /// @throws InvalidArgument if flags are not one for each value
  Simulator(const Program& program, P policy, const OnlineOptions& options)
      : program_(checked(program, options)),
        options_(options),
        reruns_left_(options.most_reruns > 0 ? options.most_reruns
                                             : most_reruns_of_each * program.operations().size()),
        account_(std::make_shared<MemoryAccount>(options.budget)),
        policy_(std::move(policy)),
        is_present_(program.values().size(), 0) {}

  [[nodiscard]] OnlineRun run() {
    try {
      feed_.emplace(program_, account_, policy_,
                    [this](operation_id /*op*/, bool is_rerun) { check_rerun(is_rerun); });
      feed_->observe([this](const OnlineEvent& event) { note(event); });
      for (operation_id op = 0; op < program_.operations().size(); ++op) {
        if (op == program_.loss()) evict_what_is_forced();
        feed_->run(op, must_save(op));
        if (is_thrashing()) return finish(OnlineRun::Result::thrash);
        feed_->release_after(op);
      }
      for (const value_id result : program_.results()) {
        if (program_.is_given(result)) continue;
        feed_->keep(result);
        if (is_thrashing()) return finish(OnlineRun::Result::thrash);
      }
    } catch (const RerunsForEver&) {
      return finish(OnlineRun::Result::thrash);
    } catch (const BudgetExceeded&) {
      return finish(is_thrashing() ? OnlineRun::Result::thrash : OnlineRun::Result::out_of_memory);
    }
    feed_->finish();
    drop_what_is_left();
    return finish(OnlineRun::Result::pass);
  }

 private:
  static constexpr std::uint64_t most_reruns_of_each = 1000;

  struct RerunsForEver {};

  // One operation may ask for more recomputation than all of the rest.
  void check_rerun(bool is_rerun) {
    if (is_rerun && (reruns_left_ == 0 || is_thrashing())) throw RerunsForEver{};
  }

  [[nodiscard]] static const Program& checked(const Program& program,
                                              const OnlineOptions& options) {
    check_flags(program, options.must_save, "must_save");
    check_flags(program, options.must_recompute, "must_recompute");
    return program;
  }
  static void check_flags(const Program& program, std::span<const std::uint8_t> flags,
                          const char* name) {
    if (flags.empty() || flags.size() == program.values().size()) return;
    throw InvalidArgument(std::string(name) + " flags of " + std::to_string(flags.size()) +
                          " values for a program of " + std::to_string(program.values().size()) +
                          " values");
  }

  void evict_what_is_forced() {
    for (value_id v = 0; v < options_.must_recompute.size(); ++v) {
      if (options_.must_recompute[v] != 0) feed_->evict(v);
    }
  }

  [[nodiscard]] bool must_save(operation_id op) const {
    return !options_.must_save.empty() &&
           std::ranges::any_of(program_.operations()[op].writes,
                               [&](value_id written) { return options_.must_save[written] != 0; });
  }

  [[nodiscard]] double recomputed_cost() const { return feed_ ? feed_->recomputed_cost() : 0; }
  [[nodiscard]] bool is_thrashing() const {
    return recomputed_cost() > options_.most_recomputed_cost;
  }

  void note(const OnlineEvent& event) {
    if (event.kind == OnlineEvent::Kind::rerun) --reruns_left_;
    if (event.kind == OnlineEvent::Kind::drop) {
      drop(event.index);
    } else {
      run(event.index);
    }
    if (options_.observer) options_.observer(event);
  }

  void run(operation_id op) {
    const Operation& o = program_.operations()[op];
    for (const value_id consumed : o.consumes) {
      if (!feed_->leaves_storage(consumed)) drop_what_shares(consumed);
    }
    schedule_.actions.push_back(Action::run(op));
    for (const value_id written : o.writes) is_present_[written] = 1;
    for (const value_id consumed : o.consumes) is_present_[consumed] = 0;
  }
  void drop(value_id value) {
    // Taken over, and its storage went on for others.
    if (is_present_[value] == 0) return;
    schedule_.actions.push_back(Action::drop(value));
    is_present_[value] = 0;
  }

  // The store does not tell of values without bytes of their own that go with others: views whose
  // storage is taken over.
  void drop_what_shares(value_id consumed) {
    if (sharers_.empty()) list_sharers();
    for (const value_id other : sharers_[storages_[consumed]]) {
      if (other != consumed && is_present_[other] != 0) drop(other);
    }
  }
  void list_sharers() {
    storages_ = storages_of(program_);
    sharers_.resize(storages_.size());
    for (value_id v = 0; v < storages_.size(); ++v) {
      if (!program_.is_given(v)) sharers_[storages_[v]].push_back(v);
    }
  }

  // Nor of those that nobody needs any more while another one keeps their storage.
  void drop_what_is_left() {
    for (const value_id result : program_.results()) is_present_[result] = 0;
    for (value_id v = 0; v < is_present_.size(); ++v) {
      if (is_present_[v] != 0 && !program_.values()[v].stays) drop(v);
    }
  }

  [[nodiscard]] OnlineRun finish(OnlineRun::Result result) {
    return {.result = result,
            .schedule = std::move(schedule_),
            .recomputed_cost = recomputed_cost(),
            .peak_bytes = account_->peak_bytes(),
            .evictions = feed_ ? feed_->evictions() : 0};
  }

  const Program& program_;
  const OnlineOptions& options_;
  std::uint64_t reruns_left_;
  std::shared_ptr<MemoryAccount> account_;
  P policy_;
  Schedule schedule_;
  std::vector<std::uint8_t> is_present_;
  std::vector<value_id> storages_;              ///< once something is consumed
  std::vector<std::vector<value_id>> sharers_;  ///< of a storage: the values that lie in it
  std::optional<OperationFeed<SizesOnly, P>> feed_;
};

}  // namespace online

/// Plays a program under an online policy, without tensors: the same events as an engine's run with
/// the same sizes and costs.
///
/// What cannot be repeated stays until the program lets go of it; at the end the results are made
/// present one after another. The schedule of a run that passed is valid for `simulate`.
/// @throws InvalidArgument if the options' flags are not one for each value
template <EvictionPolicy P>
[[nodiscard]] OnlineRun run_online(const Program& program, P policy,
                                   const OnlineOptions& options = {}) {
  return online::Simulator<P>(program, std::move(policy), options).run();
}

}  // namespace reprise::inline v0
