// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// When to plan, and which plan holds.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <istream>
#include <memory>
#include <ostream>
#include <reprise/core/error.hpp>
#include <reprise/core/recent_map.hpp>
#include <reprise/core/state_words.hpp>
#include <reprise/planner/layer_override.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/program/program.hpp>
#include <reprise/scheduler/replan_every.hpp>
#include <reprise/scheduler/replan_policy.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// Owns when to replan and keeps plans by shape signature; never changes a plan inside a step.
///
/// `begin_step` freezes the statistics; the plan for (statistics, shapes) is made at the first
/// request that shows the shapes. The first statistics trigger a replan, unless the planner ignores
/// them: its plans hold until an override changes.
///
/// It remembers the plans that were used last, as many as it is told. A plan that went is made
/// again, from the same statistics, when its shapes come back: a planner whose plans take long is
/// worth more room. Frozen plans never go.
/// @tparam P the planner; one with a state of its own models StatefulPlanner
/// @tparam R when plans are due
template <Planner P, ReplanPolicy R = ReplanEvery>
class CheckpointScheduler {
  // What is named and not saved would let training resume with other decisions.
  static_assert(StatefulPlanner<P> || !NamesPlannerState<P>,
                "the planner's state and restore cannot be called with the signatures "
                "std::vector<std::uint64_t> state() const and void restore(const "
                "std::vector<std::uint64_t>&)");

 public:
  /// Whether plans may depend on statistics: false for a StatisticsFreePlanner.
  static constexpr bool reads_statistics = !StatisticsFreePlanner<P>;

  /// Nothing is planned yet.
  /// @param max_plans plans that are remembered at most, one for each set of shapes
  /// @throws InvalidArgument if that is 0
  explicit CheckpointScheduler(P planner, R replan = {}, std::size_t max_plans = 64)
      : planner_(std::move(planner)),
        replan_(std::move(replan)),
        max_plans_(max_plans),
        plans_(max_plans) {
    if (max_plans == 0) throw InvalidArgument("0 remembered plans leave none for the step");
  }

  /// The planner itself, not a copy; plans that are made already stay as they are.
  [[nodiscard]] P& planner() noexcept { return planner_; }

  /// The user's word on a layer, whatever the planner; holds from the next step's plans on (while
  /// plans are frozen: from the first step after `thaw`).
  /// @param layer below 16,777,216; the next plan refuses one that the model does not have
  /// @throws InvalidArgument for a larger number, or an override that is none of the kind; nothing
  ///   changes then
  void override_layer(std::size_t layer, LayerOverride word) {
    check_override(layer, word);
    std::vector<LayerOverride>& overrides = state_.overrides;
    if (overrides.size() <= layer) overrides.resize(layer + 1, LayerOverride::none);
    overrides[layer] = word;
    state_.is_due = true;
  }

  /// Whether `begin_step` would look at the statistics. An engine that has to wait for them, on a
  /// device, may hand over none where it would not.
  [[nodiscard]] bool wants_statistics(std::uint64_t step) const {
    if (ignores_statistics(planner_)) return false;
    return !state_.is_frozen && (state_.gradients.empty() || is_plan_due(step));
  }

  /// Freezes the statistics of this step: ĝ a layer, NaN for none, empty before the first. A step
  /// that is begun again, after a failure, keeps its plans.
  void begin_step(std::span<const double> statistics, std::uint64_t step) {
    if (state_.is_frozen) return;
    const bool are_first =
        !ignores_statistics(planner_) && state_.gradients.empty() && !statistics.empty();
    if (!are_first && !is_plan_due(step)) return;
    plans_ = Plans(max_plans_);
    state_.gradients.assign(statistics.begin(), statistics.end());
    state_.planned_overrides = state_.overrides;
    state_.step = step;
    state_.is_due = false;
  }

