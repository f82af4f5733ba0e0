// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// joined: no

// What the budget counts, what must own its memory, and when memory is given back.

#include <doctest/doctest.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <functional>
#include <memory>
#include <numeric>
#include <reprise/reprise.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"

namespace {

using reprise::PassContext;
using reprise_test::CountingMemory;
using Tensor = reprise_test::CountingTensor;
using Graph = reprise::Graph<Tensor>;

constexpr std::size_t width = 4;
constexpr std::uint64_t bytes = width * sizeof(float);

struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
  void abandon_step() {}
};

/// Keeps nothing: everything is recomputed.
struct KeepNothing {
  reprise::Plan operator()(const reprise::PlanRequest& request) const {
    const reprise::LayerValues layers(request.program);
    reprise::CandidateSearch search(request, layers, "nothing");
    search.consider(reprise::SavedSet(request.program.values().size(), 0));
    return search.take();
  }
};

Tensor filled(CountingMemory& memory, float value) {
  Tensor t(memory, width);
  for (std::size_t i = 0; i < width; ++i) t[i] = value + 0.1F * static_cast<float>(i);
  return t;
}

std::vector<float> numbers_of(const Tensor& t) { return {t.data(), t.data() + t.size()}; }

/// y = x², saves x twice over.
struct Square {
  using tensor_type = Tensor;
  struct saved_type {
    Tensor x;
    Tensor twice;
  };

  CountingMemory* memory;
  std::size_t scratch = 0;   ///< elements that it really takes
  std::size_t declared = 0;  ///< elements that it says it takes

  Tensor forward(const Tensor& x, saved_type& saved, PassContext&) {
    Tensor y(*memory, width);
    saved.x = Tensor(*memory, width);
    saved.twice = Tensor(*memory, width);
    const Tensor takes(*memory, scratch);
    for (std::size_t i = 0; i < width; ++i) {
      saved.x[i] = x[i];
      saved.twice[i] = 2.0F * x[i];
      y[i] = x[i] * x[i];
    }
    return y;
  }
  Tensor backward(saved_type& saved, const Tensor& dy, PassContext&) {
    Tensor dx(*memory, width);
    for (std::size_t i = 0; i < width; ++i) dx[i] = dy[i] * saved.twice[i];
    return dx;
  }
  [[nodiscard]] reprise::NodeCosts costs(const Tensor&) const {
    return {.forward_flops = width, .forward_transient_bytes = declared * sizeof(float)};
  }
};

template <class N>
Graph chain_of(std::size_t count, const N& node) {
  Graph graph;
  reprise::Source at = graph.input();
  for (std::size_t i = 0; i < count; ++i) at = graph.add(node, at);
  graph.output(at);
  return graph;
}

/// A graph under a plan, between forward and backward.
template <class P, class G = Graph>
class Net {
 public:
  explicit Net(G& graph, P planner = {}, reprise::RematStoreOptions<> in = {},
               reprise::CheckpointedOptions options = {})
      : scheduler_(std::move(planner)),
        store_(std::move(in)),
        net_(graph, tracker_, scheduler_, store_, std::move(options)) {
    net_.begin_step();
  }
  Net(const Net&) = delete;
  Net& operator=(const Net&) = delete;
  auto* operator->() { return &net_; }

 private:
  NoStatistics tracker_;
  reprise::CheckpointScheduler<P> scheduler_;
  reprise::RematStore<> store_;
  reprise::Checkpointed<G, NoStatistics, reprise::CheckpointScheduler<P>> net_;
};

}  // namespace

TEST_CASE("a measuring forward keeps only what later nodes read, and says what it held") {
  CountingMemory memory;
  Graph graph = chain_of(50, Square{&memory});
  const Tensor x = filled(memory, 0.5F);
  std::array inputs{const_cast<Tensor*>(&x)};
  memory.peak = memory.live;
  const reprise::Profile profile =
      reprise::make_profile(graph, std::span<Tensor* const>(inputs), {});
  CHECK(memory.peak - bytes == profile.held_bytes);
  CHECK(profile.held_bytes == 4 * bytes);  // two outputs and a saved state, not fifty
  CHECK(memory.live == bytes);

  Net<reprise::StoreAll> net(graph);
  { const auto pass = net->forward(x); }
  CHECK(net->report().profile_bytes == profile.held_bytes);
}

