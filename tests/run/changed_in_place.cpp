// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=20000
// joined: no

// What a rerun or a backward reads and somebody has changed in place since is refused by name.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <reprise/core/chain.hpp>
#include <reprise/core/graph.hpp>
#include <reprise/eviction/dtr_eq_class.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/counting_tensor.hpp"
#include "support/keep_random.hpp"
#include "support/random_graph.hpp"
#include "support/random_step.hpp"
#include "support/seed.hpp"

namespace {

using reprise::PassContext;
using reprise_test::CountingMemory;
using reprise_test::NoStatistics;
using reprise_test::RandomGraph;
using reprise_test::StepResult;
using Tensor = reprise_test::CountingTensor;
using Plain = std::vector<float>;

constexpr std::size_t width = 4;

/// Makes, reads and changes both kinds of tensors: those that count changes and those that do not.
template <class T>
struct Floats;
template <>
struct Floats<Tensor> {
  static Tensor make(CountingMemory& memory, float value) {
    Tensor t(memory, width);
    for (std::size_t i = 0; i < width; ++i) t[i] = value;
    return t;
  }
  static void change(const Tensor& t) {
    t[0] += 1.0F;
    t.changed();
  }
};
template <>
struct Floats<Plain> {
  static Plain make(CountingMemory&, float value) { return Plain(width, value); }
  static void change(const Plain& t) { const_cast<Plain&>(t)[0] += 1.0F; }
};

struct Calls {
  CountingMemory memory{};
  std::vector<std::string> made{};  ///< "f0": the forward of node 0; "b0": its backward
};

/// y = tanh(x); its backward reads what the type says, or what it saved.
template <class T>
struct Tanh {
  using tensor_type = T;

  Calls* calls;
  std::size_t number;

  T compute(const T& x, const char* call) const {
    calls->made.push_back(call + std::to_string(number));
    T y = Floats<T>::make(calls->memory, 0.0F);
    for (std::size_t i = 0; i < width; ++i) y[i] = std::tanh(x[i]);
    return y;
  }
  T differentiate(const T& y, const T& dy) const {
    calls->made.push_back("b" + std::to_string(number));
    T dx = Floats<T>::make(calls->memory, 0.0F);
    for (std::size_t i = 0; i < width; ++i) dx[i] = dy[i] * (1.0F - y[i] * y[i]);
    return dx;
  }
  void for_each_gradient(auto&&) const {}
};
template <class T>
struct ReadsInput : Tanh<T> {
  static constexpr auto backward_reads = reprise::Reads::input;
  T forward(const T& x, PassContext&) { return this->compute(x, "f"); }
  T backward(const T& x, const T& dy, PassContext&) {
    T y = Floats<T>::make(this->calls->memory, 0.0F);
    for (std::size_t i = 0; i < width; ++i) y[i] = std::tanh(x[i]);
    return this->differentiate(y, dy);
  }
};
template <class T>
struct ReadsOutput : Tanh<T> {
  static constexpr auto backward_reads = reprise::Reads::output;
  T forward(const T& x, PassContext&) { return this->compute(x, "f"); }
  T backward(const T& y, const T& dy, PassContext&) { return this->differentiate(y, dy); }
};
/// Saves a handle to a buffer of the engine's own, which is no part of the budget.
struct SavesShared : Tanh<Tensor> {
  using saved_type = Tensor;
  Tensor factor;

