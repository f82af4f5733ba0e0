// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The model under an online policy.

#include <istream>
#include <ostream>
#include <reprise/core/units.hpp>
#include <reprise/eviction/eviction_policy.hpp>
#include <reprise/run/rematerialised.hpp>
#include <utility>

#include "engine/model.hpp"
#include "options.hpp"

namespace gpt {

/// A model's graph, run operation by operation.
template <class Device, reprise::EvictionPolicy P>
class OnlineNet {
 public:
  using device_type = Device;

  OnlineNet(const Options& options, Model<Device>& model, P policy, reprise::byte_count budget)
      : net_(model.graph(), std::move(policy),
             reprise::RematerialisedOptions{
                 .budget = budget,
                 .seed = options.seed,
                 .verify_replay = options.verify_replay,
                 .reserved_bytes = [&model] { return model.memory().reserved_bytes(); }}) {}
  OnlineNet(const OnlineNet&) = delete;
  OnlineNet& operator=(const OnlineNet&) = delete;

  [[nodiscard]] auto* operator->() noexcept { return &net_; }
  [[nodiscard]] const auto* operator->() const noexcept { return &net_; }

  void save(std::ostream& out) const { net_.save(out); }
  void load(std::istream& in) { net_.load(in); }

 private:
  reprise::Rematerialised<ModelGraph<Device>, P> net_;
};

}  // namespace gpt
