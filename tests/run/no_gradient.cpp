// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// "No gradient" from a node or a caller: handed on, and everything else refused by name.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <functional>
#include <optional>
#include <random>
#include <reprise/reprise.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"
#include "support/keep_random.hpp"
#include "support/seed.hpp"

namespace {

using reprise::PassContext;
using Vector = std::vector<float>;
using reprise_test::CountingMemory;
using Tensor = reprise_test::CountingTensor;

constexpr std::size_t width = 3;

Tensor filled(CountingMemory& memory, float value) {
  Tensor t(memory, width);
  for (std::size_t i = 0; i < width; ++i) t[i] = value + 0.25F * static_cast<float>(i);
  return t;
}

/// (w a + b, a b); has no gradient for some of its inputs, or zeros in its place.
struct Mixed {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  CountingMemory* memory;
  float w;
  std::array<bool, 2> has_gradient{true, true};
  bool zeros = false;
  int calls = 0;
  float gradient = 0;

  std::tuple<Tensor, Tensor> forward(const Tensor& a, const Tensor& b, PassContext&) {
    Tensor sum(*memory, width);
    Tensor product(*memory, width);
    for (std::size_t i = 0; i < width; ++i) {
      sum[i] = w * a[i] + b[i];
      product[i] = a[i] * b[i];
    }
    return {sum, product};
  }
  std::array<Tensor, 2> backward(const Tensor& a, const Tensor& b, const Tensor& of_sum,
                                 const Tensor& of_product, PassContext&) {
    ++calls;
    std::array<Tensor, 2> d{};
    for (std::size_t input = 0; input < 2; ++input) {
      if (has_gradient[input] || zeros) d[input] = Tensor(*memory, width);
    }
    for (std::size_t i = 0; i < width; ++i) {
      const float s = of_sum.size() > 0 ? of_sum[i] : 0.0F;
      const float p = of_product.size() > 0 ? of_product[i] : 0.0F;
      gradient += s * a[i];
      if (has_gradient[0]) d[0][i] = w * s + b[i] * p;
      if (has_gradient[1]) d[1][i] = s + a[i] * p;
    }
    return d;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor&, const Tensor&) const {
    return {.forward_flops = width};
  }
};

/// A random graph of such nodes.
struct Model {
  CountingMemory memory;
  std::vector<Mixed> nodes;
  std::vector<std::array<reprise::Source, 2>> sources;
  std::array<reprise::Source, 2> outputs{};
  std::array<bool, 2> is_given{};
  reprise::Graph<Tensor> graph;

  explicit Model(std::mt19937_64& random) {
    const std::size_t count = 2 + random() % 8;
    std::vector<reprise::Source> made{graph.input(), graph.input()};
    nodes.reserve(count);
    for (std::uint32_t n = 0; n < count; ++n) {
      nodes.push_back({.memory = &memory, .w = 0.5F + 0.25F * static_cast<float>(random() % 4)});
      for (bool& has : nodes.back().has_gradient) has = random() % 3 != 0;
      sources.push_back({made[random() % made.size()], made[random() % made.size()]});
      made.push_back(graph.add(std::ref(nodes.back()), sources.back()[0], sources.back()[1]));
      made.push_back({.node = n, .port = 1});
    }
    outputs = {made.back(), made[2 + random() % (made.size() - 3)]};
    for (const reprise::Source& output : outputs) graph.output(output);
    is_given = {random() % 4 != 0, random() % 2 == 0};
  }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// Which nodes' backward the rule calls.
  [[nodiscard]] std::vector<int> expected_calls() const {
    std::vector<int> calls(nodes.size(), 0);
    const auto reach = [&](reprise::Source source) {
      if (!source.is_graph_input()) calls[source.node] = 1;
    };
    for (std::size_t i = 0; i < 2; ++i) {
      if (is_given[i]) reach(outputs[i]);
    }
    for (std::size_t n = nodes.size(); n-- > 0;) {
      for (std::size_t input = 0; input < 2; ++input) {
        if (calls[n] != 0 && nodes[n].has_gradient[input]) reach(sources[n][input]);
      }
    }
    return calls;
  }

  void reset(bool zeros) {
    for (Mixed& node : nodes) {
      node.zeros = zeros;
      node.calls = 0;
      node.gradient = 0;
    }
  }

  /// One step: the gradients of parameters and inputs, zeros for those that are none.
  template <class Net>
  [[nodiscard]] Vector step(Net& net, bool zeros) {
    reset(zeros);
    const Tensor a = filled(memory, 0.5F);
    const Tensor b = filled(memory, -0.75F);
    net.begin_step();
    auto pass = net.forward(a, b);
    std::vector<Tensor> given;
    for (std::size_t i = 0; i < 2; ++i) {
      given.push_back(is_given[i] ? filled(memory, 1.0F)
                      : zeros     ? Tensor(memory, width)
                                  : Tensor());
    }
    const std::vector<Tensor> of_inputs = net.backward(std::move(pass), std::move(given));
    net.end_step();
    Vector all;
    for (const Mixed& node : nodes) all.push_back(node.gradient);
    for (const Tensor& d : of_inputs) {
      for (std::size_t i = 0; i < width; ++i) all.push_back(d.size() > 0 ? d[i] : 0.0F);
    }
    return all;
  }