  Tensor forward(const Tensor& x, Tensor& saved, PassContext&) {
    saved = factor;
    return compute(x, "f");
  }
  Tensor backward(Tensor& saved, const Tensor& dy, PassContext&) {
    return differentiate(saved, dy);
  }
};

template <template <class> class Node, class T>
std::vector<Node<T>> nodes_of(Calls& calls, std::size_t count) {
  std::vector<Node<T>> nodes(count);
  for (std::size_t i = 0; i < count; ++i) {
    nodes[i].calls = &calls;
    nodes[i].number = i;
  }
  return nodes;
}

/// A view of its input, which it doubles in place without saying so.
struct Doubles : Tanh<Tensor> {
  static constexpr std::uint32_t view_of = 0;
  Tensor forward(const Tensor& x, PassContext&) {
    for (std::size_t i = 0; i < width; ++i) x[i] *= 2.0F;
    x.changed();
    return x;
  }
  Tensor backward(const Tensor& dy, PassContext&) {
    Tensor dx = Floats<Tensor>::make(calls->memory, 0.0F);
    for (std::size_t i = 0; i < width; ++i) dx[i] = 2.0F * dy[i];
    return dx;
  }
};
/// a + b
struct Sum : Tanh<Tensor> {
  Tensor forward(const Tensor& a, const Tensor& b, PassContext&) {
    Tensor y = Floats<Tensor>::make(calls->memory, 0.0F);
    for (std::size_t i = 0; i < width; ++i) y[i] = a[i] + b[i];
    return y;
  }
  std::array<Tensor, 2> backward(const Tensor& dy, PassContext&) {
    std::array<Tensor, 2> d{Floats<Tensor>::make(calls->memory, 0.0F),
                            Floats<Tensor>::make(calls->memory, 0.0F)};
    for (std::size_t i = 0; i < width; ++i) d[0][i] = d[1][i] = dy[i];
    return d;
  }
};

enum class Way { store_all, recompute_all, rematerialised };
constexpr std::array ways{Way::store_all, Way::recompute_all, Way::rematerialised};

/// One step with `change(input, pass)` between forward and backward; what backward refused, or "".
template <class G, class T, class Change>
std::string refusal(G& graph, Calls& calls, Way way, const T& input, bool verifies, Change&& change,
                    reprise::byte_count budget = reprise::unlimited_bytes) {
  const auto step = [&](auto& net) -> std::string {
    net.begin_step();
    auto pass = net.forward(input);
    change(input, pass);
    calls.made.clear();
    try {
      net.backward(std::move(pass), Floats<T>::make(calls.memory, 1.0F));
    } catch (const reprise::ReplayMismatch& mismatch) {
      return mismatch.what();
    }
    return "";
  };
  if (way == Way::rematerialised) {
    reprise::RematStore store{reprise::DtrEqClass{}, {.budget = budget}};
    reprise::Checkpointed net{graph, store, {.verify_replay = verifies}};
    return step(net);
  }
  NoStatistics tracker;
  if (way == Way::store_all) {
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{graph, tracker, scheduler, store, {.verify_replay = verifies}};
    return step(net);
  }
  reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store, {.verify_replay = verifies}};
  return step(net);
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

template <class T>
void check_refilled_input(bool verifies) {
  Calls calls;
  const auto change_input = [](const T& input, auto&) { Floats<T>::change(input); };
  const auto change_nothing = [](const T&, auto&) {};
  for (const Way way : ways) {
    CAPTURE(static_cast<int>(way));
    auto nodes = nodes_of<ReadsInput, T>(calls, 4);
    auto graph = reprise::chain(nodes);
    const T x = Floats<T>::make(calls.memory, 0.5F);
    const reprise::byte_count bytes = width * sizeof(float);
    CHECK(refusal(graph, calls, way, x, verifies, change_nothing, 4 * bytes).empty());
    const std::string message = refusal(graph, calls, way, x, verifies, change_input, 4 * bytes);
    CHECK(message.starts_with("graph input 0 was changed in place since the pass began"));
    CHECK(contains(message, "of node 0 reads it"));
    for (const std::string& call : calls.made) {
      CHECK(call != "f0");  // nothing was computed from it
      CHECK(call != "b0");
    }
  }
}

template <class T>
void check_replaced_input(bool leaves_nothing) {
  Calls calls;
  for (const Way way : ways) {
    CAPTURE(static_cast<int>(way));
    auto nodes = nodes_of<ReadsInput, T>(calls, 4);
    auto graph = reprise::chain(nodes);
    T x = Floats<T>::make(calls.memory, 0.5F);
    const auto replace = [&](const T&, auto&) {
      x = leaves_nothing ? T{} : Floats<T>::make(calls.memory, 3.0F);
    };
    const T first = x;  // so that no tensor after it lies where it did
    const reprise::byte_count bytes = width * sizeof(float);
    const std::string message = refusal(graph, calls, way, x, false, replace, 4 * bytes);
    CHECK(message.starts_with("graph input 0 was replaced since the pass began"));
    CHECK(contains(message, "of node 0 reads it"));
    for (const std::string& call : calls.made) {
      CHECK(call != "f0");
      CHECK(call != "b0");
    }
  }
}

template <class T>
void check_changed_output(bool verifies) {
  Calls calls;
  const auto change_output = [](const T&, auto& pass) { Floats<T>::change(pass.output()); };
  const T x = Floats<T>::make(calls.memory, 0.5F);
  for (const Way way : ways) {
    CAPTURE(static_cast<int>(way));
    auto reads = nodes_of<ReadsOutput, T>(calls, 2);
    auto graph = reprise::chain(reads);
    const std::string message = refusal(graph, calls, way, x, verifies, change_output);
    CHECK(
        message.starts_with("layer 1: output 0 of node 1 was changed in place since it was made"));
    CHECK(contains(message, "the backward of node 1 reads it"));
    CHECK(calls.made.empty());
    // A loss that works in place is no harm where no backward reads the output.
    auto others = nodes_of<ReadsInput, T>(calls, 2);
    auto unread = reprise::chain(others);
    CHECK(refusal(unread, calls, way, x, verifies, change_output).empty());
  }
}

}  // namespace

