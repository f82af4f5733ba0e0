// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Training on any device.

#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <reprise/planner/run_online.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/cost/flops.hpp>
#include <reprise/program/forms/with_forms.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/operation.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/saved_values.hpp>
#include <reprise/run/run_report.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "checkpoint.hpp"
#include "kept_forms.hpp"
#include "online_net.hpp"
#include "planned_net.hpp"
#include "progress.hpp"
#include "result.hpp"
#include "trainer.hpp"
#include "training.hpp"

namespace gpt {

/// The one implementation of Training.
/// @tparam MakeDevice makes the device that a model is trained on, from the options; it has a name
template <class MakeDevice>
class TrainingOn final : public Training {
 public:
  [[nodiscard]] std::string device_name() const override { return MakeDevice::name(); }

  [[nodiscard]] reprise::byte_count store_all_peak(const Options& options,
                                                   const Corpus& corpus) const override {
    const reprise::Program program = program_of(options, corpus);
    return reprise::StoreAll{}(reprise::PlanRequest{.program = program}).peak_bytes;
  }

  reprise::byte_count check_feasible(const Options& options, const Corpus& corpus,
                                     std::string_view policy,
                                     reprise::byte_count budget) const override {
    const reprise::Program program = program_of(options, corpus, policy, budget);
    return planner_of(policy, planner_options(options, policy))(
               reprise::PlanRequest{.program = program, .budget = budget})
        .peak_bytes;
  }

  [[nodiscard]] std::unique_ptr<TrainingRun> begin(const Options& options, const Corpus& corpus,
                                                   std::string_view policy,
                                                   reprise::byte_count budget) const override {
    if (!is_online(policy)) return begin_planned(options, corpus, policy, budget);
    return with_online_policy(policy, [&](auto eviction) {
      return begin_online(std::move(eviction), options, corpus, policy, budget);
    });
  }

 private:
  using Device = std::invoke_result_t<MakeDevice, const Options&>;

  static reprise::Program program_of(const Options& options, const Corpus& corpus,
                                     std::string_view policy = "store-all",
                                     reprise::byte_count budget = reprise::unlimited_bytes) {
    Model<Device> model(options.shape, options.seed, MakeDevice{}(options));
    model.batches().training.push_back(model.upload(corpus.training_batch(0, options.batch)));
    // Bytes are asked for; FLOPs are the same each time, and nothing is measured for them.
    Options in_flops = options;
    in_flops.counts_flops = true;
    const reprise::Forms<Tensor<Device>> forms = forms_of<Device>(in_flops, policy, budget);
    const reprise::Program program =
        reprise::lower(
            model.graph(), reprise::make_profile(model.graph(), {}, {}), true, reprise::Flops{},
            forms.chooses() ? reprise::SavedValues::by_tensor : reprise::SavedValues::by_node)
            .program;
    return reprise::with_forms(program, reprise::choices_of(forms.choose(program))).program;
  }

  // Balanced has a share of the training's time, on one thread.
  static reprise::PlannerOptions planner_options(const Options& options, std::string_view policy) {
    reprise::PlannerOptions planning{
        .alpha = options.alpha, .seconds = options.plan_seconds, .tries = options.plan_tries};
    planning.threads = policy == "search" ? static_cast<unsigned>(options.threads) : 1;
    return planning;
  }

  /// A trainer of one type, step by step.
  template <class Net>
  class Run final : public TrainingRun {
   public:
    template <class Decider>
    Run(const Options& options, const Corpus& corpus, Decider decider, std::string_view policy,
        reprise::byte_count budget)
        : options_(options),
          trainer_(options, corpus, MakeDevice{}(options), std::move(decider), budget),
          progress_(policy, options.steps,
                    options.batch * options.accumulate * options.shape.context),
          result_{.policy = policy, .is_verified = options.verify_replay} {
      if (budget != reprise::unlimited_bytes) result_.budget_bytes = budget;
      if (options.resume.empty()) return;
      const auto& model = trainer_.model();
      trainer_.resume(read_checkpoint(options.resume, model.shape(), trainer_.element_bytes,
                                      model.parameters().sizes()));
    }

    /// Without a plan, what a policy will do is asked of one that foretells it.
    void foretell(std::function<reprise::byte_count(const reprise::Program&)> oracle) {
      oracle_ = std::move(oracle);
    }

