// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=100000

// Random sequences of operations that take over what others still need, against keeping everything.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/eviction/dtr.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/eviction/largest.hpp>
#include <reprise/eviction/lru.hpp>
#include <reprise/store/operation_store.hpp>
#include <reprise/store/operation_store_options.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/counting_tensor.hpp"
#include "support/seed.hpp"

namespace {

using Tensor = reprise_test::BasicCountingTensor<double>;
using reprise_test::CountingMemory;
using Numbers = std::vector<double>;

struct EngineFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What all sequences reached together.
struct Reached {
  std::uint64_t runs = 0;
  std::uint64_t reruns = 0;
  std::uint64_t in_place_reruns = 0;
  std::uint64_t failures_in_reruns = 0;
  std::uint64_t failures_after_taking = 0;
  std::uint64_t reads_of_taken = 0;  ///< of values that an operation had taken over
  std::uint64_t over_budget = 0;
  std::uint64_t pinned_refusals = 0;
  std::uint64_t lost = 0;       ///< could not be recomputed, since nothing can
  std::uint64_t together = 0;   ///< inputs that cannot be there at once
  std::uint64_t most_runs = 0;  ///< in one call
};

Numbers numbers_of(const Tensor& tensor) {
  return tensor.size() == 0 ? Numbers{} : Numbers(tensor.data(), tensor.data() + tensor.size());
}

/// An engine that hands over random operations and knows what each value must be.
template <class Policy>
class Sequence {
 public:
  Sequence(std::mt19937_64& random, Reached& reached)
      : random_(random),
        reached_(reached),
        has_views_of_several_(chance(0.2)),
        has_unrepeatable_(chance(0.3)),
        is_limited_(chance(0.75)),
        failure_rate_(chance(0.5) ? 0.04 : 0),
        callback_rate_(chance(0.5) ? 0.15 : 0),
        budget_(is_limited_ ? 8 * (4 + pick(28)) : reprise::unlimited_bytes),
        store_(budget_, Policy{}, {.seed = random_(), .verify_replay = chance(0.25)}) {
    for (int i = 0; i < 2; ++i) add_constant();
  }

  std::string run() {
    const std::size_t steps = 5 + pick(35);
    for (std::size_t i = 0; i < steps && fault_.empty(); ++i) {
      guarded([&] { act(); });
      check_between();
    }
    finish();
    return fault_;
  }

 private:
  using Store = reprise::OperationStore<Tensor, Policy>;
  using Handle = typename Store::Handle;
  using Pin = typename Store::Pin;
  using Request = typename Store::Request;

  struct Storage {
    bool is_fixed = false;  ///< constant or kept
    bool was_taken = false;
  };
  struct Cell {
    Handle handle;
    Numbers expected;
    std::size_t storage = 0;
  };
  struct Held {
    Pin pin;
    Numbers expected;
  };
  struct Operation {
    std::uint64_t salt = 0;
    std::vector<Numbers> inputs{};
    std::vector<std::size_t> consumes{};
    std::vector<std::optional<std::size_t>> view_of{};
    std::vector<Numbers> outputs{};
    std::vector<std::size_t> storages{};  ///< of the inputs
    std::size_t transient = 0;
  };

  bool chance(double p) { return std::uniform_real_distribution<double>(0, 1)(random_) < p; }
  std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  std::optional<std::size_t> pick_held() {
    for (int i = 0; i < 20 && !cells_.empty(); ++i) {
      // The latest are read most, as in an engine.
      const std::size_t back = std::min(pick(cells_.size()), pick(cells_.size()));
      const std::size_t cell = cells_.size() - 1 - back;
      if (cells_[cell].handle) return cell;
    }
    return std::nullopt;
  }

  void fail(const std::string& what) {
    if (fault_.empty()) fault_ = what;
  }

  template <class F>
  void guarded(F&& f) {
    calls_ = 0;
    may_be_lost_ = false;
    try {
      f();
    } catch (const EngineFailure&) {
    } catch (const reprise::BudgetExceeded& refused) {
      ++reached_.over_budget;
      if (!is_limited_) fail(std::string("refused without a budget: ") + refused.what());
    } catch (const reprise::InvalidState& refused) {
      note_refusal(refused.what());
    } catch (const reprise::Error& refused) {
      fail(std::string("refused: ") + refused.what());
    }
    reached_.most_runs = std::max(reached_.most_runs, calls_);
  }