TEST_CASE("a transient that was declared too large stays below the ledger") {
  CountingMemory memory;
  Graph exact = chain_of(6, Square{&memory, 3, 3});
  Graph upper = chain_of(6, Square{&memory, 3, 30});
  const auto peak_of = [&](Graph& graph, bool is_exact) {
    std::uint64_t during = 0;
    Net<KeepNothing> net(graph, {}, {.observer = [&](const reprise::ActionEvent& event) {
                           if (event.action.kind == reprise::ActionKind::drop) return;
                           if (event.moment == reprise::ActionEvent::Moment::before) {
                             during = event.during_bytes;
                             memory.peak = memory.live;
                           } else if (event.action.index != 6) {
                             const std::uint64_t observed = memory.peak - bytes;
                             CHECK(observed <= during);
                             if (is_exact) CHECK(observed == during);
                           }
                         }});
    const Tensor x = filled(memory, 0.5F);
    auto pass = net->forward(x);
    net->backward(std::move(pass), filled(memory, 1.0F));
    CHECK(net->report().peak_bytes == net->report().predicted_peak_bytes);
    return net->report().peak_bytes;
  };
  CHECK(peak_of(exact, true) < peak_of(upper, false));
}

TEST_CASE("a gradient that nobody wants is a transient of the node that makes it all the same") {
  CountingMemory memory;
  Graph graph = chain_of(3, Square{&memory});
  const Tensor x = filled(memory, 0.5F);
  std::uint64_t during = 0;
  Net<reprise::StoreAll> net(graph, {},
                             {.observer =
                                  [&](const reprise::ActionEvent& event) {
                                    if (event.action == reprise::Action::run(3)) return;
                                    if (event.moment == reprise::ActionEvent::Moment::before) {
                                      during = event.during_bytes;
                                      memory.peak = memory.live;
                                    } else {
                                      CHECK(memory.live - bytes == event.live_bytes);
                                      CHECK(memory.peak - bytes == during);
                                    }
                                  }},
                             {.input_gradients = false});
  auto pass = net->forward(x);
  const auto dx = net->backward(std::move(pass), filled(memory, 1.0F));
  REQUIRE(dx.size() == 1);
  CHECK(dx[0].size() == 0);
  CHECK(memory.live == bytes);
}

namespace {

/// Counts as an allocator does that rounds blocks up and gives none back to the system.
struct Pool {
  std::uint64_t live = 0;
  std::uint64_t reserved = 0;

  void take(std::uint64_t size) {
    live += rounded(size);
    reserved = std::max(reserved, live);
  }
  void give_back(std::uint64_t size) { live -= rounded(size); }
  static std::uint64_t rounded(std::uint64_t size) { return (size + 511) / 512 * 512; }
};

/// y = x²; takes its output from the pool, which has it back after backward.
struct Pooled {
  using tensor_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  CountingMemory* memory;
  Pool* pool;

  Tensor forward(const Tensor& x, PassContext&) {
    pool->take(bytes);
    Tensor y(*memory, width);
    for (std::size_t i = 0; i < width; ++i) y[i] = x[i] * x[i];
    return y;
  }
  Tensor backward(const Tensor& x, const Tensor& dy, PassContext&) {
    Tensor dx(*memory, width);
    for (std::size_t i = 0; i < width; ++i) dx[i] = 2.0F * dy[i] * x[i];
    pool->give_back(bytes);
    return dx;
  }
};

}  // namespace

