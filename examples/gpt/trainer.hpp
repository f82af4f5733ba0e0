// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Training with Reprise: what an engine's loop looks like.

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <reprise/core/units.hpp>
#include <reprise/run/run_report.hpp>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "checkpoint.hpp"
#include "corpus.hpp"
#include "engine/adam_w.hpp"
#include "engine/model.hpp"
#include "options.hpp"

namespace gpt {

/// What one step did.
struct StepResult {
  float loss = 0;  ///< mean over the micro-batches
  double seconds = 0;
  std::uint64_t peak_bytes = 0;  ///< of activations, counted by the allocator
  std::uint64_t live_bytes = 0;  ///< between forward and backward
  reprise::RunReport report{};
};

/// A model in training within a budget.
/// @tparam Net runs it: `PlannedNet`, `OnlineNet`
template <class Net>
class Trainer {
 public:
  /// @param decider the planner or the policy
  template <class Decider>
  Trainer(const Options& options, const Corpus& corpus, Decider decider, reprise::byte_count budget)
      : options_(options),
        corpus_(corpus),
        model_(options.shape, options.seed),
        optimiser_(model_.parameters(), {.learning_rate = options.learning_rate}),
        net_(options, model_, std::move(decider), budget),
        verifies_next_step_(options.verify_replay) {}
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  [[nodiscard]] Model& model() noexcept { return model_; }

  /// One step: all micro-batches, then the optimiser.
  StepResult step() {
    const auto start = std::chrono::steady_clock::now();
    StepResult result;
    choose_batches();
    net_->begin_step();
    if (std::exchange(verifies_next_step_, false)) verify_step();
    model_.memory().reset_peak();
    model_.parameters().zero_gradients();
    const float share = 1.0F / static_cast<float>(options_.accumulate);
    for (std::size_t i = 0; i < options_.accumulate; ++i) {
      auto pass = net_->forward();
      result.loss += share * *pass.output().data();
      result.live_bytes = model_.memory().live_bytes();
      net_->backward(std::move(pass), model_.scalar(share));
    }
    net_->end_step();
    optimiser_.step();
    result.report = net_->report();
    result.peak_bytes = peak_bytes(result.report);
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

  /// The mean loss on the validation part.
  float validate() {
    constexpr std::size_t batches = 8;
    float sum = 0;
    for (std::size_t i = 0; i < batches; ++i) {
      model_.batches().evaluation = corpus_.validation_batch(i, options_.batch);
      sum += *net_->infer().front().data();
    }
    return sum / static_cast<float>(batches);
  }

  [[nodiscard]] Checkpoint checkpoint() const {
    Checkpoint checkpoint{
        .shape = model_.shape(), .step = net_->step(), .moments = optimiser_.moments()};
    for (const auto& entry : model_.parameters().entries()) {
      checkpoint.parameters.push_back(entry.values);
    }
    std::ostringstream decisions;
    net_.save(decisions);
    checkpoint.decisions = decisions.str();
    return checkpoint;
  }

  /// Goes on from a checkpoint of the same model: with the same options the losses and decisions
  /// are those of a run that never stopped.
  /// @throws reprise::CorruptState if what decides inside is of another model or policy.
  void resume(const Checkpoint& checkpoint) {
    std::istringstream decisions(checkpoint.decisions);
    net_.load(decisions);
    auto& entries = model_.parameters().entries();
    for (std::size_t i = 0; i < entries.size(); ++i) {
      std::ranges::copy(checkpoint.parameters[i], entries[i].values.begin());
      optimiser_.moments()[i] = checkpoint.moments[i];
    }
    optimiser_.set_steps(checkpoint.step);
  }

 private:
  void choose_batches() {
    auto& batches = model_.batches().training;
    batches.clear();
    for (std::size_t i = 0; i < options_.accumulate; ++i) {
      batches.push_back(
          corpus_.training_batch(net_->step() * options_.accumulate + i, options_.batch));
    }
  }

  /// Compares the first micro-batch's gradients with those of keeping everything.
  void verify_step() {
    net_->verify_step(
        [this](std::span<const Tensor* const>) {
          std::vector<Tensor> gradients;
          gradients.push_back(model_.scalar(1.0F));
          return gradients;
        },
        [this] { model_.parameters().zero_gradients(); });
    model_.memory().trim();  // keeping everything took more than training does
  }

  /// The first step holds the measuring forward too, which is no part of the plan.
  [[nodiscard]] std::uint64_t peak_bytes(const reprise::RunReport& report) {
    return report.profile_bytes > 0 ? report.peak_bytes : model_.memory().peak_bytes();
  }

  const Options& options_;
  const Corpus& corpus_;
  Model model_;
  AdamW optimiser_;
  Net net_;
  bool verifies_next_step_;
};

}  // namespace gpt
