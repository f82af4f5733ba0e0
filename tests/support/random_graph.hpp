// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <memory>
#include <random>
#include <reprise/core/graph.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"

namespace reprise_test {

using Tensor = CountingTensor;

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
  std::vector<float> value;
  std::vector<float> gradient;
};

/// y = w * x + tanh(x), saves tanh(x), reads x; draws a dropout mask from the pass.
struct Dense {
  using tensor_type = Tensor;
  struct saved_type {
    Tensor tanh;
  };
  static constexpr auto backward_reads = reprise::Reads::input;

  World* world;
  std::shared_ptr<Parameter> weight;
  std::size_t transient;

  [[nodiscard]] static float mask(const reprise::PassContext& pass, std::size_t i) {
    return pass.random().uniform(i) < 0.25F ? 0.0F : 1.25F;
  }
  Tensor forward(const Tensor& x, saved_type& saved, reprise::PassContext& pass) {
    world->call();
    Tensor y(world->memory, x.size());
    saved.tanh = Tensor(world->memory, x.size());
    const Tensor scratch(world->memory, transient);
    for (std::size_t i = 0; i < x.size(); ++i) {
      saved.tanh[i] = std::tanh(x[i]);
      y[i] = mask(pass, i) * (weight->value[i] * x[i] + saved.tanh[i]);
    }
    return y;
  }
  Tensor backward(const Tensor& x, saved_type& saved, const Tensor& dy,
                  reprise::PassContext& pass) {
    world->call();
    Tensor dx(world->memory, x.size());
    const Tensor scratch(world->memory, transient);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float d = dy[i] * mask(pass, i);
      weight->gradient[i] += d * x[i];
      dx[i] = d * (weight->value[i] + 1.0F - saved.tanh[i] * saved.tanh[i]);
    }
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor& x) const {
    return {.forward_flops = 5.0 * static_cast<double>(x.size()),
            .backward_flops = 8.0 * static_cast<double>(x.size()),
            .forward_transient_bytes = transient * sizeof(float),
            .backward_transient_bytes = transient * sizeof(float)};
  }
  template <class F>
  void for_each_gradient(F&& f) {
    f(std::span<float>(weight->gradient));
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
    for (std::size_t i = 0; i < x.size(); ++i) dy[i] *= -2.0F * x[i] * y[i];
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
    for (std::size_t i = 0; i < x.size(); ++i) x[i] *= 0.5F;
    return std::move(x);
  }
  Tensor backward(const Tensor& dy, reprise::PassContext&) {
    world->call();
    Tensor dx(world->memory, dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = dy[i] * 0.5F;
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
      da[i] = dy[i] * (b[i] + 1.0F);
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
      dx[i] = (ds.size() == 0 ? 0.0F : ds[i] * c[i]) - (dc.size() == 0 ? 0.0F : dc[i] * s[i]);
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

/// A random DAG over one input, with residual edges, products of a value with itself, several
/// outputs, views, in-place nodes and shared parameters.
struct RandomGraph {
  std::unique_ptr<World> world = std::make_unique<World>();
  reprise::Graph<Tensor> graph;
  std::vector<std::shared_ptr<Parameter>> parameters;
  std::size_t width = 0;

  explicit RandomGraph(std::mt19937& random) {
    const auto pick = [&](std::size_t n) {
      return std::uniform_int_distribution<std::size_t>(0, n - 1)(random);
    };
    width = 1 + pick(6);
    std::vector<reprise::Source> values{graph.input()};
    const auto recent = [&] {
      return values[values.size() - 1 - pick(std::min<std::size_t>(values.size(), 4))];
    };
    const std::size_t count = 2 + pick(12);
    values.push_back(graph.add(dense(random), values[0]));
    for (std::size_t n = 1; n < count; ++n) {
      if (pick(4) == 0) graph.begin_layer("group " + std::to_string(n));
      if (pick(5) == 0) graph.end_layer();
      switch (pick(8)) {
        case 0:
          values.push_back(graph.add(Bell{world.get()}, recent()));
          break;
        case 1:
        case 2:
          values.push_back(graph.add(Mix{world.get()}, recent(), recent()));
          break;
        case 3: {
          const reprise::Source both = graph.add(SinCos{world.get()}, recent());
          values.push_back(both);
          if (pick(2) == 0) values.push_back({.node = both.node, .port = 1});
          break;
        }
        case 4: {
          // What is consumed must have no other reader, so it is made here and not offered.
          const reprise::Source own = graph.add(dense(random), recent());
          values.push_back(graph.add(ScaleInPlace{world.get()}, own));
          break;
        }
        case 5: {
          const reprise::Source source = recent();
          if (!source.is_graph_input()) values.push_back(graph.add(View{world.get()}, source));
          break;
        }
        default:
          values.push_back(graph.add(dense(random), recent()));
      }
    }
    if (values.back().is_graph_input()) values.push_back(graph.add(dense(random), values[0]));
    graph.output(values.back());
    const reprise::Source other = values[1 + pick(values.size() - 1)];
    if (other != values.back()) graph.output(other);
  }

  [[nodiscard]] Tensor tensor(float scale) {
    Tensor t(world->memory, width);
    for (std::size_t i = 0; i < width; ++i) t[i] = scale * static_cast<float>(i + 1);
    return t;
  }

  void zero_gradients() {
    for (const auto& p : parameters) p->gradient.assign(width, 0.0F);
  }
  [[nodiscard]] std::vector<float> gradients() const {
    std::vector<float> all;
    for (const auto& p : parameters) all.insert(all.end(), p->gradient.begin(), p->gradient.end());
    return all;
  }

 private:
  [[nodiscard]] Dense dense(std::mt19937& random) {
    const bool is_shared = !parameters.empty() && random() % 5 == 0;
    if (!is_shared) {
      auto made = std::make_shared<Parameter>();
      std::uniform_real_distribution<float> uniform(-1.0F, 1.0F);
      for (std::size_t i = 0; i < width; ++i) made->value.push_back(uniform(random));
      made->gradient.assign(width, 0.0F);
      parameters.push_back(std::move(made));
    }
    return {.world = world.get(), .weight = parameters.back(), .transient = random() % 3};
  }
};

}  // namespace reprise_test