TEST_CASE("an input buffer that was filled anew is refused before anything reads it") {
  SUBCASE("by its version") { check_refilled_input<Tensor>(false); }
  SUBCASE("by its checksum") { check_refilled_input<Plain>(true); }
}

TEST_CASE("an input variable that was given another tensor is refused before anything reads it") {
  SUBCASE("with versions, which are equal") { check_replaced_input<Tensor>(false); }
  SUBCASE("without versions") { check_replaced_input<Plain>(false); }
  SUBCASE("moved from, as into the gradient") { check_replaced_input<Plain>(true); }
}

TEST_CASE("an output that was changed since is refused where backward reads it") {
  SUBCASE("by its version") { check_changed_output<Tensor>(false); }
  SUBCASE("by its checksum") { check_changed_output<Plain>(true); }
}

TEST_CASE("a saved state of which a tensor was changed since is refused") {
  Calls calls;
  for (const bool is_parameter : {false, true}) {
    for (const Way way : ways) {
      CAPTURE(is_parameter);
      const Tensor factor = Floats<Tensor>::make(calls.memory, 0.25F);
      if (is_parameter) factor.persist();
      std::vector<SavesShared> nodes(2);
      for (std::size_t i = 0; i < 2; ++i) {
        nodes[i].calls = &calls;
        nodes[i].number = i;
        nodes[i].factor = factor;
      }
      auto graph = reprise::chain(nodes);
      const Tensor x = Floats<Tensor>::make(calls.memory, 0.5F);
      const auto change = [&](const Tensor&, auto&) { Floats<Tensor>::change(factor); };
      CHECK(refusal(graph, calls, way, x, false, [](const Tensor&, auto&) {}).empty());
      if (way == Way::recompute_all && !is_parameter) continue;  // a rerun saves it anew
      CHECK(refusal(graph, calls, way, x, false, change)
                .starts_with("layer 1: saved state of node 1 was changed in place since"));
      CHECK(calls.made.empty());
      const auto in_silence = [&](const Tensor&, auto&) { factor[0] += 1.0F; };
      CHECK(contains(refusal(graph, calls, way, x, true, in_silence), "its checksum is another"));
    }
  }
}

TEST_CASE("a value that an undeclared change in place reaches is refused where others read it") {
  Calls calls;
  const Tensor x = Floats<Tensor>::make(calls.memory, 0.5F);
  const auto change_nothing = [](const Tensor&, auto&) {};
  for (const bool reads_source : {false, true}) {
    for (const Way way : ways) {
      CAPTURE(reads_source);
      reprise::Graph<Tensor> graph;
      const auto made = graph.add(ReadsInput<Tensor>{{&calls, 0}}, graph.input());
      const auto doubled = graph.add(Doubles{{&calls, 1}}, made);
      graph.output(graph.add(Sum{{&calls, 2}}, reads_source ? made : doubled, doubled));
      if (!reads_source) {
        CHECK(refusal(graph, calls, way, x, false, change_nothing).empty());
      } else {
        // Its maker alone runs again for it, so the sum would read it as it was.
        CHECK_THROWS_WITH_AS(
            refusal(graph, calls, way, x, false, change_nothing),
            "layer 0: output 0 of node 0 was changed in place since it was made: its version was 0 "
            "and is 1, and the forward of node 2 reads it",
            reprise::ReplayMismatch);
      }
    }
  }
}

