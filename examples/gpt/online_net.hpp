// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The model under an online policy.

#include <istream>
#include <ostream>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/store/remat_store.hpp>
#include <utility>

#include "cost_model.hpp"
#include "engine/model.hpp"
#include "options.hpp"

namespace gpt {

/// A model's graph, run operation by operation.
template <class Device, reprise::EvictionPolicy P>
class OnlineNet {
 public:
  using device_type = Device;

  OnlineNet(const Options& options, Model<Device>& model, P policy, reprise::byte_count budget)
      : store_(std::move(policy), {.budget = budget}),
        net_(model.graph(), store_,
             reprise::CheckpointedOptions{
                 .seed = options.seed,
                 .verify_replay = options.verify_replay,
                 .cost_model = cost_model(options, model.device()),
                 .reserved_bytes = [&model] { return model.memory().reserved_bytes(); }}) {}
  OnlineNet(const OnlineNet&) = delete;
  OnlineNet& operator=(const OnlineNet&) = delete;

  [[nodiscard]] auto* operator->() noexcept { return &net_; }
  [[nodiscard]] const auto* operator->() const noexcept { return &net_; }

  void save(std::ostream& out) const { net_.save(out); }
  void load(std::istream& in) { net_.load(in); }

 private:
  using Store = reprise::RematStore<P>;

  Store store_;
  reprise::Checkpointed<ModelGraph<Device>, reprise::NoTracker, reprise::NoScheduler, Store> net_;
};

}  // namespace gpt