TEST_CASE("an allocator's rounding and pooling are reported beside the requested bytes") {
  CountingMemory memory;
  Pool pool;
  Graph graph = chain_of(5, Pooled{&memory, &pool});
  const auto step = [&](auto& net) {
    const Tensor x = filled(memory, 0.5F);
    auto pass = net->forward(x);
    net->backward(std::move(pass), filled(memory, 1.0F));
  };
  int asked = 0;
  Net<reprise::StoreAll> net(graph, {}, {}, {.reserved_bytes = [&] {
                               ++asked;
                               return pool.reserved;
                             }});
  step(net);
  CHECK(net->report().reserved_bytes == pool.reserved);
  CHECK(net->report().reserved_bytes > net->report().peak_bytes);
  CHECK(net->report().peak_bytes == net->report().predicted_peak_bytes);
  CHECK(asked == 2 * 5);
  net->end_step();
  net->begin_step();
  CHECK(net->report().reserved_bytes == 0);

  Net<reprise::StoreAll> without(graph);
  step(without);
  CHECK(without->report().reserved_bytes == 0);
}

TEST_CASE("k passes in flight need the peak of one and what the others hold at rest") {
  CountingMemory memory;
  Graph graph = chain_of(8, Square{&memory});
  const Tensor x = filled(memory, 0.5F);
  const auto check = [&](auto planner) {
    using P = decltype(planner);
    const reprise::Program program = [&] {
      Net<P> net(graph, planner);
      { const auto pass = net->forward(x); }
      return net->program();
    }();
    const reprise::Plan one = planner(reprise::PlanRequest{.program = program});
    for (std::size_t k = 1; k <= 5; ++k) {
      for (const bool first_in_first_out : {true, false}) {
        CAPTURE(k);
        const reprise::byte_count bound = one.peak_bytes + (k - 1) * one.boundary_bytes;
        std::uint64_t most = 0;
        Net<P> net(graph, planner,
                   {.budget = bound,
                    .observer =
                        [&](const reprise::ActionEvent& event) {
                          if (event.moment == reprise::ActionEvent::Moment::before) {
                            memory.peak = memory.live;
                          } else if (!(event.action == reprise::Action::run(program.loss()))) {
                            most = std::max(most, memory.peak - bytes);
                          }
                        }},
                   {.passes_in_flight = k});
        std::vector<decltype(net->forward(x))> passes;
        for (std::size_t i = 0; i < k; ++i) {
          passes.push_back(net->forward(x));
          CHECK(net->live_bytes() == (i + 1) * one.boundary_bytes);
          CHECK(memory.live - bytes == net->live_bytes());
        }
        if (!first_in_first_out) std::ranges::reverse(passes);
        for (auto& pass : passes) net->backward(std::move(pass), filled(memory, 1.0F));
        CHECK(most <= bound);
        CHECK(net->report().predicted_peak_bytes == bound);
        CHECK(net->report().peak_bytes <= bound);
        CHECK(net->live_bytes() == 0);
      }
      if (k == 1) continue;
      Net<P> tight(graph, planner, {.budget = one.peak_bytes + (k - 1) * one.boundary_bytes - 1},
                   {.passes_in_flight = k});
      CHECK_THROWS_AS(static_cast<void>(tight->forward(x)), reprise::BudgetInfeasible);
    }
  };
  check(reprise::StoreAll{});
  check(reprise::RecomputeAll{});
  check(KeepNothing{});
}

TEST_CASE("a pass that is cancelled gives back what it holds, and leaves the others alone") {
  CountingMemory memory;
  Graph graph = chain_of(5, Square{&memory});
  const Tensor x = filled(memory, 0.5F);
  const Tensor other = filled(memory, -0.7F);
  Net<reprise::RecomputeAll> net(graph, {}, {}, {.passes_in_flight = 2});
  const std::uint64_t outside = memory.live;
  const std::vector<float> expected = [&] {
    auto pass = net->forward(x);
    return numbers_of(net->backward(std::move(pass), filled(memory, 1.0F))[0]);
  }();
  auto kept = net->forward(x);
  const std::uint64_t rest = net->live_bytes();
  for (int i = 0; i < 3; ++i) {
    const auto cancelled = net->forward(other);
    CHECK(net->live_bytes() == 2 * rest);
    CHECK(memory.live - outside == 2 * rest);
  }
  CHECK(net->live_bytes() == rest);
  CHECK(memory.live - outside == rest);
  CHECK(numbers_of(net->backward(std::move(kept), filled(memory, 1.0F))[0]) == expected);
  CHECK(memory.live == outside);
  net->end_step();
}

