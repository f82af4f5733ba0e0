// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <reprise/core/graph.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"

namespace reprise_test {

/// Of doubles, so that finite differences see a gradient's digits.
using Tensor = BasicCountingTensor<double>;

/// What the nodes of a random graph share: memory, and a call that is to throw.
struct World {
  CountingMemory memory;
  std::uint64_t calls = 0;
  std::optional<std::uint64_t> throws_at{};

  void call() {
    if (throws_at && calls++ == *throws_at) throw std::runtime_error("the engine's own failure");
  }
};

/// A parameter with its gradient, which several nodes may share.
struct Parameter {
  std::vector<double> value;
  std::vector<double> gradient;
};

/// y = w * x + tanh(x), saves tanh(x), reads x; draws a dropout mask from the pass.
struct Dense {
  using tensor_type = Tensor;
  struct saved_type {
    Tensor tanh;
  };
  static constexpr auto backward_reads = reprise::Reads::input;
  static constexpr auto tolerates = reprise::Reads::input;  // for the weight's gradient only

  World* world;
  std::shared_ptr<Parameter> weight;
  std::size_t transient;

  [[nodiscard]] static double mask(const reprise::PassContext& pass, std::size_t i) {
    return pass.random().uniform(i) < 0.25 ? 0.0 : 1.25;
  }
  Tensor forward(const Tensor& x, saved_type& saved, reprise::PassContext& pass) {
    world->call();
    Tensor y(world->memory, x.size());
    save(x, saved);
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = mask(pass, i) * (weight->value[i] * x[i] + saved.tanh[i]);
    }
    return y;
  }
  void save(const Tensor& x, saved_type& saved) const {
    saved.tanh = Tensor(world->memory, x.size());
    const Tensor scratch(world->memory, transient);
    for (std::size_t i = 0; i < x.size(); ++i) saved.tanh[i] = std::tanh(x[i]);
  }
  Tensor backward(const Tensor& x, saved_type& saved, const Tensor& dy,
                  reprise::PassContext& pass) {
    world->call();
    Tensor dx(world->memory, x.size());
    const Tensor scratch(world->memory, transient);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double d = dy[i] * mask(pass, i);
      weight->gradient[i] += d * x[i];
      dx[i] = d * (weight->value[i] + 1.0 - saved.tanh[i] * saved.tanh[i]);
    }
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = 5.0 * static_cast<double>(x.size()),
            .backward_flops = 8.0 * static_cast<double>(x.size()),
            .forward_transient_bytes = transient * sizeof(double),
            .backward_transient_bytes = transient * sizeof(double)};
  }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<double>(weight->gradient));
  }
};

/// The same; leaves its output out of a recompute that is for its saved state.
struct SkippingDense : Dense {
  static constexpr bool can_skip_output = true;

  Tensor forward(const Tensor& x, saved_type& saved, reprise::PassContext& pass) {
    if (!pass.may_skip_output()) return Dense::forward(x, saved, pass);
    world->call();
    save(x, saved);
    return {};
  }
};

/// y = x * sigmoid(x), saves the sigmoid, reads its output and can leave it out of a recompute.
struct Silu {
  using tensor_type = Tensor;
  struct saved_type {
    Tensor sigmoid;
  };
  static constexpr auto backward_reads = reprise::Reads::output;
  static constexpr bool can_skip_output = true;

  World* world;

  Tensor forward(const Tensor& x, saved_type& saved, reprise::PassContext& pass) {
    world->call();
    saved.sigmoid = Tensor(world->memory, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) saved.sigmoid[i] = 1.0 / (1.0 + std::exp(-x[i]));
    if (pass.may_skip_output()) return {};
    Tensor y(world->memory, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * saved.sigmoid[i];
    return y;
  }
  Tensor backward(const Tensor& y, saved_type& saved, const Tensor& dy, reprise::PassContext&) {
    world->call();
    Tensor dx(world->memory, y.size());
    for (std::size_t i = 0; i < y.size(); ++i) {
      dx[i] = dy[i] * (saved.sigmoid[i] + y[i] * (1.0 - saved.sigmoid[i]));
    }
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = 4.0 * static_cast<double>(x.size())};
  }
};