    void step() override {
      const StepResult step = trainer_.step();
      progress_.show(result_.losses.size() + 1, step);
      note(step);
      if (oracle_) foretell();
      if (!std::isfinite(step.loss)) {
        throw reprise::Error("the loss is not finite after step " +
                             std::to_string(result_.losses.size()) + ": try a smaller --lr");
      }
    }

    [[nodiscard]] Result finish() override {
      if (plan_seconds_ > 0) result_.plan_seconds = plan_seconds_;
      result_.settling = settling_steps(result_.seconds.size(), options_.cost_samples);
      const auto skipped = static_cast<std::ptrdiff_t>(result_.settling);
      result_.seconds_per_step =
          spread_of({result_.seconds.begin() + skipped, result_.seconds.end()}).median;
      result_.val_loss = trainer_.validate();
      if (!options_.save.empty()) write_checkpoint(options_.save, trainer_.checkpoint());
      return result_;
    }

   private:
    // Each program that a step ran: its costs change once they are measured.
    void foretell() {
      const reprise::Program& program = trainer_.program();
      std::uint64_t key = program.fingerprint();
      for (const reprise::Operation& operation : program.operations()) {
        key = reprise::hash_combine(key, std::bit_cast<std::uint64_t>(operation.cost));
      }
      if (std::exchange(foretold_, key) == key) return;
      const auto start = std::chrono::steady_clock::now();
      result_.predicted_peak_bytes = std::max(result_.predicted_peak_bytes, oracle_(program));
      result_.decision_seconds =
          static_cast<double>(options_.accumulate) *
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }

    void note(const StepResult& step) {
      const reprise::RunReport& report = step.report;
      result_.losses.push_back(step.loss);
      result_.seconds.push_back(step.seconds);
      result_.recomputed_flops.push_back(report.recomputed_flops);
      result_.peak_activation_bytes = std::max(result_.peak_activation_bytes, step.peak_bytes);
      result_.device_peak_bytes = std::max(result_.device_peak_bytes, step.device_peak_bytes);
      result_.predicted_peak_bytes =
          std::max(result_.predicted_peak_bytes, report.predicted_peak_bytes);
      result_.reserved_bytes = std::max(result_.reserved_bytes, report.reserved_bytes);
      const auto share = 1.0 / static_cast<double>(options_.steps);
      result_.recomputed_flops_per_step += share * report.recomputed_flops;
      result_.forward_flops_per_step += share * report.forward_flops;
      result_.recomputed_cost = report.recomputed_cost;
      result_.bound_cost = report.lower_bound_cost;
      result_.store_all_cost = report.store_all_cost;
      result_.cost_is_flops = report.cost_is_flops;
      result_.exactness = std::max(result_.exactness, report.exactness);
      plan_seconds_ += report.plan_seconds;
    }

    const Options& options_;
    Trainer<Net> trainer_;
    Progress progress_;
    Result result_;
    std::function<reprise::byte_count(const reprise::Program&)> oracle_{};
    std::uint64_t foretold_ = 0;  ///< a hash of the program and its costs
    double plan_seconds_ = 0;
  };

  static std::unique_ptr<TrainingRun> begin_planned(const Options& options, const Corpus& corpus,
                                                    std::string_view policy,
                                                    reprise::byte_count budget) {
    return std::make_unique<Run<PlannedNet<Device, reprise::AnyPlanner>>>(
        options, corpus,
        Decisions<Device, reprise::AnyPlanner>{
            .planner = planner_of(policy, planner_options(options, policy)),
            .forms = forms_of<Device>(options, policy, budget)},
        policy, budget);
  }

  template <reprise::EvictionPolicy P>
  static std::unique_ptr<TrainingRun> begin_online(P eviction, const Options& options,
                                                   const Corpus& corpus, std::string_view policy,
                                                   reprise::byte_count budget) {
    static_cast<void>(TrainingOn{}.check_feasible(options, corpus, policy, budget));
    auto run =
        std::make_unique<Run<OnlineNet<Device, P>>>(options, corpus, eviction, policy, budget);
    run->foretell([eviction = std::move(eviction), budget](const reprise::Program& program) {
      return reprise::run_online(program, eviction, {.budget = budget}).peak_bytes;
    });
    return run;
  }
};

}  // namespace gpt