namespace {

/// y = mask x, with the mask in the node itself.
struct Masking {
  using tensor_type = Tensor;

  CountingMemory* memory;
  int* releases;
  Tensor mask{};

  Tensor forward(const Tensor& x, PassContext& pass) {
    Tensor y(*memory, width);
    mask = Tensor(*memory, width);
    for (std::size_t i = 0; i < width; ++i) {
      mask[i] = pass.random().uniform(i) < 0.5F ? 0.0F : 2.0F;
      y[i] = mask[i] * x[i];
    }
    return y;
  }
  Tensor backward(const Tensor& dy, PassContext&) {
    Tensor dx(*memory, width);
    for (std::size_t i = 0; i < width; ++i) dx[i] = dy[i] * mask[i];
    return dx;
  }
  [[nodiscard]] std::uint64_t resident_bytes() const { return mask.size() * sizeof(float); }
  void release_resident() {
    *releases += mask.size() > 0 ? 1 : 0;
    mask = Tensor();
  }
};

}  // namespace

TEST_CASE("what layers keep in themselves is counted, dropped, recomputed and given back") {
  CountingMemory memory;
  int releases = 0;
  const Tensor x = filled(memory, 0.5F);
  const auto gradients_under = [&](auto planner) {
    Graph graph = chain_of(4, Masking{&memory, &releases});
    Net<decltype(planner)> net(graph, planner,
                               {.observer =
                                    [&](const reprise::ActionEvent& event) {
                                      if (event.moment == reprise::ActionEvent::Moment::before)
                                        return;
                                      if (event.action == reprise::Action::run(4)) return;
                                      CHECK(memory.live - bytes == event.live_bytes);
                                    }},
                               {.seed = 9});
    auto pass = net->forward(x);
    auto dx = net->backward(std::move(pass), filled(memory, 1.0F));
    CHECK(net->live_bytes() == 0);
    return numbers_of(dx[0]);
  };
  const auto expected = gradients_under(reprise::StoreAll{});
  CHECK(releases == 4 + 4);  // once in the profile, once after backward
  CHECK(gradients_under(KeepNothing{}) == expected);
  CHECK(releases > 4 * 4);
  CHECK(memory.live == bytes);

  Graph graph = chain_of(4, Masking{&memory, &releases});
  Net<reprise::StoreAll> net(graph);
  {
    const auto cancelled = net->forward(x);
    CHECK(memory.live > bytes);
  }
  CHECK(memory.live == bytes);
  CHECK_THROWS_AS(Net<reprise::StoreAll>(graph, {}, {}, {.passes_in_flight = 2}),
                  reprise::InvalidArgument);
}

namespace {

enum class Sharing {
  nothing,
  saves_output,
  returns_input,
  gradient_twice,
  gradient_as_given,
  gradient_is_input
};

/// a + b, which shares memory where it must not.
struct Careless {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  CountingMemory* memory;
  Sharing* sharing;

  Tensor forward(const Tensor& a, const Tensor& b, Tensor& saved, PassContext&) {
    if (*sharing == Sharing::returns_input) return b;
    Tensor y = copy(a);
    for (std::size_t i = 0; i < width; ++i) y[i] += b[i];
    saved = *sharing == Sharing::saves_output ? y : copy(a);
    return y;
  }
  std::array<Tensor, 2> backward(const Tensor& a, const Tensor&, Tensor&, const Tensor& dy,
                                 PassContext&) {
    if (*sharing == Sharing::gradient_as_given) return {dy, copy(dy)};
    if (*sharing == Sharing::gradient_is_input) return {copy(dy), a};
    Tensor first = copy(dy);
    if (*sharing == Sharing::gradient_twice) return {first, first};
    return {first, copy(dy)};
  }
  [[nodiscard]] Tensor copy(const Tensor& of) const {
    Tensor made(*memory, width);
    for (std::size_t i = 0; i < width; ++i) made[i] = of[i];
    return made;
  }
};

}  // namespace

