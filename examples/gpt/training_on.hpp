// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Training on any device.

#include <algorithm>
#include <cmath>
#include <reprise/core/error.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/planner/plan.hpp>
#include <reprise/planner/planner_by_name.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "checkpoint.hpp"
#include "online_net.hpp"
#include "planned_net.hpp"
#include "progress.hpp"
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
    const reprise::Program program = program_of(options, corpus);
    return planner_of(policy, planner_options(options, policy))(
               reprise::PlanRequest{.program = program, .budget = budget})
        .peak_bytes;
  }

  [[nodiscard]] Result train(const Options& options, const Corpus& corpus, std::string_view policy,
                             reprise::byte_count budget) const override {
    if (!is_online(policy)) return train_planned(options, corpus, policy, budget);
    return with_online_policy(policy, [&](auto eviction) {
      return train_online(std::move(eviction), options, corpus, policy, budget);
    });
  }

 private:
  using Device = std::invoke_result_t<MakeDevice, const Options&>;

  static reprise::Program program_of(const Options& options, const Corpus& corpus) {
    Model<Device> model(options.shape, options.seed, MakeDevice{}(options));
    model.batches().training.push_back(model.upload(corpus.training_batch(0, options.batch)));
    return reprise::lower(model.graph(), reprise::make_profile(model.graph(), {}, {})).program;
  }

  // Balanced has a share of the training's time, on one thread.
  static reprise::PlannerOptions planner_options(const Options& options, std::string_view policy) {
    reprise::PlannerOptions planning{
        .alpha = options.alpha, .seconds = options.plan_seconds, .tries = options.plan_tries};
    planning.threads = policy == "search" ? static_cast<unsigned>(options.threads) : 1;
    return planning;
  }

  static double median(std::vector<double> numbers) {
    const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
    std::ranges::nth_element(numbers, middle);
    return *middle;
  }

  template <class Trainer>
  static Result run_steps(Trainer& trainer, const Options& options, std::string_view policy) {
    Result result{.policy = policy};
    Progress progress(policy, options.steps,
                      options.batch * options.accumulate * options.shape.context);
    std::vector<double> seconds;
    double plan_seconds = 0;
    for (std::size_t i = 1; i <= options.steps; ++i) {
      const StepResult step = trainer.step();
      progress.show(i, step);
      result.losses.push_back(step.loss);
      result.recomputed_flops.push_back(step.report.recomputed_cost);
      result.peak_activation_bytes = std::max(result.peak_activation_bytes, step.peak_bytes);
      result.device_peak_bytes = std::max(result.device_peak_bytes, step.device_peak_bytes);
      result.predicted_peak_bytes =
          std::max(result.predicted_peak_bytes, step.report.predicted_peak_bytes);
      result.reserved_bytes = std::max(result.reserved_bytes, step.report.reserved_bytes);
      const auto share = 1.0 / static_cast<double>(options.steps);
      result.recomputed_flops_per_step += share * step.report.recomputed_cost;
      result.forward_flops_per_step += share * step.report.forward_cost;
      result.bound_flops_per_step += share * step.report.lower_bound_cost;
      plan_seconds += step.report.plan_seconds;
      result.is_verified = options.verify_replay;
      if (i > 1 || options.steps == 1) seconds.push_back(step.seconds);
      if (!std::isfinite(step.loss)) {
        throw reprise::Error("the loss is not finite after step " + std::to_string(i) +
                             ": try a smaller --lr");
      }
    }
    if (plan_seconds > 0) result.plan_seconds = plan_seconds;
    result.seconds_per_step = median(std::move(seconds));
    result.val_loss = trainer.validate();
    return result;
  }

  template <class Trainer>
  static Result run_all(Trainer&& trainer, const Options& options, std::string_view policy,
                        reprise::byte_count budget) {
    if (!options.resume.empty()) {
      const auto& model = trainer.model();
      trainer.resume(read_checkpoint(options.resume, model.shape(), trainer.element_bytes,
                                     model.parameters().sizes()));
    }
    Result result = run_steps(trainer, options, policy);
    if (budget != reprise::unlimited_bytes) result.budget_bytes = budget;
    if (!options.save.empty()) write_checkpoint(options.save, trainer.checkpoint());
    return result;
  }

  static Result train_planned(const Options& options, const Corpus& corpus, std::string_view policy,
                              reprise::byte_count budget) {
    using Net = PlannedNet<Device, reprise::AnyPlanner>;
    return run_all(Trainer<Net>(options, corpus, MakeDevice{}(options),
                                planner_of(policy, planner_options(options, policy)), budget),
                   options, policy, budget);
  }

  /// Without a plan, what will happen is asked beforehand.
  template <reprise::EvictionPolicy P>
  static Result train_online(P eviction, const Options& options, const Corpus& corpus,
                             std::string_view policy, reprise::byte_count budget) {
    const reprise::byte_count peak = TrainingOn{}.check_feasible(options, corpus, policy, budget);
    Result result = run_all(Trainer<OnlineNet<Device, P>>(options, corpus, MakeDevice{}(options),
                                                          std::move(eviction), budget),
                            options, policy, budget);
    result.predicted_peak_bytes = peak;
    return result;
  }
};

}  // namespace gpt
