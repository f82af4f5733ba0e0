// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <limits>
#include <reprise/core/graph.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/program/profile.hpp>
#include <reprise/program/profile_state.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/store/remat_store.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using reprise::NodeProfile;
using reprise::Profile;
using Tensor = std::vector<float>;

struct Calls {
  int profiling = 0;
  int others = 0;
};

/// y = x², in an engine that knows its sizes.
struct Square {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  Calls* calls;

  Tensor forward(const Tensor& x, Tensor& saved, reprise::PassContext& pass) {
    ++(pass.is_profiling() ? calls->profiling : calls->others);
    saved = x;
    Tensor y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) y[i] = x[i] * x[i];
    return y;
  }
  Tensor backward(Tensor& saved, const Tensor& dy, reprise::PassContext&) {
    Tensor dx(dy.size());
    for (std::size_t i = 0; i < dy.size(); ++i) dx[i] = 2.0F * saved[i] * dy[i];
    return dx;
  }
};

/// Gives its profile itself; `numerator` halves of the real sizes.
class SizedGraph : public reprise::Graph<Tensor> {
 public:
  std::size_t numerator = 1;
  std::size_t nodes_in_profile = 3;
  std::size_t ports_in_profile = 1;

  explicit SizedGraph(Calls& calls) {
    reprise::Source at = input();
    for (int i = 0; i < 3; ++i) at = add(Square{&calls}, at);
    output(at);
  }

  [[nodiscard]] Profile profile(reprise::Arguments<Tensor> inputs) const {
    const std::size_t bytes = inputs[0].size() * sizeof(float) * numerator / 2;
    const NodeProfile node{
        .output_bytes = std::vector<reprise::byte_count>(ports_in_profile, bytes),
        .gradient_bytes = std::vector<reprise::byte_count>(ports_in_profile, bytes),
        .saved_bytes = bytes,
        .costs = {.forward_flops = static_cast<double>(inputs[0].size())}};
    return {.input_bytes = {bytes}, .nodes = std::vector<NodeProfile>(nodes_in_profile, node)};
  }
};

struct NoStatistics {
  [[nodiscard]] std::span<const double> statistics() const { return {}; }
  void end_step() {}
  void abandon_step() {}
};

Profile sample() {
  return {.input_bytes = {7, 8},
          .nodes = {{.output_bytes = {1, 2},
                     .gradient_bytes = {3, 4},
                     .saved_bytes = 5,
                     .costs = {.forward_flops = 0.0, .forward_transient_bytes = 6},
                     .forward_seconds = 0.125},
                    {.costs = {.backward_flops = 9.5,
                               .backward_transient_bytes = 10,
                               .max_output_bytes = {12, 13},
                               .max_saved_bytes = 14}}},
          .held_bytes = 11};
}

constexpr reprise::StateFormat format{
    .magic = {'P', 'R', 'O', 'F', 'I', 'L', 'E', 'S'}, .version = 1, .name = "a profile"};

std::string saved(const Profile& profile) {
  reprise::StateWriter writer;
  reprise::write_profile(writer, profile);
  std::ostringstream out;
  writer.write(out, format);
  return out.str();
}

Profile loaded(const std::string& bytes) {
  std::istringstream in(bytes);
  reprise::StateReader reader(in, format);
  Profile profile = reprise::read_profile(reader);
  reader.expect_end();
  return profile;
}

}  // namespace

TEST_CASE("an engine that knows its sizes is planned and run without a measuring forward") {
  Calls calls;
  SizedGraph graph(calls);
  graph.numerator = 2;
  NoStatistics tracker;
  reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
  reprise::RematStore store;
  reprise::Checkpointed net{graph, tracker, scheduler, store};
  net.begin_step();
  for (const std::size_t size : {3U, 5U, 3U}) {
    const Tensor x(size, 0.5F);
    auto pass = net.forward(x);
    CHECK(net.program().values()[1].bytes == size * sizeof(float));
    CHECK(net.program().forward_cost() == 3.0 * static_cast<double>(size));
    const auto dx = net.backward(std::move(pass), Tensor(size, 1.0F));
    CHECK(dx[0][0] == doctest::Approx(8.0 * 0.5 * 0.25 * 0.0625));
  }
  CHECK(calls.profiling == 0);
  CHECK(calls.others > 3 * 3);
  CHECK(net.report().cost_is_flops);
  CHECK(net.report().profile_bytes == 0);
  CHECK(net.report().peak_bytes == net.report().predicted_peak_bytes);
  net.end_step();
}

TEST_CASE("an engine's profile that says too little grows, or is refused where there is no room") {
  Calls calls;
  SizedGraph graph(calls);
  NoStatistics tracker;
  const Tensor x(4, 0.5F);
  const auto train = [&](std::size_t numerator, reprise::byte_count budget) {
    graph.numerator = numerator;
    reprise::CheckpointScheduler scheduler{reprise::RecomputeAll{}};
    reprise::RematStore store{{.budget = budget}};
    reprise::Checkpointed net{graph, tracker, scheduler, store};
    net.begin_step();
    auto pass = net.forward(x);
    net.backward(std::move(pass), Tensor(4, 1.0F));
    return net.report().peak_bytes;
  };
  const reprise::byte_count peak = train(2, reprise::unlimited_bytes);
  CHECK(train(1, reprise::unlimited_bytes) == peak);
  CHECK(train(1, peak) == peak);
  CHECK_THROWS_AS(train(1, peak - 1), reprise::ProfileMismatch);
  CHECK_THROWS_AS(train(1, peak / 2), reprise::ProfileMismatch);
}