  /// The plan that holds in this step for a program with these shapes; made anew where it was made
  /// for another budget.
  /// @throws InvalidState if plans are frozen and there is none for these shapes; CorruptState if
  ///   the state that was loaded is of another model; and what `check_request` and the planner
  ///   throw.
  [[nodiscard]] std::shared_ptr<const Plan> plan(std::uint64_t signature, const Program& program,
                                                 byte_count budget,
                                                 std::size_t passes_in_flight = 1) {
    const Known* const known = plans_.find(signature);
    if (known != nullptr && known->plan != nullptr) {
      if (known->budget == budget && known->passes_in_flight == passes_in_flight)
        return known->plan;
      if (state_.is_frozen) return frozen_within(*known, budget, passes_in_flight);
    }
    if (state_.is_frozen && known == nullptr) {
      throw InvalidState("plans are frozen, and of the " + std::to_string(plans_.size()) +
                         " there are none is for these shapes (signature " +
                         std::to_string(signature) + ")");
    }
    check_model(program);
    const PlanRequest request{.program = program,
                              .budget = budget,
                              .gradients = state_.gradients,
                              .step = state_.step,
                              .overrides = state_.planned_overrides,
                              .passes_in_flight = passes_in_flight};
    check_request(request);
    auto made = std::make_shared<const Plan>(planner_(request));
    ++state_.plans_made;
    state_.layers = program.layer_count();
    is_model_known_ = true;
    plans_.insert(signature,
                  {.plan = made, .budget = budget, .passes_in_flight = passes_in_flight});
    return made;
  }

  /// Forgets the plan for these shapes, whose program was wrong.
  void forget(std::uint64_t signature) { plans_.erase(signature); }

  /// From here on no plan changes, whatever statistics come: shapes that have a plan keep it, at
  /// its address, others are refused, and `begin_step` decides nothing. For captured graphs.
  void freeze() noexcept { state_.is_frozen = true; }
  /// Lets plans change again, from the next `begin_step` at which they are due.
  void thaw() noexcept { state_.is_frozen = false; }
  /// Whether plans are held, see `freeze`.
  [[nodiscard]] bool is_frozen() const noexcept { return state_.is_frozen; }

  /// Plans that are remembered now.
  [[nodiscard]] std::size_t plan_count() const noexcept { return plans_.size(); }
  /// Plans made so far.
  [[nodiscard]] std::uint64_t plans_made() const noexcept { return state_.plans_made; }

  /// Writes what the decisions of the next steps depend on, the planner's state included: binary,
  /// the same on every machine, with a checksum. Plans are not part of it, they are recomputed from
  /// the same. Call it between steps.
  /// @throws Error if the stream refuses the bytes.
  void save(std::ostream& out) const {
    StateWriter writer;
    state_.write(writer);
    writer.words(frozen_signatures());
    writer.flag(StatefulPlanner<P>);
    if constexpr (StatefulPlanner<P>) writer.words(planner_.state());
    writer.write(out, format);
  }

  /// Takes up the state that `save` wrote, of a scheduler with the same planner, policy and model;
  /// then the same steps make the same plans. Reads no byte beyond it.
  /// @throws CorruptState if it is truncated, damaged, of another version or of another planner;
  ///   the scheduler is then unchanged. That it is of another model shows at the first plan.
  void load(std::istream& in) {
    StateReader reader(in, format);
    State loaded = State::read(reader);
    const std::vector<std::uint64_t> signatures = reader.words();
    if (reader.flag() != StatefulPlanner<P>) reader.refuse("of another planner");
    if constexpr (StatefulPlanner<P>) {
      const std::vector<std::uint64_t> of_planner = reader.words();
      reader.expect_end();
      planner_.restore(of_planner);
    } else {
      reader.expect_end();
    }
    state_ = std::move(loaded);
    is_model_known_ = false;
    plans_ = Plans(std::max(max_plans_, signatures.size()));
    for (const std::uint64_t signature : signatures) plans_.insert(signature, {});
  }

 private:
  static constexpr StateFormat format{
      .magic = {'R', 'P', 'R', 'S', 'C', 'H', 'E', 'D'}, .version = 1, .name = "scheduler state"};