/// y = exp(-x * x): reads input and output, saves nothing, consumes the gradient.
struct Bell {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input | reprise::Reads::output;
  static constexpr reprise::Consumes consumes{.of_gradient = true};

  World* world;

  Tensor forward(const Tensor& x, reprise::PassContext&) {
    world->call();
    Tensor y(world->memory, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = std::exp(-x[i] * x[i]);
    return y;
  }
  Tensor backward(const Tensor& x, const Tensor& y, Tensor&& dy, reprise::PassContext&) {
    world->call();
    for (std::size_t i = 0; i < x.size(); ++i) dy[i] *= -2.0 * x[i] * y[i];
    dy.changed();
    return std::move(dy);
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = 4.0 * static_cast<double>(x.size())};
  }
};

/// y = x scaled in place: consumes its input and reads its output.
struct ScaleInPlace {
  using tensor_type = Tensor;
  static constexpr reprise::Consumes consumes{.input_index = 0};

  World* world;

  Tensor forward(Tensor&& x, reprise::PassContext&) {
    world->call();
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 0.5;
    x.changed();
    return std::move(x);
  }
  Tensor backward(const Tensor& dy, reprise::PassContext&) {
    world->call();
    Tensor dx(world->memory, dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = dy[i] * 0.5;
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
};

/// a * b + a, reads both inputs.
struct Mix {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  World* world;

  Tensor forward(const Tensor& a, const Tensor& b, reprise::PassContext&) {
    world->call();
    Tensor y(world->memory, a.size());
    for (std::size_t i = 0; i < a.size(); ++i) y[i] = a[i] * b[i] + a[i];
    return y;
  }
  std::array<Tensor, 2> backward(const Tensor& a, const Tensor& b, const Tensor& dy,
                                 reprise::PassContext&) {
    world->call();
    Tensor da(world->memory, a.size());
    Tensor db(world->memory, a.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      da[i] = dy[i] * (b[i] + 1.0);
      db[i] = dy[i] * a[i];
    }
    return {std::move(da), std::move(db)};
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& a, const Tensor&) const {
    return {.forward_flops = 2.0 * static_cast<double>(a.size())};
  }
};

/// Two outputs: sin x and cos x; saves both derivatives.
struct SinCos {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::output;

  World* world;

  std::tuple<Tensor, Tensor> forward(const Tensor& x, reprise::PassContext&) {
    world->call();
    Tensor s(world->memory, x.size());
    Tensor c(world->memory, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      s[i] = std::sin(x[i]);
      c[i] = std::cos(x[i]);
    }
    return {std::move(s), std::move(c)};
  }
  Tensor backward(const Tensor& s, const Tensor& c, const Tensor& ds, const Tensor& dc,
                  reprise::PassContext&) {
    world->call();
    Tensor dx(world->memory, s.size());
    for (std::size_t i = 0; i < s.size(); ++i) {
      dx[i] = (ds.size() == 0 ? 0.0 : ds[i] * c[i]) - (dc.size() == 0 ? 0.0 : dc[i] * s[i]);
    }
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = 20.0 * static_cast<double>(x.size())};
  }
};

/// A view of its input.
struct View {
  using tensor_type = Tensor;
  static constexpr std::uint32_t view_of = 0;

  World* world;

  Tensor forward(const Tensor& x, reprise::PassContext&) { return x; }
  Tensor backward(const Tensor& dy, reprise::PassContext&) {
    Tensor dx(world->memory, dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = dy[i];
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor&) const { return {.forward_flops = 0.0}; }
};

/// Its place, or twice that for what is huge: no gradient flows back, and backward returns nothing.
struct Step {
  using tensor_type = Tensor;
  static constexpr double huge = 1e6;

  World* world;

