// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The model under a planner.

#include <istream>
#include <ostream>
#include <reprise/backend/host.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/planner.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/scheduler/replan_every.hpp>
#include <reprise/stats/cadence.hpp>
#include <reprise/stats/ema.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <reprise/store/forms.hpp>
#include <reprise/store/remat_store.hpp>
#include <utility>

#include "cost_model.hpp"
#include "engine/model.hpp"
#include "options.hpp"

namespace gpt {

/// What reads the gradients where the device has them: its own backend, or the host's.
template <class Device>
[[nodiscard]] auto statistics_backend(Device& device) {
  if constexpr (requires { device.statistics_backend(); }) {
    return device.statistics_backend();
  } else {
    return reprise::DefaultBackend{};
  }
}

/// Who plans, and what is kept in which form.
template <class Device, reprise::Planner P>
struct Decisions {
  P planner;
  reprise::Forms<Tensor<Device>> forms{};
};

/// A model's graph with the statistics, the plans and the passes of its training.
template <class Device, reprise::Planner P>
class PlannedNet {
 public:
  using device_type = Device;

  PlannedNet(const Options& options, Model<Device>& model, Decisions<Device, P> decisions,
             reprise::byte_count budget)
      : tracker_(model.graph(), reprise::Ema{.beta = options.beta},
                 reprise::EverySteps{.steps = options.cadence}, statistics_backend(model.device())),
        scheduler_(std::move(decisions.planner), reprise::ReplanEvery{.steps = options.cadence}),
        store_(std::move(decisions.forms), {.budget = budget}),
        net_(model.graph(), tracker_, scheduler_, store_,
             reprise::CheckpointedOptions{
                 .seed = options.seed,
                 .verify_replay = options.verify_replay,
                 .cost_model = cost_model(options, model.device()),
                 .reserved_bytes = [&model] { return model.memory().reserved_bytes(); }}) {}
  PlannedNet(const PlannedNet&) = delete;
  PlannedNet& operator=(const PlannedNet&) = delete;

  [[nodiscard]] auto* operator->() noexcept { return &net_; }
  [[nodiscard]] const auto* operator->() const noexcept { return &net_; }

  /// Writes all that decides.
  void save(std::ostream& out) const {
    tracker_.save(out);
    scheduler_.save(out);
    net_.save(out);
  }
  void load(std::istream& in) {
    tracker_.load(in);
    scheduler_.load(in);
    net_.load(in);
  }

 private:
  using Tracker =
      reprise::GradientStatTracker<decltype(statistics_backend(std::declval<Device&>())),
                                   reprise::Ema, reprise::EverySteps>;
  using Scheduler = reprise::CheckpointScheduler<P, reprise::ReplanEvery>;

  Tracker tracker_;
  Scheduler scheduler_;
  using Store = reprise::RematStore<reprise::Scheduled, reprise::Forms<Tensor<Device>>>;

  Store store_;
  reprise::Checkpointed<ModelGraph<Device>, Tracker, Scheduler, Store> net_;
};

}  // namespace gpt