TEST_CASE("a number in a saved state that does not repeat is found by replay verification") {
  struct Numbers : Tanh<Plain> {
    struct saved_type {
      float factor;
    };
    std::shared_ptr<float> next = std::make_shared<float>(1.0F);

    Plain forward(const Plain& x, saved_type& saved, PassContext& pass) {
      if (!pass.is_profiling()) saved.factor = *next += 1.0F;
      return compute(x, "f");
    }
    Plain backward(saved_type& saved, const Plain& dy, PassContext&) {
      return Plain(width, dy[0] * saved.factor);
    }
  };
  Calls calls;
  reprise::Graph<Plain> graph;
  reprise::Source at = graph.add(Numbers{{&calls, 0}}, graph.input());
  for (std::size_t i = 1; i < 6; ++i) at = graph.add(ReadsInput<Plain>{{&calls, i}}, at);
  graph.output(at);
  const auto change_nothing = [](const Plain&, auto&) {};
  const Plain x(width, 0.5F);
  CHECK(refusal(graph, calls, Way::store_all, x, true, change_nothing).empty());
  const reprise::byte_count budget = 4 * width * sizeof(float);
  CHECK(refusal(graph, calls, Way::rematerialised, x, true, change_nothing, budget) ==
        "layer 0: saved state of node 0 differs from its original");
}

TEST_CASE("replay verification finds a gradient that was overwritten before it was read") {
  /// Returns the engine's workspace as its gradient.
  struct Lends : Tanh<Tensor> {
    Tensor workspace;
    Tensor forward(const Tensor& x, PassContext&) { return compute(x, "f"); }
    Tensor backward(const Tensor& dy, PassContext&) {
      const float d = dy[0];
      for (std::size_t i = 0; i < width; ++i) workspace[i] = d * static_cast<float>(number);
      return workspace;
    }
  };
  struct Sum : Tanh<Tensor> {
    Tensor forward(const Tensor& a, const Tensor&, PassContext&) { return compute(a, "f"); }
    std::array<Tensor, 2> backward(const Tensor& dy, PassContext&) {
      return {Floats<Tensor>::make(calls->memory, dy[0]),
              Floats<Tensor>::make(calls->memory, dy[0])};
    }
  };
  Calls calls;
  const Tensor workspace = Floats<Tensor>::make(calls.memory, 0.0F);
  reprise::Graph<Tensor> graph;
  const auto x = graph.input();
  const auto first = graph.add(ReadsInput<Tensor>{{&calls, 0}}, x);
  const auto second = graph.add(ReadsInput<Tensor>{{&calls, 1}}, x);
  const auto third = graph.add(Lends{{&calls, 2}, workspace}, first);
  graph.output(
      graph.add(Sum{{&calls, 4}}, third, graph.add(Lends{{&calls, 3}, workspace}, second)));
  const Tensor input = Floats<Tensor>::make(calls.memory, 0.5F);
  CHECK(contains(refusal(graph, calls, Way::store_all, input, true, [](const Tensor&, auto&) {}),
                 "gradient of output 0 of node 1 was changed in place since"));
}

namespace {

/// A tensor that has neither version nor checksum.
struct Bare {
  Plain floats{};
};

}  // namespace

template <>
struct reprise::tensor_traits<Bare> {
  using of_floats = tensor_traits<Plain>;
  static byte_count bytes(const Bare& t) { return of_floats::bytes(t.floats); }
  static const void* storage(const Bare& t) { return of_floats::storage(t.floats); }
  static void accumulate(Bare& into, const Bare& part) {
    of_floats::accumulate(into.floats, part.floats);
  }
};

namespace {

struct OfBare {
  using tensor_type = Bare;
  Bare forward(const Bare& x, PassContext&) { return x; }
  Bare backward(const Bare& dy, PassContext&) { return dy; }
};

}  // namespace