  [[nodiscard]] std::vector<int> calls() const {
    std::vector<int> all;
    for (const Mixed& node : nodes) all.push_back(node.calls);
    return all;
  }
};

/// What is live is never more than the ledger says, in actions and between them.
reprise::ActionObserver checking(CountingMemory& memory, reprise::operation_id loss) {
  return [&memory, loss, during = std::uint64_t{0}](const reprise::ActionEvent& event) mutable {
    if (event.action.kind == reprise::ActionKind::run && event.action.index == loss) return;
    const std::uint64_t inputs = 2 * width * sizeof(float);
    if (event.moment == reprise::ActionEvent::Moment::before) {
      during = event.during_bytes;
      memory.peak = memory.live;
    } else {
      CHECK(memory.live - inputs <= event.live_bytes);
      CHECK(memory.peak - inputs <= std::max(during, event.live_bytes));
    }
  };
}

/// Adds the two parts of whatever they are given; log'(0) would make NaN of zeros.
struct Log {
  using tensor_type = Vector;
  static constexpr auto backward_reads = reprise::Reads::input;
  int calls = 0;
  Vector forward(const Vector& x, PassContext&) {
    Vector y(x);
    for (float& v : y) v = std::log(v);
    return y;
  }
  Vector backward(const Vector& x, const Vector& dy, PassContext&) {
    ++calls;
    Vector dx(dy);
    for (std::size_t i = 0; i < dx.size(); ++i) dx[i] /= x[i];
    return dx;
  }
};
struct Pair {
  using tensor_type = Vector;
  std::tuple<Vector, Vector> forward(const Vector& a, const Vector& b, PassContext&) {
    return {a, b};
  }
  std::array<Vector, 2> backward(const Vector& da, const Vector& db, PassContext&) {
    return {da, db};
  }
};
struct Scale {
  using tensor_type = Vector;
  int calls = 0;
  std::size_t returned = 0;  ///< elements, if not those of its input
  Vector forward(const Vector& x, PassContext&) {
    Vector y(x);
    for (float& v : y) v *= 2;
    return y;
  }
  Vector backward(const Vector& dy, PassContext&) {
    ++calls;
    Vector dx(dy);
    for (float& v : dx) v *= 2;
    if (returned != 0) dx.resize(returned);
    return dx;
  }
};
/// Any number of inputs; returns any number of gradients.
struct Sum {
  using tensor_type = Vector;
  std::size_t returned;
  Vector forward(std::span<const Vector* const> inputs, PassContext&) {
    Vector y(*inputs[0]);
    for (std::size_t i = 1; i < inputs.size(); ++i) {
      for (std::size_t j = 0; j < y.size(); ++j) y[j] += (*inputs[i])[j];
    }
    return y;
  }
  std::vector<Vector> backward(const Vector& dy, PassContext&) {
    return std::vector<Vector>(returned, dy);
  }
};

/// Calls f with an object of each kind that trains the graph.
template <class G, class F>
void with_each(G& graph, F&& f) {
  reprise::CheckpointScheduler store_all{reprise::StoreAll{}};
  reprise::CheckpointScheduler recompute_all{reprise::RecomputeAll{}};
  reprise::RematStore store;
  f(reprise::Checkpointed{graph, store_all, store});
  f(reprise::Checkpointed{graph, recompute_all, store});
  reprise::RematStore evicting{reprise::DtrEqClass{}};
  f(reprise::Checkpointed{graph, evicting});
}

}  // namespace

TEST_CASE(
    "no gradient is zero without zeros, whatever is kept, and costs no more than the ledger") {
  REPRISE_SEEDED(random);
  int skipped = 0;
  int recomputed = 0;
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    Model model(random);
    reprise::CheckpointScheduler store_all{reprise::StoreAll{}};
    reprise::RematStore all_store;
    reprise::Checkpointed all{model.graph, store_all, all_store};
    const Vector expected = model.step(all, true);
    const std::vector<int> calls = model.expected_calls();
    for (const int count : calls) skipped += count == 0 ? 1 : 0;
    CHECK(model.step(all, false) == expected);
    CHECK(model.calls() == calls);

    std::mt19937 choice(static_cast<std::uint32_t>(round));
    reprise::CheckpointScheduler some{reprise_test::KeepRandom{&choice}};
    reprise::RematStore kept_store{
        {.observer = checking(model.memory, static_cast<reprise::operation_id>(calls.size()))}};
    reprise::Checkpointed kept{model.graph, some, kept_store, {.verify_replay = true}};
    CHECK(model.step(kept, false) == expected);
    CHECK(model.calls() == calls);

    reprise::RematStore online_store{reprise::DtrEqClass{},
                                     {.budget = all.report().peak_bytes * 9 / 10}};
    reprise::Checkpointed online{model.graph, online_store};
    try {
      const Vector got = model.step(online, false);
      CHECK(got == expected);
      CHECK(model.calls() == calls);
      recomputed += online.report().recomputed_cost > 0 ? 1 : 0;
    } catch (const reprise::BudgetExceeded&) {
      CHECK(online.live_bytes() == 0);
    }
    CHECK(model.memory.live == 0);
  }
  CHECK(skipped > 100);
  CHECK(recomputed > 30);
}