  // All of these are documented; whether one may happen here, the sequence knows.
  void note_refusal(const std::string& what) {
    if (what.find("pinned") != std::string::npos && !pins_.empty()) {
      ++reached_.pinned_refusals;
    } else if (what.find("cannot be kept") != std::string::npos) {
    } else if (what.find("is gone") != std::string::npos && has_unrepeatable_ && may_be_lost_) {
      ++reached_.lost;
    } else if (what.find("at once") != std::string::npos && has_views_of_several_) {
      ++reached_.together;
    } else {
      fail("refused: " + what);
    }
  }

  void check_between() {
    for (const Held& held : pins_) {
      if (numbers_of(*held.pin) != held.expected) fail("what was pinned changed");
    }
    if (memory_.live != store_.live_bytes()) {
      fail("the store says " + std::to_string(store_.live_bytes()) + " bytes, the allocator " +
           std::to_string(memory_.live));
    }
    if (memory_.peak > budget_) fail("the allocator passed the budget");
    if (store_.account().peak_bytes() > budget_) fail("the account passed the budget");
  }

  void act() {
    switch (pick(20)) {
      case 0:
      case 1:
        return release();
      case 2:
        return copy();
      case 3:
        return read(true);
      case 4:
      case 5:
        return read(false);
      case 6:
        if (!pins_.empty()) pins_.erase(pins_.begin() + std::ptrdiff_t(pick(pins_.size())));
        return;
      case 7:
        static_cast<void>(store_.make_room(chance(0.5) ? 10'000 : 8 * pick(8)));
        return;
      case 8:
        return evict();
      case 9:
        if (chance(0.3)) keep();
        return;
      default:
        return add_operation();
    }
  }

  void add_constant() {
    Numbers expected(1 + pick(3));
    Tensor tensor(memory_of_constants_, expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) tensor[i] = expected[i] = double(pick(1000));
    storages_.push_back({.is_fixed = true});
    cells_.push_back({store_.constant(tensor), expected, storages_.size() - 1});
  }

  void release() {
    if (const auto cell = pick_held()) cells_[*cell].handle.reset();
  }
  void copy() {
    if (const auto cell = pick_held()) cells_.push_back(Cell(cells_[*cell]));
  }
  void evict() {
    if (const auto cell = pick_held()) static_cast<void>(store_.evict(cells_[*cell].handle));
  }

  void read(bool holds) {
    const auto cell = pick_held();
    if (cell) read(*cell, holds);
  }
  void read(std::size_t cell, bool holds) {
    const Numbers expected = cells_[cell].expected;
    const bool was_taken = storages_[cells_[cell].storage].was_taken;
    may_be_lost_ = was_taken;
    Pin pin = store_.pin(cells_[cell].handle);
    if (numbers_of(*pin) != expected) fail("a value is wrong");
    if (was_taken) ++reached_.reads_of_taken;
    if (holds && pins_.size() < 3) pins_.push_back({std::move(pin), expected});
  }

  void keep() {
    const auto cell = pick_held();
    if (!cell) return;
    const std::size_t storage = cells_[*cell].storage;
    may_be_lost_ = storages_[storage].was_taken;
    store_.keep(cells_[*cell].handle);
    storages_[storage].is_fixed = true;
  }

  void add_operation() {
    std::vector<std::size_t> inputs;
    for (std::size_t n = pick(4); n > 0; --n) {
      if (const auto cell = pick_held()) inputs.push_back(*cell);
    }
    Operation op{.salt = random_(), .transient = pick(4) == 0 ? pick(3) : 0};
    Request request{.cost = 1 + pick(9), .transient_bytes = 8 * op.transient};
    request.repeatable = !has_unrepeatable_ || !chance(0.15);
    for (const std::size_t cell : inputs) {
      request.inputs.push_back(cells_[cell].handle);
      op.inputs.push_back(cells_[cell].expected);
      op.storages.push_back(cells_[cell].storage);
      may_be_lost_ = may_be_lost_ || storages_[op.storages.back()].was_taken;
    }
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (chance(0.4) && (may_take(inputs, i) || chance(0.03))) op.consumes.push_back(i);
    }
    if (!op.consumes.empty() && chance(0.01)) op.consumes.push_back(op.consumes.front());
    bool is_right = std::ranges::all_of(op.consumes, [&](std::size_t i) {
      return may_take(inputs, i) && std::ranges::count(op.consumes, i) == 1;
    });
    for (std::size_t n = 1 + (chance(0.3) ? pick(3) : 0); n > 0; --n) {
      is_right = add_output(inputs, op, request) && is_right;
    }
    request.consumes = op.consumes;
    request.run = function(op);
    hand_over(op, request, is_right);
  }

  bool may_take(const std::vector<std::size_t>& inputs, std::size_t i) const {
    const std::size_t storage = cells_[inputs[i]].storage;
    return !storages_[storage].is_fixed && std::ranges::count_if(inputs, [&](std::size_t cell) {
                                             return cells_[cell].storage == storage;
                                           }) == 1;
  }

  // Returns whether the store must take it.
  bool add_output(const std::vector<std::size_t>& inputs, Operation& op, Request& request) {
    const bool may_view = inputs.size() == 1 || (inputs.size() > 1 && has_views_of_several_);
    if (may_view && chance(0.3)) {
      const std::size_t source = pick(inputs.size());
      const bool is_taken = std::ranges::count(op.consumes, source) > 0;
      if (!is_taken || chance(0.05)) {
        op.view_of.push_back(source);
        op.outputs.push_back(op.inputs[source]);
        request.outputs.push_back({.view_of = source});
        return !is_taken;
      }
    }
    Numbers made(1 + pick(3));
    if (!op.consumes.empty() && chance(0.7)) made.resize(op.inputs[op.consumes[0]].size());
    for (std::size_t k = 0; k < made.size(); ++k) {
      std::uint64_t hash = reprise::hash_combine(op.salt, op.outputs.size() * 10 + k);
      for (const Numbers& input : op.inputs) {
        for (const double x : input) hash = reprise::hash_combine(hash, std::uint64_t(x));
      }
      made[k] = double(hash % 1'000'003);
    }
    op.view_of.push_back(std::nullopt);
    op.outputs.push_back(made);
    request.outputs.push_back({.bytes = 8 * made.size()});
    return true;
  }

  void hand_over(const Operation& op, const Request& request, bool is_right) {
    std::vector<Handle> made;
    try {
      made = store_.run(request);
      if (!is_right) fail("taken, and was to be refused");
    } catch (const reprise::InvalidArgument&) {
      if (is_right) throw;
      return;
    }
    for (std::size_t i = 0; i < made.size(); ++i) {
      if (!op.view_of[i]) storages_.push_back({});
      const std::size_t storage =
          op.view_of[i] ? op.storages[*op.view_of[i]] : storages_.size() - 1;
      cells_.push_back({std::move(made[i]), op.outputs[i], storage});
    }
  }

  auto function(const Operation& op) {
    return [this, op](std::span<Tensor* const> in, std::span<Tensor> out,
                      const reprise::PassContext& pass) {
      ++calls_;
      ++(pass.is_recompute() ? reached_.reruns : reached_.runs);
      if (pass.is_recompute() && !op.consumes.empty()) ++reached_.in_place_reruns;
      if (calls_ > most_calls) fail("runs without end");
      for (std::size_t i = 0; i < in.size(); ++i) {
        if (numbers_of(*in[i]) != op.inputs[i]) fail("a function was handed a wrong input");
      }
      if (!fault_.empty()) throw EngineFailure("a fault");
      for (const std::size_t i : op.consumes) storages_[op.storages[i]].was_taken = true;
      if (chance(callback_rate_)) call_back();
      may_fail(pass, false);
      compute(op, in, out);
      may_fail(pass, !op.consumes.empty());
    };
  }

  void may_fail(const reprise::PassContext& pass, bool has_taken) {
    if (!chance(failure_rate_)) return;
    if (pass.is_recompute()) ++reached_.failures_in_reruns;
    if (has_taken) ++reached_.failures_after_taking;
    throw EngineFailure("the engine's own");
  }

  void compute(const Operation& op, std::span<Tensor* const> in, std::span<Tensor> out) {
    std::vector<Tensor> taken;
    for (const std::size_t i : op.consumes) taken.push_back(std::exchange(*in[i], Tensor{}));
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (op.view_of[i]) {
        out[i] = *in[*op.view_of[i]];
        continue;
      }
      const auto fits = std::ranges::find_if(
          taken, [&](const Tensor& t) { return t.size() == op.outputs[i].size(); });
      if (fits != taken.end()) {
        out[i] = std::exchange(*fits, Tensor{});
        out[i].changed();
      }
    }
    taken.clear();
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (op.view_of[i]) continue;
      if (out[i].size() == 0) out[i] = Tensor(memory_, op.outputs[i].size());
      std::ranges::copy(op.outputs[i], out[i].data());
    }
    if (op.transient > 0) Tensor(memory_, op.transient);
  }

