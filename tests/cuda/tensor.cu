// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Tensors in stream order, and a store that holds them. Not yet run on a GPU.

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <reprise/backend/cuda.cuh>
#include <reprise/backend/cuda_tensor.cuh>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/core/chain.hpp>
#include <reprise/core/error.hpp>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/units.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/gradient_threshold.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <reprise/threshold/median_threshold.hpp>
#include <utility>
#include <vector>

#include "support/counting_resource.cuh"
#include "support/seed.hpp"

namespace {

using reprise::CudaMemory;
using reprise::CudaStream;
using reprise_test::CountingResource;
using Tensor = reprise::CudaTensor<float>;
using Traits = reprise::tensor_traits<Tensor>;

constexpr std::uint32_t threads = 256;

reprise::CudaGrid grid_for(std::size_t size) {
  return {static_cast<std::uint32_t>((size + threads - 1) / threads), threads};
}
__device__ std::size_t index() { return std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; }

__global__ void fill(float* out, std::size_t size, float value) {
  if (index() < size) out[index()] = value;
}

// Writes late: the other stream would long have read.
__global__ void fill_slowly(float* out, std::size_t size, float value) {
  const long long start = clock64();
  while (clock64() - start < 20'000'000) {
  }
  if (index() < size) out[index()] = value;
}

__global__ void copy_slowly(const float* in, float* out, std::size_t size) {
  const long long start = clock64();
  while (clock64() - start < 20'000'000) {
  }
  if (index() < size) out[index()] = in[index()];
}

__global__ void forward_kernel(const float* x, float w, float* h, float* y, std::size_t size) {
  if (index() >= size) return;
  h[index()] = tanhf(w * x[index()]);
  y[index()] = x[index()] + h[index()];
}

__global__ void backward_kernel(const float* x, const float* h, const float* dy, float w, float* dx,
                                float* dw, std::size_t size) {
  if (index() >= size) return;
  const float d = dy[index()] * (1 - h[index()] * h[index()]);
  dx[index()] = dy[index()] + d * w;
  dw[index()] += d * x[index()];
}

__global__ void copy_kernel(const float* in, float* out, std::size_t size) {
  if (index() < size) out[index()] = in[index()];
}

// Where the engine of these tests works.
struct Place {
  CudaMemory memory;
  CudaStream stream;

  [[nodiscard]] Tensor tensor(std::size_t size) const { return {size, memory, stream}; }
  [[nodiscard]] Tensor tensor(const std::vector<float>& values) const {
    Tensor made = tensor(values.size());
    made.copy_from(values);
    return made;
  }
};

// y = x + tanh(w x), of which each element has a gradient of w to itself.
struct Block {
  using tensor_type = Tensor;
  using saved_type = Tensor;
  static constexpr auto backward_reads = reprise::Reads::input;

  const Place* place;
  float w;
  Tensor dw;

  Tensor forward(const Tensor& x, Tensor& h, reprise::PassContext& /*pass*/) const {
    Tensor y = place->tensor(x.size());
    h = place->tensor(x.size());
    const CudaStream& stream = place->stream;
    launch_cuda(stream, "forward_kernel", grid_for(x.size()), forward_kernel, x.read(stream).data(),
                w, h.write(stream).data(), y.write(stream).data(), x.size());
    return y;
  }
  Tensor backward(const Tensor& x, Tensor& h, const Tensor& dy, reprise::PassContext& /*pass*/) {
    Tensor dx = place->tensor(x.size());
    const CudaStream& stream = place->stream;
    launch_cuda(stream, "backward_kernel", grid_for(x.size()), backward_kernel,
                x.read(stream).data(), h.read(stream).data(), dy.read(stream).data(), w,
                dx.write(stream).data(), dw.write(stream).data(), x.size());
    return dx;
  }
  template <class F>
  void for_each_gradient(F&& f) {
    f(reprise::gradient_view(dw.read(place->stream).data(), dw.size(), 0));
  }
};

struct Trained {
  std::vector<std::vector<float>> gradients;
  std::vector<double> statistics;
  reprise::byte_count ledger_peak = 0;
  std::size_t allocator_peak = 0;
  std::size_t left = 0;
};

// A few steps of eight blocks under a planner; peaks are those of the last step.
Trained train(reprise::AnyPlanner planner, reprise::byte_count budget = reprise::unlimited_bytes) {
  constexpr std::size_t size = 5000;
  std::mt19937_64 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> values(size);
  std::generate(values.begin(), values.end(), [&] { return normal(random); });

  CountingResource resource;
  Trained result;
  {
    const Place place{CudaMemory{resource}, CudaStream{}};
    std::vector<Block> blocks;
    for (int i = 0; i < 8; ++i) {
      blocks.push_back({&place, normal(random), place.tensor(std::vector<float>(size))});
    }
    const Tensor x = place.tensor(values);
    auto graph = reprise::chain(blocks);
    reprise::GradientStatTracker tracker(graph, reprise::Ema{.beta = 0.9}, reprise::EveryStep{},
                                         reprise::CudaBackend{place.stream, place.memory});
    reprise::CheckpointScheduler scheduler(std::move(planner));
    reprise::RematStore store{{.budget = budget}};
    reprise::Checkpointed net{graph, tracker, scheduler, store, {.verify_replay = true}};
    const std::size_t at_rest = resource.live_bytes;
    for (int step = 0; step < 4; ++step) {
      net.begin_step();
      resource.peak_bytes = resource.live_bytes;
      auto pass = net.forward(x);
      Tensor dy = place.tensor(size);  // of half the sum of squares
      launch_cuda(place.stream, "copy_kernel", grid_for(size), copy_kernel,
                  pass.output().read(place.stream).data(), dy.write(place.stream).data(), size);
      const auto dx = net.backward(std::move(pass), std::move(dy));
      result.allocator_peak = resource.peak_bytes - at_rest;
      result.ledger_peak = net.report().peak_bytes;
      net.end_step();
      if (step == 3) result.gradients.push_back(dx[0].to_host());
    }
    for (const Block& block : blocks) result.gradients.push_back(block.dw.to_host());
    const auto statistics = tracker.statistics();
    result.statistics.assign(statistics.begin(), statistics.end());
  }
  result.left = resource.live_bytes;
  return result;
}

}  // namespace