TEST_CASE("an engine's profile that is wrong is refused") {
  Calls calls;
  NoStatistics tracker;
  const Tensor x(4, 0.5F);
  const auto forward = [&](auto& net) { static_cast<void>(net.forward(x)); };
  SizedGraph fewer(calls);
  fewer.numerator = 2;
  fewer.nodes_in_profile = 2;
  reprise::CheckpointScheduler of_fewer{reprise::RecomputeAll{}};
  reprise::RematStore other_store;
  reprise::Checkpointed other{fewer, tracker, of_fewer, other_store};
  other.begin_step();
  CHECK_THROWS_WITH_AS(forward(other), "a profile of 2 nodes for a graph of 3",
                       reprise::InvalidArgument);
  fewer.nodes_in_profile = 3;
  fewer.ports_in_profile = 0;
  CHECK_THROWS_WITH_AS(forward(other),
                       "a profile of 0 outputs and 0 gradients of node 0 for a graph of 1",
                       reprise::InvalidArgument);
}

TEST_CASE("a profile whose costs are no costs is refused") {
  Calls calls;
  const SizedGraph graph(calls);
  Tensor x(4, 0.5F);
  std::vector<Tensor*> pointers{&x};
  const Profile good =
      graph.profile(reprise::Arguments<Tensor>(std::span<Tensor* const>(pointers)));
  CHECK_NOTHROW(reprise::check_profile(graph, good));
  for (const double cost :
       {-1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    Profile seconds = good;
    seconds.nodes[1].forward_seconds = cost;
    CHECK_THROWS_AS(reprise::check_profile(graph, seconds), reprise::InvalidArgument);
    Profile forward = good;
    forward.nodes[1].costs.forward_flops = cost;
    CHECK_THROWS_AS(reprise::check_profile(graph, forward), reprise::InvalidArgument);
    Profile backward = good;
    backward.nodes[1].costs.backward_flops = cost;
    CHECK_THROWS_AS(reprise::check_profile(graph, backward), reprise::InvalidArgument);
  }
}

TEST_CASE("a profile survives the way through saved state") {
  const Profile profile = sample();
  const Profile again = loaded(saved(profile));
  CHECK(saved(again) == saved(profile));
  CHECK(again.input_bytes == profile.input_bytes);
  CHECK(again.held_bytes == 11);
  REQUIRE(again.nodes.size() == 2);
  CHECK(again.nodes[0].output_bytes == profile.nodes[0].output_bytes);
  CHECK(again.nodes[0].gradient_bytes == profile.nodes[0].gradient_bytes);
  CHECK(again.nodes[0].saved_bytes == 5);
  CHECK(again.nodes[0].forward_seconds == 0.125);
  CHECK(again.nodes[0].costs.forward_flops == 0.0);
  CHECK_FALSE(again.nodes[0].costs.backward_flops.has_value());
  CHECK(again.nodes[0].costs.forward_transient_bytes == 6);
  CHECK_FALSE(again.nodes[1].costs.forward_flops.has_value());
  CHECK(again.nodes[1].costs.backward_flops == 9.5);
  CHECK(again.nodes[1].costs.backward_transient_bytes == 10);
  CHECK(again.nodes[1].costs.max_output_bytes == std::vector<reprise::byte_count>{12, 13});
  CHECK(again.nodes[1].costs.max_saved_bytes == 14);
}

TEST_CASE("a profile grows to the most that was seen of each number") {
  Profile profile = sample();
  Profile seen = sample();
  profile.nodes[0].output_bytes = {1, 20};
  seen.nodes[0].output_bytes = {10, 2};
  seen.nodes[0].gradient_bytes = {30, 4};
  seen.nodes[0].saved_bytes = 50;
  seen.nodes[1].costs.forward_flops = 7.0;
  seen.nodes[1].costs.backward_flops = 8.0;
  seen.nodes[0].costs.forward_transient_bytes = 60;
  seen.input_bytes = {6, 80};
  grow(profile, seen);
  CHECK(profile.nodes[0].output_bytes == std::vector<reprise::byte_count>{10, 20});
  CHECK(profile.nodes[0].gradient_bytes == std::vector<reprise::byte_count>{30, 4});
  CHECK(profile.nodes[0].saved_bytes == 50);
  CHECK(profile.nodes[1].costs.forward_flops == 7.0);
  CHECK(profile.nodes[1].costs.backward_flops == 9.5);
  CHECK(profile.nodes[0].costs.forward_transient_bytes == 60);
  CHECK(profile.nodes[1].costs.backward_transient_bytes == 10);
  CHECK(profile.input_bytes == std::vector<reprise::byte_count>{7, 80});
  const std::string once = saved(profile);
  grow(profile, seen);
  CHECK(saved(profile) == once);
  seen.nodes.pop_back();
  CHECK_THROWS_AS(grow(profile, seen), reprise::InvalidArgument);
}
