// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Tensors of a saved state that are values of their own, each in a form of its own.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <reprise/core/graph.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/program/forms/form_candidates.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/forms.hpp>
#include <reprise/store/remat_store.hpp>
#include <span>
#include <string>
#include <vector>

#include "support/random_graph.hpp"
#include "support/toy_forms.hpp"

namespace {

using reprise_test::CountingMemory;
using reprise_test::FormFaults;
using reprise_test::Tensor;

/// How a node behaves in the passes after the one that is measured.
struct Behaviour {
  bool shares = false;   ///< its two tensors share memory
  std::size_t more = 0;  ///< elements that the first one has more
};

/// y = 3 x, saves x, a copy, a number and something opaque; dx = 3 dy + 0 * (what was saved).
struct Saving {
  using tensor_type = Tensor;
  struct Opaque {
    std::size_t size = 0;
    [[nodiscard]] reprise::byte_count bytes() const { return size; }
  };
  struct saved_type {
    Tensor first{};
    double number = 0;
    Tensor second{};
    Opaque opaque{};
  };
  static constexpr bool tolerates_saved = true;

  CountingMemory* memory;
  Behaviour* behaviour;

  Tensor forward(const Tensor& x, saved_type& saved, reprise::PassContext&) {
    const auto copy = [&](std::size_t size) {
      Tensor t(*memory, size);
      for (std::size_t i = 0; i < size; ++i) t[i] = i < x.size() ? x[i] : 0;
      return t;
    };
    saved.first = copy(x.size() + behaviour->more);
    saved.second = behaviour->shares ? saved.first : copy(x.size());
    saved.number = 3;
    Tensor y = copy(x.size());
    for (std::size_t i = 0; i < y.size(); ++i) y[i] *= 3;
    return y;
  }
  Tensor backward(saved_type& saved, const Tensor& dy, reprise::PassContext&) {
    Tensor dx(*memory, dy.size());
    for (std::size_t i = 0; i < dx.size(); ++i) {
      const double second = saved.second.size() > 0 ? saved.second[i] : 0;
      dx[i] = saved.number * dy[i] + saved.first[i] + 10 * second;
    }
    return dx;
  }
};

struct Net {
  CountingMemory memory;
  CountingMemory host;
  FormFaults faults;
  Behaviour behaviour;
  reprise::Graph<Tensor> graph;
  reprise::Forms<Tensor> forms;

  explicit Net(std::size_t nodes) {
    reprise::Source at = graph.input();
    for (std::size_t i = 0; i < nodes; ++i) at = graph.add(Saving{&memory, &behaviour}, at);
    graph.output(at);
  }

  [[nodiscard]] Tensor tensor(double scale) {
    Tensor t(memory, 4);
    for (std::size_t i = 0; i < t.size(); ++i) t[i] = scale * static_cast<double>(i + 1);
    return t;
  }

  // Tensors of saved states with these numbers, in a maker's form.
  void keep_saved(std::size_t maker, std::vector<std::uint32_t> numbers) {
    forms.choose_by([this, maker, numbers](const reprise::Program& program, const auto&) {
      std::vector<reprise::ChosenForm> chosen;
      for (const reprise::value_id v :
           reprise::form_candidates(program, reprise::Exactness::exact)) {
        const reprise::Value& value = program.values()[v];
        if (value.kind != reprise::ValueKind::saved) continue;
        if (std::ranges::count(numbers, value.port - 1) == 0) continue;
        chosen.push_back(forms.choice(maker, program, v, reprise::Bias::allowed));
      }
      return chosen;
    });
  }

  template <class P>
  std::vector<double> step(P planner, bool has_forms = true,
                           const std::function<void()>& between = {}) {
    reprise::CheckpointScheduler scheduler{planner};
    reprise::RematStore store{has_forms ? forms : reprise::Forms<Tensor>{}};
    reprise::Checkpointed net{graph, scheduler, store};
    std::vector<double> result;
    const Tensor input = tensor(0.5);
    for (int i = 0; i < 2; ++i) {
      net.begin_step();
      auto pass = net.forward(input);
      live_between = net.live_bytes();
      CHECK(memory.live == live_between + input.size() * sizeof(double));
      for (const Tensor& dx : net.backward(std::move(pass), tensor(1))) {
        result.insert(result.end(), dx.data(), dx.data() + dx.size());
      }
      net.end_step();
      if (between) between();
    }
    return result;
  }

  reprise::byte_count live_between = 0;
};

}  // namespace