  Tensor forward(const Tensor& x, reprise::PassContext&) {
    world->call();
    Tensor y(world->memory, x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      y[i] = (x[i] > huge ? 0.2 : 0.1) * static_cast<double>(i + 1);
    }
    return y;
  }
  void backward(const Tensor&, reprise::PassContext&) { world->call(); }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = static_cast<double>(x.size())};
  }
};

/// a, or half of it where b is huge: returns no gradient for b.
struct Gate {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input_at(1);

  World* world;

  Tensor forward(const Tensor& a, const Tensor& b, reprise::PassContext&) {
    world->call();
    Tensor y(world->memory, a.size());
    for (std::size_t i = 0; i < a.size(); ++i) y[i] = a[i] * (b[i] > Step::huge ? 0.5 : 1.0);
    return y;
  }
  std::array<Tensor, 2> backward(const Tensor& b, const Tensor& dy, reprise::PassContext&) {
    world->call();
    Tensor da(world->memory, b.size());
    for (std::size_t i = 0; i < b.size(); ++i) da[i] = dy[i] * (b[i] > Step::huge ? 0.5 : 1.0);
    return {std::move(da), Tensor{}};
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& a, const Tensor&) const {
    return {.forward_flops = static_cast<double>(a.size())};
  }
};

/// How the nodes of a random graph are wired, and what is among them.
enum class Family : std::uint8_t {
  chain,     ///< each node reads the one before it
  residual,  ///< a DAG: each node reads any of the last few values
  u_shape,   ///< an encoder, and a decoder whose levels read the encoder's too
  outputs,   ///< more than one output, or a node with more than one
  in_place,  ///< a node that consumes its input
  shared,    ///< a parameter of several nodes
  view,      ///< a node whose output is a view, or a view of one
  skips,     ///< a node that can leave out its output in a recompute
  none,      ///< a node that returns no gradient for an input
};

/// The name of each family, in the order of the enumerators.
inline constexpr std::array<std::string_view, 9> family_names{
    "chain", "residual DAG",    "U-shape",    "several outputs", "in place", "shared parameter",
    "view",  "can skip output", "no gradient"};

/// A random graph over one input, of one of the shapes and some of the other families.
struct RandomGraph {
  std::unique_ptr<World> world = std::make_unique<World>();
  reprise::Graph<Tensor> graph;
  std::vector<std::shared_ptr<Parameter>> parameters;
  std::size_t width = 0;
  std::array<bool, family_names.size()> families{};

  explicit RandomGraph(std::mt19937& random) : random_(&random) {
    width = 1 + pick(6);
    offer(add_dense(input_));
    switch (pick(4)) {
      case 0:
        make_chain();
        break;
      case 1:
        make_u_shape();
        break;
      default:
        make_residual();
    }
    graph.output(offered_.back());
    const reprise::Source other = offered_[pick(offered_.size())];
    if (pick(2) == 0 && other != offered_.back()) {
      note(Family::outputs);
      graph.output(other);
    }
    random_ = nullptr;
  }

  [[nodiscard]] bool is(Family family) const { return families[static_cast<std::size_t>(family)]; }

  [[nodiscard]] Tensor tensor(double scale) {
    Tensor t(world->memory, width);
    for (std::size_t i = 0; i < width; ++i) t[i] = scale * static_cast<double>(i + 1);
    return t;
  }

  void zero_gradients() {
    for (const auto& p : parameters) p->gradient.assign(width, 0.0);
  }
  [[nodiscard]] std::vector<double> gradients() const {
    std::vector<double> all;
    for (const auto& p : parameters) all.insert(all.end(), p->gradient.begin(), p->gradient.end());
    return all;
  }

 private:
  [[nodiscard]] std::size_t pick(std::size_t n) {
    return std::uniform_int_distribution<std::size_t>(0, n - 1)(*random_);
  }
  void note(Family family) { families[static_cast<std::size_t>(family)] = true; }
  reprise::Source offer(reprise::Source source) {
    offered_.push_back(source);
    return source;
  }