  /// All that decisions depend on beside the planner.
  struct State {
    std::uint64_t step = 0;  ///< that plans are of
    std::uint64_t layers = 0;
    std::uint64_t plans_made = 0;
    bool is_due = true;
    bool is_frozen = false;
    std::vector<double> gradients{};
    std::vector<LayerOverride> overrides{};
    std::vector<LayerOverride> planned_overrides{};  ///< as they were at the step of the plans

    void write(StateWriter& writer) const {
      writer.word(step);
      writer.word(layers);
      writer.word(plans_made);
      writer.flag(is_due);
      writer.flag(is_frozen);
      writer.reals(gradients);
      write_overrides(writer, overrides);
      write_overrides(writer, planned_overrides);
    }

    [[nodiscard]] static State read(StateReader& reader) {
      State state;
      state.step = reader.word();
      state.layers = reader.word();
      state.plans_made = reader.word();
      state.is_due = reader.flag();
      state.is_frozen = reader.flag();
      state.gradients = reader.reals();
      for (const double gradient : state.gradients) {
        if (std::isinf(gradient) || gradient < 0) {
          reader.refuse("a statistic is " + std::to_string(gradient));
        }
      }
      state.overrides = read_overrides(reader);
      state.planned_overrides = read_overrides(reader);
      return state;
    }

    static void write_overrides(StateWriter& writer, std::span<const LayerOverride> overrides) {
      writer.word(overrides.size());
      for (const LayerOverride word : overrides) writer.word(static_cast<std::uint64_t>(word));
    }

    [[nodiscard]] static std::vector<LayerOverride> read_overrides(StateReader& reader) {
      std::vector<LayerOverride> overrides;
      for (const std::uint64_t word : reader.words()) {
        if (word > static_cast<std::uint64_t>(LayerOverride::must_recompute)) {
          reader.refuse("an override is " + std::to_string(word));
        }
        overrides.push_back(static_cast<LayerOverride>(word));
      }
      return overrides;
    }
  };

  static constexpr std::size_t most_layers = std::size_t{1} << 24U;

  static void check_override(std::size_t layer, LayerOverride word) {
    check_override_kind(layer, word);
    if (layer < most_layers) return;
    throw InvalidArgument("an override of layer " + std::to_string(layer) + " of " +
                          std::to_string(most_layers) + " at most");
  }

  [[nodiscard]] bool is_plan_due(std::uint64_t step) const {
    if (ignores_statistics(planner_)) return state_.is_due;
    return state_.is_due || step < state_.step || replan_(step - state_.step);
  }

  void check_model(const Program& program) const {
    const std::size_t layers = program.layer_count();
    if (!is_model_known_ && state_.layers != 0 && state_.layers != layers) {
      throw CorruptState("scheduler state: of a model of " + std::to_string(state_.layers) +
                         " layers, this one has " + std::to_string(layers));
    }
  }

  [[nodiscard]] std::vector<std::uint64_t> frozen_signatures() const {
    return state_.is_frozen ? plans_.numbers() : std::vector<std::uint64_t>{};
  }

  struct Known {
    std::shared_ptr<const Plan>
        plan{};  ///< null for shapes that had one when frozen state was saved
    byte_count budget = 0;
    std::size_t passes_in_flight = 0;
  };
  using Plans = RecentMap<Known>;

  // A frozen plan stays as it is, if another budget has room for it.
  [[nodiscard]] static std::shared_ptr<const Plan> frozen_within(const Known& known,
                                                                 byte_count budget,
                                                                 std::size_t passes_in_flight) {
    if (passes_in_flight <= known.passes_in_flight && known.plan->peak_bytes <= budget) {
      return known.plan;
    }
    throw InvalidState("plans are frozen, and the one for these shapes takes " +
                       std::to_string(known.plan->peak_bytes) + " bytes with " +
                       std::to_string(known.passes_in_flight) +
                       " passes in flight, not within a budget of " + std::to_string(budget) +
                       " with " + std::to_string(passes_in_flight));
  }

  P planner_;
  R replan_;
  std::size_t max_plans_;
  State state_;
  bool is_model_known_ = false;  ///< false from `load` to the first plan
  Plans plans_;                  ///< by shape signature
};

}  // namespace reprise::inline v0
