// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Inputs, outputs and gradients whose number is known at run time.

#include <doctest/doctest.h>

#include <array>
#include <reprise/reprise.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using reprise::PassContext;
using Tensor = std::vector<float>;

struct Double {
  using tensor_type = Tensor;
  Tensor forward(const Tensor& x, PassContext&) { return {2 * x[0]}; }
  Tensor backward(const Tensor& dy, PassContext&) { return {2 * dy[0]}; }
};

/// The sum of any number of inputs, each with its place as a factor; knows which gradients are
/// wanted.
struct Weighted {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;
  std::vector<bool>* wanted;

  void for_each_gradient(auto&& /*f*/) {}  // it has no parameters
  Tensor forward(std::span<const Tensor* const> inputs, PassContext&) {
    float y = 0;
    for (std::size_t i = 0; i < inputs.size(); ++i) y += static_cast<float>(i) * (*inputs[i])[0];
    return {y};
  }
  std::vector<Tensor> backward(std::span<const Tensor* const> inputs, const Tensor& dy,
                               PassContext& pass) {
    std::vector<Tensor> d(inputs.size());
    wanted->assign(inputs.size(), false);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      (*wanted)[i] = pass.wants_input_gradient(i);
      if ((*wanted)[i]) d[i] = {static_cast<float>(i) * dy[0]};
    }
    return d;
  }
};

/// Has no gradient and wants none.
struct Constant {
  using tensor_type = Tensor;
  static constexpr auto differentiates = reprise::Reads::none;
  [[nodiscard]] bool is_frozen() const { return true; }
  Tensor forward(const Tensor& x, PassContext&) { return x; }
  Tensor backward(const Tensor& dy, PassContext&) { return dy; }
};

/// n inputs, each doubled and an output; the doubles together as one more, to which each node and
/// each input is a reader.
struct Wide {
  std::vector<bool> wanted;
  reprise::Graph<Tensor> graph;
  explicit Wide(std::size_t n) {
    std::vector<reprise::Source> read;
    for (std::size_t i = 0; i < n; ++i) read.push_back(graph.input());
    for (std::size_t i = 0; i < n; ++i) {
      read.push_back(graph.add(Double{}, read[i]));
      graph.output(read.back());
    }
    graph.output(graph.add(Weighted{.wanted = &wanted}, read));
  }
};

template <class Net>
void check_step(Net&& net, std::size_t n) {
  std::vector<Tensor> inputs;
  std::vector<const Tensor*> pointers;
  for (std::size_t i = 0; i < n; ++i) inputs.push_back({static_cast<float>(i % 7)});
  for (const Tensor& input : inputs) pointers.push_back(&input);
  const auto expected = [n](std::size_t i) {  // of y_i, and of the sum directly and through y_i
    return 2.0F + static_cast<float>(i) + 2.0F * static_cast<float>(n + i);
  };
  const std::vector<Tensor> inferred = net.infer(inputs);
  REQUIRE(inferred.size() == n + 1);
  net.begin_step();
  for (const bool by_pointer : {false, true}) {
    auto pass = by_pointer ? net.forward(std::span<const Tensor* const>(pointers))
                           : net.forward(std::span<const Tensor>(inputs));
    for (std::size_t i = 0; i <= n; i += n / 10 + 1) CHECK(pass.output(i) == inferred[i]);
    std::vector<Tensor> given(n + 1, Tensor{1});
    const auto d = by_pointer ? net.backward(std::move(pass), std::span(given))
                              : net.backward(std::move(pass), std::move(given));
    REQUIRE(d.size() == n);
    for (std::size_t i = 0; i < n; ++i) REQUIRE(d[i] == Tensor{expected(i)});
  }
  net.verify_step(
      [](std::span<const Tensor* const> outputs) {
        return std::vector<Tensor>(outputs.size(), Tensor{1});
      },
      [] {}, inputs);
  net.end_step();
  CHECK(net.forget_shapes(inputs));
  CHECK_FALSE(net.forget_shapes(pointers));
}

}  // namespace

TEST_CASE("5,000 inputs and outputs, of one node and of many, are a list") {
  constexpr std::size_t n = 5'000;
  Wide wide(n);
  reprise::CheckpointScheduler keeps{reprise::StoreAll{}};
  reprise::RematStore store;
  check_step(reprise::Checkpointed{wide.graph, keeps, store}, n);
  reprise::CheckpointScheduler recomputes{reprise::RecomputeAll{}};
  check_step(reprise::Checkpointed{wide.graph, recomputes, store, {.verify_replay = true}}, n);
}

