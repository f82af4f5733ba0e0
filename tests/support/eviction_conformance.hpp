// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What each eviction policy must do; a model is tested by one line.

#include <doctest/doctest.h>

#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/candidate.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/eviction/neighbourhood.hpp>
#include <reprise/eviction/score.hpp>
#include <reprise/eviction/storage_graph.hpp>
#include <reprise/store/operation_store.hpp>
#include <reprise/store/sizes_only.hpp>
#include <reprise/store/store_event.hpp>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/seed.hpp"

namespace reprise_test {

/// A score as the double that it stands for at a clock.
template <reprise::EvictionScore S>
double number_of(const S& score, std::uint64_t clock) {
  if constexpr (std::same_as<S, double>) {
    return score;
  } else {
    const reprise::scoring::Quotient now = reprise::scoring::at(score, clock);
    if (now.is_infinite()) return std::numeric_limits<double>::infinity();
    return now.is_zero() ? 0 : reprise::scoring::rounded(now);
  }
}

/// The same policy with a score that is a double: victims are found by a scan, which asks for each
/// score anew.
template <reprise::EvictionPolicy P>
struct Scanned {
  static constexpr reprise::Neighbourhood neighbourhood = reprise::neighbourhood_of<P>();

  double score(const reprise::Candidate& value) const {
    return number_of(policy.score(value), value.clock());
  }

  P policy;
};

/// Storages that come, go and are read, and what a policy says of them.
template <reprise::EvictionPolicy P>
class ScoredStorages {
 public:
  ScoredStorages(const P& policy, std::mt19937_64& random) : policy_(policy), random_(random) {}

  /// @returns what is wrong with the scores after a random change; empty if nothing is
  std::string step() {
    act();
    graph_.take_changed(changed_);
    for (const reprise::storage_id id : changed_) storages_[id].score.reset();
    for (reprise::storage_id id = 0; id < storages_.size(); ++id) {
      if (!storages_[id].is_present) continue;
      if (const std::string fault = check(id); !fault.empty()) return fault;
    }
    return "";
  }

 private:
  using Score = std::remove_cvref_t<decltype(std::declval<const P&>().score(
      std::declval<const reprise::Candidate&>()))>;
  struct Storage {
    reprise::byte_count bytes = 0;
    std::uint64_t last_access = 0;
    bool is_present = false;
    std::optional<Score> score{};
  };

  void act() {
    clock_ += random_() % 3;
    if (storages_.size() < 4 || random_() % 4 == 0) return add();
    const auto id = static_cast<reprise::storage_id>(random_() % storages_.size());
    Storage& storage = storages_[id];
    storage.score.reset();
    if (!storage.is_present) {
      graph_.make(id);
      storage.is_present = true;
    } else if (random_() % 2 == 0) {
      graph_.evict(id);
      storage.is_present = false;
    } else {
      storage.last_access = clock_;
    }
  }

  void add() {
    const reprise::storage_id id = graph_.add();
    storages_.push_back({.bytes = random_() % 5, .last_access = clock_, .is_present = true});
    graph_.add_cost(id, random_() % 4);
    for (std::uint64_t i = random_() % 3; i > 0 && id > 0; --i) {
      graph_.link(static_cast<reprise::storage_id>(random_() % id), id);
    }
    graph_.make(id);
  }

  [[nodiscard]] Score ask(const P& policy, reprise::storage_id id) {
    const Storage& storage = storages_[id];
    return policy.score({graph_, id, storage.bytes, storage.last_access, clock_});
  }

  [[nodiscard]] std::string check(reprise::storage_id id) {
    const Score score = ask(policy_, id);
    if (std::isnan(number_of(score, clock_))) return "a score is not a number";
    if (ask(P(policy_), id) != score) return "asked twice, it scores otherwise";
    if constexpr (std::same_as<Score, double>) return "";
    if constexpr (std::same_as<Score, reprise::AgeingScore>) {
      if (score.since > clock_) return "a score ages from the future";
    }
    std::optional<Score>& known = storages_[id].score;
    if (known && *known != score) return "a score changed although nothing that it may look at did";
    known = score;
    return "";
  }

  P policy_;
  std::mt19937_64& random_;
  reprise::StorageGraph graph_{reprise::neighbourhood_of<P>()};
  std::vector<Storage> storages_{};
  std::vector<reprise::storage_id> changed_{};
  std::uint64_t clock_ = 1;
};

/// What a store tells while it runs a random program within a budget.
template <reprise::EvictionPolicy P>
class EvictingRun {
 public:
  using Event = std::tuple<reprise::StoreEvent::Kind, std::uint64_t, std::uint64_t, std::uint64_t>;

  EvictingRun(const P& policy, std::uint64_t seed) : random_(seed), store_(budget, policy) {
    store_.observe([this](const reprise::StoreEvent& event) {
      events_.emplace_back(event.kind, event.number, event.clock, event.live_bytes);
    });
    held_.push_back(store_.constant({}));
    for (int i = 0; i < 150; ++i) step();
    held_.clear();
  }

  [[nodiscard]] const std::vector<Event>& events() const { return events_; }
  [[nodiscard]] std::uint64_t evictions() const { return store_.evictions(); }
  [[nodiscard]] bool keeps_the_budget() const { return store_.account().peak_bytes() <= budget; }
  [[nodiscard]] bool lets_go() const { return store_.live_bytes() == 0; }

 private:
  using Store = reprise::OperationStore<reprise::SizesOnly, P>;
  static constexpr reprise::byte_count budget = 40;

  void step() {
    try {
      if (random_() % 8 == 0) return static_cast<void>(store_.pin(held_[pick()]));
      if (held_.size() > 24) {
        held_.erase(held_.begin() + static_cast<std::ptrdiff_t>(1 + random_() % 7));
      }
      const std::uint64_t cost = random_() % 50;
      const reprise::byte_count bytes = random_() % 6;
      held_.push_back(std::move(store_.run({.cost = cost,
                                            .inputs = {held_[pick()], held_[pick()]},
                                            .outputs = {{.bytes = bytes}}})[0]));
    } catch (const reprise::BudgetExceeded&) {
      // Each level of a recompute locks what it reads.
    }
  }

  // The constant now and then, so that no recompute leads back to the start.
  std::size_t pick() { return random_() % 3 == 0 ? 0 : random_() % held_.size(); }

  std::mt19937_64 random_;
  std::vector<Event> events_{};
  Store store_;
  std::vector<typename Store::Handle> held_{};
};

/// Says how a policy offends against the concept's semantics; empty if it does not.
template <reprise::EvictionPolicy P>
std::string fault_of_eviction_policy(const P& policy, std::mt19937_64& random) {
  for (int round = 0; round < 10; ++round) {
    ScoredStorages<P> storages(policy, random);
    for (int i = 0; i < 100; ++i) {
      if (const std::string fault = storages.step(); !fault.empty()) return fault;
    }
    const std::uint64_t seed = random();
    const EvictingRun<P> run(policy, seed);
    if (run.evictions() == 0) return "nothing was evicted";
    if (!run.keeps_the_budget()) return "the budget was passed";
    if (!run.lets_go()) return "bytes never came back";
    if (run.events() != EvictingRun<Scanned<P>>(Scanned<P>{policy}, seed).events()) {
      return "a scan finds other victims";
    }
  }
  return "";
}

/// Holds a policy to the concept's semantics.
template <reprise::EvictionPolicy P>
void check_eviction_policy(const P& policy) {
  REPRISE_SEEDED(random);
  CHECK(fault_of_eviction_policy(policy, random) == "");
}

}  // namespace reprise_test
