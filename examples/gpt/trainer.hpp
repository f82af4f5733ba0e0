// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Training with Reprise: what an engine's loop looks like.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>
#include <reprise/run/run_report.hpp>
#include <span>
#include <sstream>
#include <utility>
#include <vector>

#include "checkpoint.hpp"
#include "corpus.hpp"
#include "engine/adam_w.hpp"
#include "engine/losses.hpp"
#include "engine/model.hpp"
#include "options.hpp"

namespace gpt {

/// What one step did.
struct StepResult {
  float loss = 0;  ///< mean over the micro-batches
  double seconds = 0;
  std::uint64_t peak_bytes = 0;                      ///< of activations, counted by the allocator
  std::uint64_t live_bytes = 0;                      ///< between forward and backward
  std::optional<std::uint64_t> device_peak_bytes{};  ///< of them, as a GPU's driver counts
  reprise::RunReport report{};
};

/// A model in training within a budget.
/// @tparam Net runs it: `PlannedNet`, `OnlineNet`
template <class Net>
class Trainer {
 public:
  using Device = typename Net::device_type;
  /// Of an element of the model's tensors.
  static constexpr std::uint64_t element_bytes = sizeof(typename Device::Element);

  /// @param decider the planner or the policy
  template <class Decider>
  Trainer(const Options& options, const Corpus& corpus, Device device, Decider decider,
          reprise::byte_count budget)
      : options_(options),
        corpus_(corpus),
        model_(options.shape, options.seed, std::move(device)),
        optimiser_(model_.parameters(), {.learning_rate = options.learning_rate}),
        net_(options, model_, std::move(decider), budget),
        verifies_next_step_(options.verify_replay) {}
  Trainer(const Trainer&) = delete;
  Trainer& operator=(const Trainer&) = delete;

  [[nodiscard]] Model<Device>& model() noexcept { return model_; }

  /// What the last step ran.
  [[nodiscard]] const reprise::Program& program() const { return net_->program(); }

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
    Losses<Device> losses(model_.device(), options_.accumulate);
    for (std::size_t i = 0; i < options_.accumulate; ++i) {
      auto pass = net_->forward();
      losses.note(i, pass.output());
      result.live_bytes = model_.memory().live_bytes();
      net_->backward(std::move(pass), model_.scalar(share));
    }
    net_->end_step();
    optimiser_.step();
    result.report = net_->report();
    note_peaks(result);
    result.loss = losses.mean();  // waits for the device, so that the seconds are its too
    result.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return result;
  }

  /// The mean loss on the validation part.
  float validate() {
    constexpr std::size_t batches = 8;
    Losses<Device> losses(model_.device(), batches);
    for (std::size_t i = 0; i < batches; ++i) {
      model_.batches().evaluation = model_.upload(corpus_.validation_batch(i, options_.batch));
      losses.note(i, net_->infer().front());
    }
    return losses.mean();
  }

  [[nodiscard]] Checkpoint checkpoint() const {
    Checkpoint checkpoint{
        .shape = model_.shape(), .element_bytes = element_bytes, .step = net_->step()};
    for (const auto& entry : model_.parameters().entries()) {
      checkpoint.parameters.push_back(on_host(entry.values));
    }
    for (const auto& moments : optimiser_.moments()) {
      checkpoint.moments.push_back({on_host(moments.first), on_host(moments.second)});
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
      replace(entries[i].values, checkpoint.parameters[i]);
      replace(optimiser_.moments()[i].first, checkpoint.moments[i].first);
      replace(optimiser_.moments()[i].second, checkpoint.moments[i].second);
    }
    model_.parameters().publish();
    optimiser_.set_steps(checkpoint.step);
  }

 private:
  using Buffer = typename Device::template Buffer<float>;

  [[nodiscard]] std::vector<float> on_host(const Buffer& buffer) const {
    return model_.parameters().device().read(
        std::span<const float>(buffer.data(), buffer.size()), [](std::span<const float> elements) {
          return std::vector<float>(elements.begin(), elements.end());
        });
  }
  void replace(Buffer& buffer, const std::vector<float>& elements) {
    model_.device().write(std::span<const float>(elements),
                          std::span<float>(buffer.data(), buffer.size()));
  }

  void choose_batches() {
    auto& batches = model_.batches().training;
    batches.clear();
    for (std::size_t i = 0; i < options_.accumulate; ++i) {
      batches.push_back(model_.upload(
          corpus_.training_batch(net_->step() * options_.accumulate + i, options_.batch)));
    }
  }

  /// Compares the first micro-batch's gradients with those of keeping everything.
  void verify_step() {
    net_->verify_step(
        [this](std::span<const Tensor<Device>* const>) {
          std::vector<Tensor<Device>> gradients;
          gradients.push_back(model_.scalar(1.0F));
          return gradients;
        },
        [this] { model_.parameters().zero_gradients(); });
    model_.memory().trim();  // keeping everything took more than training does
  }

  /// The first step holds the measuring forward too, which is no part of the plan.
  void note_peaks(StepResult& result) {
    const bool measures = result.report.profile_bytes > 0;
    result.peak_bytes = measures ? result.report.peak_bytes : model_.memory().peak_bytes();
    if (!measures) result.device_peak_bytes = model_.device().peak_bytes();
  }

  const Options& options_;
  const Corpus& corpus_;
  Model<Device> model_;
  AdamW<Device> optimiser_;
  Net net_;
  bool verifies_next_step_;
};

}  // namespace gpt