TEST_CASE("replay verification of tensors without a checksum is refused") {
  std::vector<OfBare> nodes(1);
  auto graph = reprise::chain(nodes);
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
  using Options = reprise::CheckpointedOptions;
  reprise::RematStore store;
  reprise::RematStore evicting{reprise::DtrEqClass{}};
  const Options verifies{.verify_replay = true};
  CHECK_NOTHROW(reprise::Checkpointed(graph, tracker, scheduler, store, Options{}));
  CHECK_THROWS_AS(reprise::Checkpointed(graph, tracker, scheduler, store, verifies),
                  reprise::InvalidArgument);
  CHECK_THROWS_AS(reprise::Checkpointed(graph, evicting, verifies), reprise::InvalidArgument);
}

namespace {

/// Takes over the gradient of its output.
struct Consuming : Tanh<Tensor> {
  static constexpr reprise::Consumes consumes{.of_gradient = true};
  Tensor forward(const Tensor& x, PassContext&) { return compute(x, "f"); }
  Tensor backward(Tensor&& dy, PassContext&) {
    dy[0] *= 2.0F;
    return std::move(dy);
  }
};

}  // namespace

TEST_CASE("a given gradient that lies in a graph input is refused where backward changes it") {
  Calls calls;
  const auto train = [&](auto& nodes) {
    auto graph = reprise::chain(nodes);
    NoStatistics tracker;
    reprise::CheckpointScheduler scheduler{reprise::StoreAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{graph, tracker, scheduler, store};
    const Tensor x = Floats<Tensor>::make(calls.memory, 0.5F);
    net.begin_step();
    auto pass = net.forward(x);
    net.backward(std::move(pass), x);
  };
  std::vector<Consuming> consuming(2);
  for (Consuming& node : consuming) node.calls = &calls;
  CHECK_THROWS_WITH_AS(train(consuming),
                       "the gradient of output 0 shares memory with graph input 0, and backward "
                       "adds to it or reuses it: hand over a copy",
                       reprise::SharedStorage);
  auto reading = nodes_of<ReadsInput, Tensor>(calls, 2);
  CHECK_NOTHROW(train(reading));
}

TEST_CASE("whatever is changed between forward and backward, no gradient is wrong in silence") {
  const std::size_t cases = reprise_test::cases(600);
  REPRISE_SEEDED(seeds);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < cases; ++i) {
    const auto seed = static_cast<std::uint32_t>(seeds());
    CAPTURE(seed);
    std::mt19937 random(seed);
    RandomGraph random_graph(random);
    const bool counts = i % 2 == 0;  // otherwise the change shows in the content alone
    const StepResult expected =
        reprise_test::run_step_with(random_graph, reprise::StoreAll{}, {.seed = seed});
    const auto step = [&](auto& net) {
      const reprise_test::Tensor input = random_graph.tensor(0.3);
      StepResult result;
      random_graph.zero_gradients();
      net.begin_step();
      auto pass = net.forward(input);
      for (std::size_t o = 0; o < random_graph.graph.outputs().size(); ++o) {
        reprise_test::append(result.outputs, pass.output(o));
      }
      const reprise_test::Tensor& victim = random() % 2 == 0 ? input : pass.output();
      victim[random() % victim.size()] += 1.0;
      if (counts) victim.changed();
      try {
        for (const auto& dx : reprise_test::run_backward(random_graph, net, std::move(pass))) {
          reprise_test::append_gradient(result.gradients, random_graph, dx);
        }
        const std::vector<double> parameters = random_graph.gradients();
        result.gradients.insert(result.gradients.end(), parameters.begin(), parameters.end());
        CHECK(result == expected);
      } catch (const reprise::ReplayMismatch& mismatch) {
        CHECK(contains(mismatch.what(), "changed in place since"));
        ++refused;
      }
    };
    if (i % 3 == 0) {
      reprise::RematStore store{reprise::DtrEqClass{}};
      reprise::Checkpointed net{
          random_graph.graph, store, {.seed = seed, .verify_replay = !counts}};
      step(net);
    } else {
      NoStatistics tracker;
      reprise::CheckpointScheduler scheduler{reprise_test::KeepRandom{&random}};
      reprise::RematStore store;
      reprise::Checkpointed net{
          random_graph.graph, tracker, scheduler, store, {.seed = seed, .verify_replay = !counts}};
      step(net);
    }
  }
  CHECK(refused > cases / 4);
  CHECK(refused < cases);
}
