// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// joined: no

// An engine without a list of entries: each variable owns the graph behind it.

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <reprise/run/checkpoint.hpp>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"

namespace {

using reprise_test::CountingMemory;
using Tensor = reprise_test::CountingTensor;

/// What the engine knows of itself; its graphs live in its variables.
struct Engine {
  CountingMemory memory{};
  reprise::Saver<Tensor> saver{};
  reprise::PassContext pass{};
};

/// A multiplication whose result is wanted in backward; a leaf has no operands.
struct Node {
  std::vector<std::shared_ptr<Node>> operands{};
  std::vector<reprise::SavedValue<Tensor>> factors{};  ///< the other operand's tensor
  float gradient = 0;
};

struct Scalar {
  Engine* engine = nullptr;
  Tensor tensor{};
  std::shared_ptr<Node> node = std::make_shared<Node>();
};

Scalar scalar(Engine& engine, float value) {
  Scalar s{&engine, Tensor(engine.memory, 1)};
  s.tensor[0] = value;
  return s;
}

Scalar operator*(const Scalar& a, const Scalar& b) {
  Engine& engine = *a.engine;
  std::vector<reprise::SavedValue<Tensor>> factors;
  factors.push_back(engine.saver.save(b.tensor));
  factors.push_back(engine.saver.save(a.tensor));
  Scalar y = scalar(engine, a.tensor[0] * b.tensor[0]);
  y.node->operands = {a.node, b.node};
  y.node->factors = std::move(factors);
  return y;
}

/// For graphs in which each result is read once.
// NOLINTNEXTLINE(misc-no-recursion)
void differentiate(const std::shared_ptr<Node>& node, float gradient) {
  node->gradient += gradient;
  for (std::size_t i = 0; i < node->operands.size(); ++i) {
    differentiate(node->operands[i], gradient * node->factors[i].get()[0]);
    node->factors[i] = {};
  }
}

}  // namespace

template <>
struct reprise::tape_traits<Scalar> {
  using tensor_type = Tensor;

  static const Tensor& tensor(const Scalar& s) { return s.tensor; }
  static Scalar rebind(const Scalar& s, Tensor tensor) {
    return {s.engine, std::move(tensor), s.node};
  }
  static Engine& tape(const Scalar& s) { return *s.engine; }
  static Saver<Tensor>& saver(Engine& engine) { return engine.saver; }
  static PassContext& pass(Engine& engine) { return engine.pass; }
  static int mark(const Engine&) { return 0; }
  static void rewind(Engine&, int) {}
};

TEST_CASE("variables that own their graph are checkpointed as a list of entries is") {
  struct Result {
    float x;
    float w;
    std::uint64_t at_rest;
    std::uint64_t left;
  };
  const auto run = [](bool uses_checkpoints) {
    Engine engine;
    Result result{};
    const Scalar x = scalar(engine, 1.25F);
    const Scalar w = scalar(engine, 0.75F);
    const auto pair = [&w](const Scalar& v) { return v * w * w; };
    const auto four = [&](const Scalar& v) {
      return uses_checkpoints ? reprise::checkpoint(pair, reprise::checkpoint(pair, v))
                              : pair(pair(v));
    };
    {
      Scalar y = uses_checkpoints ? reprise::checkpoint(four, x) : four(x);
      result.at_rest = engine.memory.live;
      differentiate(y.node, 1.0F);
    }
    result.x = x.node->gradient;
    result.w = w.node->gradient;
    result.left = engine.memory.live;
    return result;
  };
  const Result plain = run(false);
  const Result checkpointed = run(true);
  CHECK(checkpointed.x == plain.x);
  CHECK(checkpointed.w == plain.w);
  CHECK(plain.at_rest == 6 * sizeof(float));
  CHECK(checkpointed.at_rest == 3 * sizeof(float));
  CHECK(checkpointed.left == 2 * sizeof(float));
  CHECK(plain.left == 2 * sizeof(float));
}
