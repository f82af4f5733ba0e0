// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A step in one slab that never grows, and, to compare with, in a buffer for every value.

#include <array>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <reprise/planner/plan_for_slab.hpp>
#include <reprise/program/arena_player.hpp>
#include <span>
#include <vector>

#include "plan_only/net.hpp"

namespace plan_only {

/// Calls the engine's kernel. No operation here makes two values or adds to gradients.
inline void run(const Net& net, Engine& engine, const reprise::ArenaCall& call) {
  std::array<const float*, 2> in{};
  for (std::size_t i = 0; i < call.inputs.size(); ++i) {
    in.at(i) = static_cast<const float*>(call.inputs[i]);
  }
  void* const out = call.outputs.empty() ? nullptr : call.outputs.front();
  const Call& told = net.calls()[call.operation];
  told.kernel(engine, told, in.data(), static_cast<float*>(out));
}

/// Each operation once, in the program's order; everything is kept and nothing shares memory.
inline void run_plainly(const Net& net, Engine& engine) {
  std::vector<std::vector<float>> buffers;
  std::vector<void*> places;
  for (const reprise::Value& value : net.program().values()) {
    places.push_back(buffers.emplace_back(value.bytes / sizeof(float)).data());
  }
  places[Net::batch] = engine.batch.data();
  for (reprise::operation_id op = 0; op < net.calls().size(); ++op) {
    std::vector<const void*> in;
    std::vector<void*> out;
    for (const reprise::value_id v : net.program().operations()[op].reads) in.push_back(places[v]);
    for (const reprise::value_id v : net.program().operations()[op].writes) {
      out.push_back(places[v]);
    }
    run(net, engine, {.operation = op, .inputs = in, .outputs = out});
  }
}

/// The memory of a plan, and the plan's way through it.
class Slab {
 public:
  Slab(const Net& net, const reprise::SlabPlan& laid)
      : memory_(static_cast<std::byte*>(
                    std::aligned_alloc(laid.layout.alignment, laid.layout.high_water)),
                &std::free),
        player_(net.program(), laid.plan.schedule, laid.layout, whole(laid.layout.high_water)) {}

  /// One step.
  void run_step(const Net& net, Engine& engine) {
    player_.bind(Net::batch, engine.batch.data());
    player_.play([&](const reprise::ArenaCall& call) { run(net, engine, call); });
  }

 private:
  [[nodiscard]] std::span<std::byte> whole(std::size_t bytes) const {
    if (memory_ == nullptr) throw std::bad_alloc();
    return {memory_.get(), bytes};
  }

  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
  reprise::ArenaPlayer player_;
};

}  // namespace plan_only