TEST_CASE("each tensor of a saved state becomes a value, beside the rest") {
  Net net(1);
  const Tensor input = net.tensor(1);
  Tensor* const inputs[] = {const_cast<Tensor*>(&input)};
  const reprise::Profile profile =
      reprise::make_profile(net.graph, std::span<Tensor* const>(inputs), {});
  CHECK(profile.nodes[0].saved_tensor_bytes == std::vector<reprise::byte_count>{32, 32});
  const auto values_of = [&](reprise::SavedValues how) {
    const reprise::LoweredGraph lowered =
        reprise::lower(net.graph, profile, true, reprise::CostModel{}, how);
    std::vector<std::string> names;
    for (reprise::value_id v = 0; v < lowered.program.values().size(); ++v) {
      if (lowered.program.values()[v].kind != reprise::ValueKind::saved) continue;
      names.push_back(lowered.program.describe(v) + ": " +
                      std::to_string(lowered.program.values()[v].bytes));
    }
    return names;
  };
  CHECK(values_of(reprise::SavedValues::by_node) ==
        std::vector<std::string>{"saved state of node 0: 64"});
  CHECK(values_of(reprise::SavedValues::by_tensor) ==
        std::vector<std::string>{"saved tensor 0 of node 0: 32", "saved tensor 1 of node 0: 32",
                                 "saved state of node 0: 0"});
}

TEST_CASE("tensors that share memory are no values of their own") {
  Net net(1);
  net.behaviour.shares = true;
  const Tensor input = net.tensor(1);
  Tensor* const inputs[] = {const_cast<Tensor*>(&input)};
  const reprise::Profile profile =
      reprise::make_profile(net.graph, std::span<Tensor* const>(inputs), {});
  CHECK(profile.nodes[0].saved_bytes == 32);
  CHECK(profile.nodes[0].saved_tensor_bytes == std::vector<reprise::byte_count>{0, 0});
}

TEST_CASE("one tensor of a saved state is kept in a form, the others as they are") {
  Net net(3);
  const std::vector<double> expected = net.step(reprise::StoreAll{}, false);
  const reprise::byte_count all = net.live_between;
  const std::size_t halving = net.forms.add(reprise_test::Halving{&net.memory, &net.faults});
  const std::size_t mover =
      net.forms.add(reprise_test::HostMover(net.memory, net.host, net.faults));
  net.keep_saved(halving, {1});
  CHECK(net.step(reprise::StoreAll{}) == expected);
  CHECK(net.live_between == all - 3 * 16);
  net.keep_saved(mover, {0});
  CHECK(net.step(reprise::StoreAll{}) == expected);
  CHECK(net.live_between <= all - 2 * 32);  // a copy that is under way may hold its source
  net.keep_saved(halving, {0, 1});
  CHECK(net.step(reprise::RecomputeAll{}) == expected);
  CHECK(net.memory.live == 0);
  CHECK(net.host.live == 0);
}

TEST_CASE("a saved tensor that backward tolerates may be approximate") {
  Net net(2);
  const std::vector<double> exact = net.step(reprise::StoreAll{}, false);
  const std::size_t rounding = net.forms.add(reprise_test::Rounding{{&net.memory, &net.faults}});
  net.keep_saved(rounding, {0});
  const std::vector<double> kept = net.step(reprise::StoreAll{});
  CHECK(kept != exact);
  CHECK(net.step(reprise::RecomputeAll{}) == kept);
  for (std::size_t i = 0; i < kept.size(); ++i) CHECK(std::abs(kept[i] - exact[i]) < 0.1);
}

TEST_CASE("saved tensors that grow, or begin to share memory") {
  for (const bool has_forms : {false, true}) {
    CAPTURE(has_forms);
    Net net(2);
    const std::size_t halving = net.forms.add(reprise_test::Halving{&net.memory, &net.faults});
    net.keep_saved(halving,
                   has_forms ? std::vector<std::uint32_t>{1} : std::vector<std::uint32_t>{});
    const auto after = [&](Behaviour behaviour) {
      net.behaviour = {};
      return net.step(reprise::StoreAll{}, true, [&net, behaviour] { net.behaviour = behaviour; });
    };
    CHECK_NOTHROW(static_cast<void>(after({.more = 2})));
    CHECK_NOTHROW(static_cast<void>(after({})));
    net.behaviour = {};
    CHECK_THROWS_AS(static_cast<void>(after({.shares = true})), reprise::SharedStorage);
    CHECK(net.memory.live == 0);
  }
}
