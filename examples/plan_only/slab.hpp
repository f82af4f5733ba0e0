// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A step in one slab that never grows, as a schedule has it, and, to compare with, in a buffer for
/// every value.

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <reprise/program/layout.hpp>
#include <reprise/program/schedule.hpp>
#include <utility>
#include <vector>

#include "plan_only/net.hpp"

namespace plan_only {

/// Where each value is now.
using Places = std::vector<float*>;

/// Runs an operation that reads what it finds before `place_output` moves anything.
template <class PlaceOutput>
void run(const Net& net, Engine& engine, reprise::operation_id op, Places& places,
         PlaceOutput place_output) {
  const reprise::Operation& operation = net.program().operations()[op];
  std::vector<const float*> in;
  for (const reprise::value_id read : operation.reads) in.push_back(places[read]);
  place_output();
  float* const out = operation.writes.empty() ? nullptr : places[operation.writes.front()];
  net.calls()[op].kernel(engine, net.calls()[op], in.data(), out);
}

/// Each operation once, in the program's order; everything is kept and nothing shares memory.
inline void run_plainly(const Net& net, Engine& engine) {
  std::vector<std::vector<float>> buffers;
  Places places;
  for (const reprise::Value& value : net.program().values()) {
    places.push_back(buffers.emplace_back(value.bytes / sizeof(float)).data());
  }
  places[Net::batch] = engine.batch.data();
  for (reprise::operation_id op = 0; op < net.calls().size(); ++op) {
    run(net, engine, op, places, [] {});
  }
}

/// A schedule, where its values lie, and the memory that they lie in.
class Slab {
 public:
  Slab(reprise::Schedule schedule, reprise::ArenaLayout layout)
      : schedule_(std::move(schedule)),
        layout_(std::move(layout)),
        memory_(static_cast<std::byte*>(std::aligned_alloc(64, layout_.high_water)), &std::free) {
    if (memory_ == nullptr) throw std::bad_alloc();
  }

  /// One step: all that it takes to follow a plan. The blocks come in the order in which they are
  /// made; no operation here has scratch memory or makes two values, or there would be more of
  /// them.
  void run_step(const Net& net, Engine& engine) const {
    Places places(net.program().values().size());
    places[Net::batch] = engine.batch.data();
    auto block = layout_.blocks.begin();
    for (std::size_t i = 0; i < schedule_.actions.size(); ++i) {
      const reprise::Action& action = schedule_.actions[i];
      if (action.kind == reprise::ActionKind::drop) continue;  // the layout has seen to it
      run(net, engine, action.index, places, [&] {
        for (; block != layout_.blocks.end() && block->first_action == i; ++block) {
          places[block->value] = reinterpret_cast<float*>(memory_.get() + block->offset);
        }
      });
    }
  }

 private:
  reprise::Schedule schedule_;
  reprise::ArenaLayout layout_;
  std::unique_ptr<std::byte, decltype(&std::free)> memory_;
};

}  // namespace plan_only