TEST_CASE("saved states, outputs and gradients own their memory, or the error says what to do") {
  CountingMemory memory;
  Sharing sharing = Sharing::nothing;
  Graph graph;
  const reprise::Source x = graph.input();
  const reprise::Source y = graph.add(Square{&memory}, x);
  graph.output(graph.add(Careless{&memory, &sharing}, x, y));
  const Tensor input = filled(memory, 0.5F);
  const auto step = [&](Sharing how) {
    sharing = how;
    Net<reprise::StoreAll> net(graph);
    auto pass = net->forward(input);
    net->backward(std::move(pass), filled(memory, 1.0F));
  };
  const auto check_refused = [&](Sharing how, const std::string& says) {
    CAPTURE(says);
    try {
      step(how);
      FAIL("shared memory was not seen");
    } catch (const reprise::SharedStorage& refused) {
      CHECK(std::string(refused.what()).find(says) != std::string::npos);
    }
    CHECK(memory.live == bytes);
  };
  CHECK_NOTHROW(step(Sharing::nothing));
  check_refused(Sharing::saves_output, "declare it in backward_reads instead of saving it");
  check_refused(Sharing::returns_input, "declare view_of");
  check_refused(Sharing::gradient_twice, "shares memory with another gradient: return a copy");
  check_refused(Sharing::gradient_as_given, "shares memory with another gradient: return a copy");
  check_refused(Sharing::gradient_is_input, "shares memory with what its backward reads");

  sharing = Sharing::nothing;
  Net<reprise::StoreAll> net(graph);
  auto pass = net->forward(input);
  Tensor output = pass.output();
  CHECK_THROWS_WITH_AS(
      net->backward(std::move(pass), std::move(output)),
      "the gradient of output 0 shares memory with output 0 or its gradient: hand over a copy",
      reprise::SharedStorage);
}

namespace {

/// A handle to an engine's tensor that knows whether it is a parameter.
struct Handle {
  Tensor tensor{};
  bool is_parameter = false;
};

/// Hands out a parameter itself.
struct Weight {
  using tensor_type = Handle;
  Handle parameter;
  CountingMemory* memory;
  std::vector<float>* gradient;

  Handle forward(PassContext&) { return parameter; }
  void backward(const Handle& dy, PassContext&) {
    for (std::size_t i = 0; i < width; ++i) (*gradient)[i] += dy.tensor[i];
  }
};

/// x w; saves both, of which w is a parameter.
struct Multiply {
  using tensor_type = Handle;
  struct saved_type {
    Handle x;
    Handle w;
  };
  CountingMemory* memory;

  Handle forward(const Handle& x, const Handle& w, saved_type& saved, PassContext&) {
    Tensor y(*memory, width);
    saved = {.x = {Tensor(*memory, width)}, .w = w};
    for (std::size_t i = 0; i < width; ++i) {
      saved.x.tensor[i] = x.tensor[i];
      y[i] = x.tensor[i] * w.tensor[i];
    }
    return {y};
  }
  std::array<Handle, 2> backward(saved_type& saved, const Handle& dy, PassContext&) {
    Tensor dx(*memory, width);
    Tensor dw(*memory, width);
    for (std::size_t i = 0; i < width; ++i) {
      dx[i] = dy.tensor[i] * saved.w.tensor[i];
      dw[i] = dy.tensor[i] * saved.x.tensor[i];
    }
    return {Handle{dx}, Handle{dw}};
  }
};

}  // namespace

template <>
struct reprise::tensor_traits<Handle> {
  static byte_count bytes(const Handle& h) { return tensor_traits<Tensor>::bytes(h.tensor); }
  static const void* storage(const Handle& h) { return h.tensor.storage(); }
  static void accumulate(Handle& into, const Handle& part) {
    tensor_traits<Tensor>::accumulate(into.tensor, part.tensor);
  }
  static bool is_persistent(const Handle& h) { return h.is_parameter; }
};