  void call_back() {
    const auto cell = pick_held();
    switch (pick(6)) {
      case 0:
        if (cell) cells_[*cell].handle.reset();
        return;
      case 1:
        static_cast<void>(store_.make_room(chance(0.5) ? 10'000 : 8 * pick(8)));
        return;
      case 2:
        if (!pins_.empty()) pins_.pop_back();
        return;
      case 3:
        return evict();
      case 4:
        for (Cell& each : cells_) {
          if (chance(0.3)) each.handle.reset();
        }
        return;
      default:
        try {
          if (cell) static_cast<void>(store_.pin(cells_[*cell].handle));
          if (cell) fail("a function made a value present");
        } catch (const reprise::InvalidState&) {
        }
    }
  }

  void finish() {
    if (!fault_.empty()) return;
    failure_rate_ = 0;
    callback_rate_ = 0;
    pins_.clear();
    if (chance(0.5)) static_cast<void>(store_.make_room(10'000));
    for (std::size_t cell = 0; cell < cells_.size() && fault_.empty(); ++cell) {
      if (!cells_[cell].handle) continue;
      guarded([&] { read(cell, false); });
      check_between();
    }
    cells_.clear();
    if (store_.live_bytes() != 0) fail("bytes that never come back");
    check_between();
  }

  static constexpr std::uint64_t most_calls = 20'000;

  std::mt19937_64& random_;
  Reached& reached_;
  bool has_views_of_several_;
  bool has_unrepeatable_;
  bool is_limited_;
  double failure_rate_;
  double callback_rate_;
  reprise::byte_count budget_;
  CountingMemory memory_of_constants_{};
  CountingMemory memory_{};
  bool may_be_lost_ = false;  ///< what is read now: nothing may be able to recompute it
  std::uint64_t calls_ = 0;
  std::string fault_{};
  Store store_;
  std::vector<Storage> storages_{};
  std::vector<Cell> cells_{};
  std::vector<Held> pins_{};
};

template <class Policy>
std::string run_one(std::uint64_t seed, Reached& reached) {
  std::mt19937_64 random(seed);
  return Sequence<Policy>(random, reached).run();
}

std::string run_case(std::uint64_t seed, Reached& reached) {
  switch (seed % 4) {
    case 0:
      return run_one<reprise::Dtr>(seed, reached);
    case 1:
      return run_one<reprise::DtrEqClass>(seed, reached);
    case 2:
      return run_one<reprise::Lru>(seed, reached);
    default:
      return run_one<reprise::Largest>(seed, reached);
  }
}

}  // namespace

TEST_CASE("what operations take over is recomputed for all who still need it") {
  const std::size_t cases = reprise_test::cases(2000);
  const std::uint64_t first = reprise_test::seed();
  Reached reached;
  std::uint64_t wrong = 0;
  std::string what;
  for (std::uint64_t i = 0; i < cases; ++i) {
    const std::string fault = run_case(first + i, reached);
    if (fault.empty()) continue;
    if (wrong++ == 0) what = "REPRISE_SEED=" + std::to_string(first + i) + ": " + fault;
  }
  MESSAGE(wrong, " of ", cases, " sequences wrong; runs ", reached.runs, ", reruns ",
          reached.reruns, " (in place ", reached.in_place_reruns, "), failed in reruns ",
          reached.failures_in_reruns, ", after taking over ", reached.failures_after_taking,
          ", reads of what was taken over ", reached.reads_of_taken, ", refused for the budget ",
          reached.over_budget, ", for a pin ", reached.pinned_refusals, ", lost ", reached.lost,
          ", never at once ", reached.together, ", most runs in a call ", reached.most_runs);
  REQUIRE_MESSAGE(wrong == 0, what);
  CHECK(reached.in_place_reruns > cases);
  CHECK(reached.reads_of_taken > cases / 2);
  CHECK(reached.failures_in_reruns > cases / 20);
  CHECK(reached.failures_after_taking > cases / 20);
  CHECK(reached.over_budget > cases / 4);
  CHECK(reached.pinned_refusals > cases / 20);
}