TEST_CASE("what one stream writes another reads, and nobody overtakes the reader") {
  constexpr std::size_t size = 1000;
  const CudaMemory memory{std::make_shared<reprise::CudaPool>()};
  const CudaStream home;
  const CudaStream away;
  std::optional<Tensor> tensor;
  tensor.emplace(size, memory, home);
  Tensor seen(size, memory, away);
  launch_cuda(home, "fill_slowly", grid_for(size), fill_slowly, tensor->write(home).data(), size,
              7.0F);
  {
    const auto in = tensor->read(away);
    launch_cuda(away, "copy_slowly", grid_for(size), copy_slowly, in.data(),
                seen.write(away).data(), size);
  }
  SUBCASE("by writing") {
    launch_cuda(home, "fill_slowly", grid_for(size), fill_slowly, tensor->write(home).data(), size,
                8.0F);
  }
  SUBCASE("by freeing and using the memory again") {
    tensor.reset();
    Tensor next(size, memory, home);
    launch_cuda(home, "fill_slowly", grid_for(size), fill_slowly, next.write(home).data(), size,
                8.0F);
    CHECK(next.to_host() == std::vector<float>(size, 8.0F));
  }
  CHECK(seen.to_host() == std::vector<float>(size, 7.0F));
}

TEST_CASE("what another stream wrote is there at home") {
  constexpr std::size_t size = 1000;
  const CudaStream home;
  const CudaStream away;
  Tensor tensor(size, CudaMemory{}, home);
  {
    const auto out = tensor.write(away);
    launch_cuda(away, "fill_slowly", grid_for(size), fill_slowly, out.data(), size, 3.0F);
  }
  CHECK(tensor.to_host() == std::vector<float>(size, 3.0F));
}

TEST_CASE("memory that was freed is used again in stream order") {
  reprise::CudaPool pool;
  const CudaMemory memory(pool);
  const CudaStream stream;
  constexpr std::size_t size = 1 << 20;
  for (int i = 0; i < 100; ++i) {
    Tensor tensor(size, memory, stream);
    launch_cuda(stream, "fill", grid_for(size), fill, tensor.write(stream).data(), size, 1.0F);
  }
  stream.synchronize();
  CHECK(pool.reserved_bytes() < 10 * size * sizeof(float));
  CHECK(pool.used_bytes() == 0);
  pool.trim();
  CHECK(pool.reserved_bytes() == 0);
}

TEST_CASE("tensors are added in place, and empty ones are no error") {
  const Place place{CudaMemory{}, CudaStream{}};
  Tensor into = place.tensor(std::vector<float>{1, 2, 3});
  const Tensor part = place.tensor(std::vector<float>{10, 20, 30});
  Traits::accumulate(into, part);
  CHECK(into.to_host() == std::vector<float>{11, 22, 33});
  CHECK(Traits::bytes(into) == 12);
  CHECK(Traits::checksum(into) != Traits::checksum(part));
  CHECK_THROWS_AS(Traits::accumulate(into, place.tensor(std::size_t{2})), reprise::InvalidArgument);
  Tensor none;
  Traits::accumulate(none, Tensor{});
  CHECK(Traits::storage(none) == nullptr);
  CHECK_THROWS_AS(static_cast<void>(none.read(place.stream)), reprise::InvalidState);
  const void* const storage = Traits::storage(into);
  const Tensor moved = std::move(into);
  CHECK(Traits::storage(moved) == storage);
}

TEST_CASE("recomputing on a device gives the gradients of keeping everything, to the bit") {
  const Trained kept = train(reprise::AnyPlanner(reprise::StoreAll{}));
  CHECK(kept.ledger_peak == kept.allocator_peak);
  CHECK(kept.left == 0);
  REQUIRE(!kept.statistics.empty());
  const auto check = [&](const Trained& other) {
    CHECK(other.gradients == kept.gradients);
    CHECK(other.statistics == kept.statistics);
    CHECK(other.ledger_peak == other.allocator_peak);
    CHECK(other.ledger_peak < kept.ledger_peak);
    CHECK(other.left == 0);
  };
  check(train(reprise::AnyPlanner(reprise::RecomputeAll{})));
  const reprise::byte_count budget = kept.ledger_peak * 7 / 10;
  const reprise::GradientThreshold planner{reprise::MedianThreshold{.alpha = 1.0}};
  const Trained planned = train(reprise::AnyPlanner(planner), budget);
  check(planned);
  CHECK(planned.ledger_peak <= budget);
}