TEST_CASE("parameters that go through the graph count nothing, whoever holds them") {
  CountingMemory memory;
  std::vector<float> gradient(width);
  const Handle parameter{.tensor = filled(memory, 2.0F), .is_parameter = true};
  reprise::Graph<Handle> graph;
  const reprise::Source x = graph.input();
  const reprise::Source w = graph.add(Weight{parameter, &memory, &gradient});
  const reprise::Source y = graph.add(Multiply{&memory}, x, w);
  graph.output(graph.add(Multiply{&memory}, y, w));
  const Handle input{.tensor = filled(memory, 0.5F)};
  const auto run = [&](auto planner) {
    gradient.assign(width, 0.0F);
    Net<decltype(planner), reprise::Graph<Handle>> net(
        graph, planner, {.observer = [&](const reprise::ActionEvent& event) {
          if (event.moment == reprise::ActionEvent::Moment::before) return;
          if (event.action == reprise::Action::run(3)) return;
          CHECK(memory.live - 2 * bytes == event.live_bytes);
        }});
    auto pass = net->forward(input);
    std::vector<float> result = numbers_of(pass.output().tensor);
    const auto dx = net->backward(std::move(pass), Handle{filled(memory, 1.0F)});
    for (const float number : numbers_of(dx[0].tensor)) result.push_back(number);
    result.insert(result.end(), gradient.begin(), gradient.end());
    return result;
  };
  const auto expected = run(reprise::StoreAll{});
  CHECK(run(KeepNothing{}) == expected);
  const Tensor dy = filled(memory, 1.0F);
  for (std::size_t i = 0; i < width; ++i) {
    const float of_w = parameter.tensor[i];
    const float of_x = input.tensor[i];
    CHECK(expected[i] == doctest::Approx(of_x * of_w * of_w));
    CHECK(expected[2 * width + i] == doctest::Approx(2.0F * of_x * of_w * dy[i]));
  }
}

namespace {

/// y = x + 1 over one number.
struct Cheap {
  using tensor_type = std::vector<float>;
  using saved_type = std::vector<float>;
  std::size_t* calls;

  std::vector<float> forward(const std::vector<float>& x, std::vector<float>& saved, PassContext&) {
    ++*calls;
    saved = x;
    return {x[0] + 1.0F};
  }
  std::vector<float> backward(std::vector<float>&, const std::vector<float>& dy, PassContext&) {
    ++*calls;
    return {dy[0]};
  }
  [[nodiscard]] reprise::NodeCosts costs(const std::vector<float>&) const {
    return {.forward_flops = 1};
  }
};

/// Runs something on a stack of 512 KiB, which a recursion over nodes would overflow.
void on_small_stack(const std::function<void()>& what) {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, std::size_t{512} << 10) == 0);
  pthread_t thread{};
  auto* const run = +[](void* argument) -> void* {
    (*static_cast<const std::function<void()>*>(argument))();
    return nullptr;
  };
  REQUIRE(pthread_create(&thread, &attributes, run,
                         const_cast<void*>(static_cast<const void*>(&what))) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&attributes);
}

}  // namespace

TEST_CASE("100,000 nodes in a row are fine, whatever is kept") {
  constexpr std::size_t count = 100'000;
  std::size_t calls = 0;
  std::vector<Cheap> nodes(count, Cheap{&calls});
  auto graph = reprise::chain(nodes);
  const std::vector<float> x{0.0F};
  const auto check = [&](auto planner, std::size_t most_calls) {
    calls = 0;
    float output = 0;
    float gradient = 0;
    on_small_stack([&] {
      Net<decltype(planner), decltype(graph)> net(graph, planner);
      auto pass = net->forward(x);
      output = pass.output()[0];
      gradient = net->backward(std::move(pass), std::vector<float>{1.0F})[0][0];
    });
    CHECK(output == static_cast<float>(count));
    CHECK(gradient == 1.0F);
    CHECK(calls >= 3 * count);  // the measuring one included
    CHECK(calls <= most_calls);
  };
  check(reprise::StoreAll{}, 3 * count);
  check(reprise::RecomputeAll{}, 4 * count);
  check(KeepNothing{}, 4 * count);
}