// Neighbours are what an operation reads beside what it writes: n * n of them.
TEST_CASE("so they are where a store evicts, 1,000 of them") {
  constexpr std::size_t n = 1'000;
  Wide wide(n);
  reprise::RematStore evicting{reprise::DtrEqClass{}};
  check_step(reprise::Checkpointed{wide.graph, evicting}, n);
}

TEST_CASE("a wrong number of inputs or gradients is refused with both numbers") {
  Wide wide(3);
  reprise::CheckpointScheduler keeps{reprise::StoreAll{}};
  const auto check = [](auto net) {
    const std::vector<Tensor> two(2, Tensor{1});
    const std::vector<Tensor> three(3, Tensor{1});
    std::vector<const Tensor*> pointers{&three[0], nullptr, &three[2]};
    net.begin_step();
    CHECK_THROWS_WITH_AS(static_cast<void>(net.forward(two)),
                         "forward was given 2 inputs, the graph has 3", reprise::InvalidArgument);
    CHECK_THROWS_WITH_AS(static_cast<void>(net.infer(two)),
                         "infer was given 2 inputs, the graph has 3", reprise::InvalidArgument);
    CHECK_THROWS_WITH_AS(net.verify_step([](auto) { return std::vector<Tensor>{}; }, [] {}, two),
                         "verify_step was given 2 inputs, the graph has 3",
                         reprise::InvalidArgument);
    CHECK_THROWS_WITH_AS(net.forget_shapes(two),
                         "forget_shapes was given 2 inputs, the graph has 3",
                         reprise::InvalidArgument);
    CHECK_THROWS_WITH_AS(static_cast<void>(net.forward(pointers)),
                         "forward was given a null pointer for input 1", reprise::InvalidArgument);
    auto pass = net.forward(three);
    CHECK_THROWS_WITH_AS(net.backward(std::move(pass), std::vector<Tensor>(5, Tensor{1})),
                         "backward was given 5 gradients for 4 outputs", reprise::InvalidArgument);
    CHECK(net.live_bytes() == 0);
  };
  reprise::RematStore store;
  check(reprise::Checkpointed{wide.graph, keeps, store});
  reprise::RematStore evicting{reprise::DtrEqClass{}};
  check(reprise::Checkpointed{wide.graph, evicting});
}

TEST_CASE("gradients in a row are moved from, and a list's elements are handed over one by one") {
  Wide wide(2);
  reprise::CheckpointScheduler keeps{reprise::StoreAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{wide.graph, keeps, store};
  const std::array<Tensor, 2> inputs{Tensor{1}, Tensor{2}};
  std::array<Tensor, 3> gradients{Tensor{1}, Tensor{1}, Tensor{1}};
  net.begin_step();
  auto pass = net.forward(inputs);
  net.backward(std::move(pass), std::span(gradients));
  for (const Tensor& gradient : gradients) CHECK(gradient.empty());
}

TEST_CASE("a node of many inputs is never told that a wanted gradient is unwanted") {
  for (const std::size_t first_frozen : {std::size_t{30}, std::size_t{31}, std::size_t{40}}) {
    CAPTURE(first_frozen);
    // Of 42 inputs of the node those from one on are nodes without a wanted gradient.
    std::vector<bool> wanted;
    reprise::Graph<Tensor> graph;
    const reprise::Source x = graph.input();
    std::vector<reprise::Source> read;
    for (std::size_t i = 0; i < 42; ++i) {
      read.push_back(i < first_frozen ? graph.add(Double{}, x) : graph.add(Constant{}, x));
    }
    graph.output(graph.add(Weighted{.wanted = &wanted}, read));
    reprise::CheckpointScheduler keeps{reprise::StoreAll{}};
    reprise::RematStore store;
    reprise::Checkpointed net{graph, keeps, store};
    const Tensor one{1};
    net.begin_step();
    auto pass = net.forward(one);
    const auto d = net.backward(std::move(pass), Tensor{1});
    float expected = 0;
    for (std::size_t i = 0; i < first_frozen; ++i) {
      CHECK(wanted[i]);
      expected += 2.0F * static_cast<float>(i);
    }
    CHECK(d[0] == Tensor{expected});
    CHECK(wanted[30] == (first_frozen > 30));
    CHECK(wanted[41] == (first_frozen > 31));
  }
}