  void make_chain() {
    note(Family::chain);
    for (std::size_t n = 1 + pick(12); n > 0; --n) offer(add_unary(offered_.back()));
  }

  void make_residual() {
    note(Family::residual);
    const auto recent = [&] {
      const std::size_t count = std::min<std::size_t>(offered_.size() + 1, 4);
      const std::size_t back = pick(count);
      return back == offered_.size() ? input_ : offered_[offered_.size() - 1 - back];
    };
    for (std::size_t n = 1 + pick(12); n > 0; --n) {
      if (pick(4) == 0) {
        regroup();
        const reprise::Source first = recent();
        offer(add_binary(first, recent()));
      } else {
        offer(add_unary(recent()));
      }
    }
  }

  void make_u_shape() {
    note(Family::u_shape);
    std::vector<reprise::Source> skipped;
    const std::size_t depth = 1 + pick(4);
    const auto level = [&](reprise::Source source) {
      for (std::size_t n = 1 + pick(2); n > 0; --n) source = offer(add_unary(source));
      return source;
    };
    reprise::Source source = offered_.back();
    for (std::size_t i = 0; i < depth; ++i) {
      skipped.push_back(source);
      source = level(source);
    }
    for (std::size_t i = depth; i-- > 0;) {
      source = add_binary(source, skipped[i]);
      source = level(source);
    }
  }

  // A new layer now and then, or the end of one.
  void regroup() {
    if (pick(4) == 0) graph.begin_layer("group " + std::to_string(graph.size()));
    if (pick(5) == 0) graph.end_layer();
  }

  reprise::Source add_binary(reprise::Source a, reprise::Source b) {
    if (pick(3) != 0) return graph.add(Mix{world.get()}, a, b);
    note(Family::none);
    return graph.add(Gate{world.get()}, a, b);
  }

  // Now and then: nothing that only it reads gets a gradient.
  [[nodiscard]] bool is_step() { return pick(24) == 0; }

  reprise::Source add_unary(reprise::Source source) {
    regroup();
    if (is_step()) {
      note(Family::none);
      return graph.add(Step{world.get()}, source);
    }
    switch (pick(7)) {
      case 0:
        return graph.add(Bell{world.get()}, source);
      case 4:
        note(Family::skips);
        return graph.add(Silu{world.get()}, source);
      case 1: {
        note(Family::outputs);
        reprise::Source both = graph.add(SinCos{world.get()}, source);
        if (pick(2) == 0) offer({.node = both.node, .port = 1});
        return both;
      }
      case 2:
        // What is consumed must have no other reader, so it is made here and not offered.
        note(Family::in_place);
        return graph.add(ScaleInPlace{world.get()}, add_dense(source));
      case 3:
        if (source.is_graph_input()) return add_dense(source);
        note(Family::view);
        source = graph.add(View{world.get()}, source);
        if (pick(3) != 0) return source;
        offer(source);
        return graph.add(View{world.get()}, source);
      default:
        return add_dense(source);
    }
  }

  reprise::Source add_dense(reprise::Source source) {
    const bool is_shared = !parameters.empty() && pick(5) == 0;
    if (is_shared) {
      note(Family::shared);
    } else {
      add_parameter();
    }
    const Dense dense{.world = world.get(), .weight = parameters.back(), .transient = pick(3)};
    if (pick(2) == 0) return graph.add(dense, source);
    note(Family::skips);
    return graph.add(SkippingDense{dense}, source);
  }

  void add_parameter() {
    auto made = std::make_shared<Parameter>();
    std::uniform_real_distribution<double> uniform(-1.0, 1.0);
    for (std::size_t i = 0; i < width; ++i) made->value.push_back(uniform(*random_));
    made->gradient.assign(width, 0.0);
    parameters.push_back(std::move(made));
  }

  reprise::Source input_ = graph.input();
  std::vector<reprise::Source> offered_;  // what later nodes may read
  std::mt19937* random_;
};

}  // namespace reprise_test