TEST_CASE("a node none of whose outputs has a gradient is not called") {
  for (const bool is_direct : {true, false}) {
    reprise::Graph<Vector> graph;
    Log log;
    Scale scale;
    const reprise::Source x = graph.input();
    const reprise::Source y = graph.add(std::ref(log), x);
    const reprise::Source a = is_direct ? x : graph.add(Scale{}, x);
    graph.output(graph.add(std::ref(scale), graph.add(Pair{}, a, y)));
    with_each(graph, [&](auto net) {
      const Vector zeros(2, 0.0F);
      net.begin_step();
      auto pass = net.forward(zeros);
      const auto dx = net.backward(std::move(pass), Vector(2, 1.0F));
      CHECK(dx[0] == Vector(2, is_direct ? 2.0F : 4.0F));
      CHECK(log.calls == 0);
      net.end_step();
    });
  }
}

TEST_CASE("a caller has no gradient for an output, or for none of them") {
  reprise::Graph<Vector> graph;
  Scale scale;
  Log log;
  const reprise::Source x = graph.input();
  graph.output(graph.add(std::ref(scale), x));
  graph.output(graph.add(std::ref(log), x));
  with_each(graph, [&](auto net) {
    const Vector zeros(2, 0.0F);
    net.begin_step();
    auto pass = net.forward(zeros);
    CHECK(net.backward(std::move(pass), Vector(2, 1.0F), Vector())[0] == Vector(2, 2.0F));
    CHECK(log.calls == 0);
    pass = net.forward(zeros);
    scale.calls = 0;
    CHECK(net.backward(std::move(pass), Vector(), Vector())[0].empty());
    CHECK(scale.calls == 0);
    CHECK(log.calls == 0);
    net.end_step();
  });
}

TEST_CASE("the empty gradient of an empty output is one") {
  reprise::Graph<Vector> graph;
  Scale scale;
  graph.output(graph.add(std::ref(scale), graph.input()));
  with_each(graph, [&](auto net) {
    const Vector nothing;
    net.begin_step();
    auto pass = net.forward(nothing);
    scale.calls = 0;
    CHECK(net.backward(std::move(pass), Vector())[0].empty());
    CHECK(scale.calls == 1);
    net.end_step();
  });
}

TEST_CASE("a gradient of another size is refused by the node's name") {
  for (const std::size_t elements : {1U, 3U}) {
    for (const bool is_part : {false, true}) {
      reprise::Graph<Vector> graph;
      Scale scale{.returned = elements};
      const reprise::Source x = graph.input();
      const reprise::Source y = graph.add(Scale{}, x);
      graph.output(graph.add(std::ref(scale), y));
      if (is_part) graph.output(graph.add(Scale{}, y));
      with_each(graph, [&](auto net) {
        const Vector two(2, 1.0F);
        net.begin_step();
        auto pass = net.forward(two);
        std::vector<Vector> given(is_part ? 2 : 1, two);
        std::string said;
        try {
          static_cast<void>(net.backward(std::move(pass), std::move(given)));
        } catch (const reprise::Error& error) {
          said = error.what();
        }
        CHECK(said.find("node 1") != std::string::npos);
        CHECK(net.live_bytes() == 0);
      });
    }
  }
}

TEST_CASE("a gradient that the caller gives in another size is refused") {
  std::vector<Scale> nodes(1);
  auto graph = reprise::chain(nodes);
  with_each(graph, [&](auto net) {
    const Vector two(2, 1.0F);
    net.begin_step();
    auto pass = net.forward(two);
    CHECK_THROWS_WITH_AS(
        net.backward(std::move(pass), Vector(1, 1.0F)),
        "the gradient of output 0 has 1 elements, what it is the gradient of has 2",
        reprise::InvalidArgument);
  });
}

TEST_CASE("a number of gradients that is not that of the inputs is refused by the node's name") {
  for (const std::size_t returned : {0U, 2U, 4U}) {
    reprise::Graph<Vector> graph;
    std::vector<reprise::Source> sources;
    for (int i = 0; i < 3; ++i) sources.push_back(graph.input());
    graph.output(graph.add(Scale{}, graph.add(Sum{.returned = returned}, sources)));
    with_each(graph, [&](auto net) {
      const std::vector<Vector> inputs(3, Vector(2, 1.0F));
      net.begin_step();
      auto pass = net.forward(inputs);
      const std::string says =
          "backward of node 0 returned " + std::to_string(returned) + " gradients for 3 inputs";
      CHECK_THROWS_WITH_AS(net.backward(std::move(pass), Vector(2, 1.0F)), says.c_str(),
                           reprise::InvalidGraph);
      CHECK(net.live_bytes() == 0);
    });
  }
}
