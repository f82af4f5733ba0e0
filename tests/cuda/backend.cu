// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What only a device has: registration of foreign memory, graphs, streams, resources. Not yet run
// on a GPU.

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <reprise/backend/cuda.cuh>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/core/error.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "support/backends.hpp"
#include "support/counting_resource.cuh"
#include "support/random_tensors.hpp"
#include "support/seed.hpp"
#include "support/skip.hpp"
#include "support/stream_graph.cuh"

namespace {

using reprise::check_cuda;
using reprise::CudaBackend;
using reprise::CudaError;
using reprise::CudaMemory;
using reprise::CudaStream;
using reprise::DeviceLossScale;
using reprise::gradient_view;
using reprise::GradientView;
using reprise_test::CountingResource;
using reprise_test::StreamGraph;
using Tracker = reprise::GradientStatTracker<CudaBackend>;
using Floats = reprise_test::vector_for<CudaBackend, float>;

template <class B, class Tensors>
std::vector<std::uint64_t> sums_of(const Tensors& tensors) {
  B backend;
  const auto plan = backend.make_plan(tensors.views, tensors.sums.size());
  auto sums = backend.make_buffer(tensors.sums.size());
  backend.sum_of_squares(plan, sums);
  std::vector<double> host(tensors.sums.size());
  backend.copy_to_host(sums, host);
  std::vector<std::uint64_t> bits;
  for (const double sum : host) bits.push_back(std::bit_cast<std::uint64_t>(sum));
  return bits;
}

// Three layers, of which the second has no parameters.
struct Gradients {
  Floats first = Floats(100'000);
  Floats last = Floats(3);
  std::vector<GradientView> views{gradient_view(first, 0), gradient_view(last, 2)};

  void draw(std::mt19937_64& random) {
    REQUIRE(cudaDeviceSynchronize() == cudaSuccess);
    std::normal_distribution<float> normal;
    for (float& element : first) element = normal(random);
    for (float& element : last) element = normal(random);
  }
  [[nodiscard]] Tracker tracker(CudaBackend backend = CudaBackend{}) const {
    return Tracker(3, views, reprise::Ema{.beta = 0.9}, {}, std::move(backend));
  }
};

std::string saved(const Tracker& tracker) {
  std::ostringstream out(std::ios::binary);
  tracker.save(out);
  return out.str();
}

std::string refusal(const std::vector<GradientView>& views) {
  try {
    static_cast<void>(CudaBackend{}.make_plan(views, 1));
  } catch (const reprise::InvalidArgument& error) {
    return error.what();
  }
  return "";
}

std::string scale_refusal(const float* loss_scale) {
  try {
    CudaBackend{}.check(DeviceLossScale{loss_scale});
  } catch (const reprise::InvalidArgument& error) {
    return error.what();
  }
  return "";
}

__global__ void do_nothing() {}

}  // namespace

TEST_CASE("a device gives the bits of its kernels played on the host, each time") {
  REPRISE_SEEDED(random);
  for (int round = 0; round < 30; ++round) {
    const auto tensors =
        reprise_test::random_tensors<reprise_test::ManagedAllocator<double>>(random, 8192);
    const auto expected = sums_of<reprise_test::PlayedDevice<>>(tensors);
    for (int again = 0; again < 3; ++again) REQUIRE(sums_of<CudaBackend>(tensors) == expected);
  }
}

TEST_CASE("memory that the device cannot read at full speed is refused when it is registered") {
  const std::vector<float> host(4);
  CHECK(refusal({gradient_view(host, 0)}) ==
        "gradient 0 (layer 0, 4 elements): it lies in host memory");
  const reprise::PinnedBuffer<float> pinned(4);
  CHECK(refusal({{nullptr, 0}, gradient_view(pinned.elements(), 0)}) ==
        "gradient 1 (layer 0, 4 elements): it lies in host memory");
  const Floats managed(4);
  CHECK(refusal({gradient_view(managed, 0)}).empty());
  CHECK_THROWS_AS((Tracker(std::size_t{1}, std::vector<GradientView>{gradient_view(host, 0)})),
                  reprise::InvalidArgument);
}

TEST_CASE("a loss scale that the device cannot read is refused when it is registered") {
  const float host = 1;
  CHECK(scale_refusal(&host) == "DeviceLossScale: the loss scale lies in host memory");
  const reprise::PinnedBuffer<float> pinned(1);
  CHECK(scale_refusal(pinned.elements().data()) ==
        "DeviceLossScale: the loss scale lies in host memory");
  const Floats managed(1);
  CHECK(scale_refusal(managed.data()).empty());
  const CudaStream stream;
  const reprise::CudaBuffer<float> device(1, CudaMemory{}, stream);
  CHECK(scale_refusal(device.data()).empty());
  Tracker tracker = Gradients{}.tracker();
  CHECK_THROWS_AS(tracker.read_loss_scale_from(&host), reprise::InvalidArgument);
}

TEST_CASE("a tensor, loss scale or stream of another device is refused") {
  int devices = 0;
  check_cuda(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
  if (devices < 2) return reprise_test::skip("one device only");
  check_cuda(cudaSetDevice(1), "cudaSetDevice");
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
  float* memory = nullptr;
  check_cuda(cudaMalloc(&memory, 16), "cudaMalloc");
  check_cuda(cudaSetDevice(0), "cudaSetDevice");
  CHECK_THROWS_AS(CudaStream{stream}, reprise::InvalidArgument);
  CHECK(refusal({gradient_view(memory, 4, 0)}) ==
        "gradient 0 (layer 0, 4 elements): it lies on device 1, the backend's stream on device 0");
  CHECK(scale_refusal(memory) ==
        "DeviceLossScale: the loss scale lies on device 1, the backend's stream on device 0");
  check_cuda(cudaFree(memory), "cudaFree");
  check_cuda(cudaStreamDestroy(stream), "cudaStreamDestroy");
}

TEST_CASE("a table that fills many kernels' parameters arrives whole") {
  constexpr std::size_t size = 10'007;
  const CudaStream stream;
  reprise::CudaBuffer<std::uint32_t> buffer(size, CudaMemory{}, stream);
  std::vector<std::uint32_t> table(size);
  std::iota(table.begin(), table.end(), 0U);
  const std::vector<std::uint32_t> expected = table;
  upload_cuda(stream, std::span<const std::uint32_t>(table), buffer.data());
  std::fill(table.begin(), table.end(), 7U);
  std::vector<std::uint32_t> found(size);
  buffer.copy_to(found);
  stream.synchronize();
  CHECK(found == expected);
}

TEST_CASE("steps allocate nothing") {
  REPRISE_SEEDED(random);
  CountingResource resource;
  Gradients gradients;
  Tracker tracker = gradients.tracker(CudaBackend{CudaStream{}, CudaMemory{resource}});
  const std::uint64_t before = resource.allocations;
  CHECK(before > 0);
  for (int step = 0; step < 10; ++step) {
    gradients.draw(random);
    tracker.observe(2);
    tracker.end_step();
    static_cast<void>(tracker.statistics());
  }
  CHECK(resource.allocations == before);
}

TEST_CASE("steps that a graph repeats are those that were enqueued one by one") {
  REPRISE_SEEDED(random);
  Gradients gradients;
  gradients.tracker().end_step();  // loads the kernels
  Tracker eager = gradients.tracker();
  // A stream that blocks on the default stream.
  cudaStream_t handle = nullptr;
  check_cuda(cudaStreamCreate(&handle), "cudaStreamCreate");
  {
    Tracker captured = gradients.tracker(CudaBackend{CudaStream{handle}});
    constexpr std::uint64_t steps = Tracker::delay;
    const StreamGraph graph(handle, [&] {
      for (std::uint64_t step = 0; step < steps; ++step) captured.end_step({.loss_scale = 4});
    });

    for (int launch = 0; launch < 12; ++launch) {
      gradients.draw(random);
      if (launch == 5) gradients.last[1] = std::numeric_limits<float>::infinity();
      for (std::uint64_t step = 0; step < steps; ++step) eager.end_step({.loss_scale = 4});
      graph.launch();
      if (launch > 0) captured.note_replays(steps);
      const auto seen = captured.statistics();
      const auto expected = eager.statistics();
      REQUIRE(seen.size() == expected.size());
      for (const std::size_t layer : {0U, 2U}) REQUIRE(seen[layer] == expected[layer]);
      REQUIRE(captured.steps() == eager.steps());
      REQUIRE(captured.skipped_steps() == eager.skipped_steps());
      REQUIRE(saved(captured) == saved(eager));
    }
  }
  check_cuda(cudaStreamDestroy(handle), "cudaStreamDestroy");
}

TEST_CASE("a graph reads the loss scale anew each time that it is launched") {
  REPRISE_SEEDED(random);
  constexpr float infinity = std::numeric_limits<float>::infinity();
  Gradients gradients;
  Tracker eager = gradients.tracker();
  cudaStream_t handle = nullptr;
  check_cuda(cudaStreamCreate(&handle), "cudaStreamCreate");
  {
    const CudaStream stream{handle};
    reprise::CudaBuffer<float> loss_scale(1, CudaMemory{}, stream);
    const auto set_loss_scale = [&](float value) {  // in the stream's order
      loss_scale.copy_from(std::span<const float>(&value, 1));
      stream.synchronize();
    };
    set_loss_scale(1);
    Tracker warm_up = gradients.tracker();  // loads the kernels
    warm_up.read_loss_scale_from(loss_scale.data());
    warm_up.end_step();
    Tracker captured = gradients.tracker(CudaBackend{CudaStream{handle}});
    captured.read_loss_scale_from(loss_scale.data());
    constexpr std::uint64_t steps = Tracker::delay;
    const StreamGraph graph(handle, [&] {
      for (std::uint64_t step = 0; step < steps; ++step) captured.end_step({.micro_batches = 3});
    });

    std::lognormal_distribution<float> lognormal(7, 3);
    for (int launch = 0; launch < 12; ++launch) {
      gradients.draw(random);
      const bool is_bad = launch == 4 || launch == 9;
      const double given = is_bad ? 1 : lognormal(random);
      // No scale from the host is bad, so that the eager steps are ignored for their gradients.
      const float good = gradients.last[1];
      if (is_bad) gradients.last[1] = infinity;
      for (std::uint64_t step = 0; step < steps; ++step) {
        eager.end_step({.loss_scale = given, .micro_batches = 3});
      }
      check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
      gradients.last[1] = good;
      set_loss_scale(is_bad ? infinity : static_cast<float>(given));
      graph.launch();
      if (launch > 0) captured.note_replays(steps);
      static_cast<void>(captured.statistics());
      REQUIRE(captured.steps() == eager.steps());
      REQUIRE(captured.skipped_steps() == eager.skipped_steps());
      REQUIRE(saved(captured) == saved(eager));
    }
    CHECK(captured.skipped_steps() == 2 * steps);
  }
  check_cuda(cudaStreamDestroy(handle), "cudaStreamDestroy");
}

TEST_CASE("a launch that fails is an error of its own, and the tracker goes on") {
  REPRISE_SEEDED(random);
  Gradients gradients;
  gradients.draw(random);
  Tracker tracker = gradients.tracker();
  Tracker untouched = gradients.tracker();
  tracker.end_step();
  try {
    launch_cuda(CudaStream{}, "too wide", {1, 1 << 20}, do_nothing);
    FAIL("a block of a million threads");
  } catch (const CudaError& error) {
    CHECK(error.call() == "too wide");
    CHECK(!error.is_sticky());
    CHECK(std::string(error.what()).starts_with("too wide: cudaError"));
  }
  CHECK(cudaPeekAtLastError() == cudaSuccess);
  // What others leave behind is not taken for an error of ours.
  static_cast<void>(cudaSetDevice(-1));
  tracker.end_step();
  static_cast<void>(cudaGetLastError());
  untouched.end_step();
  untouched.end_step();
  CHECK(saved(tracker) == saved(untouched));
}

TEST_CASE("an allocation that fails makes room, trims and raises only then") {
  CountingResource resource{.capacity_bytes = 1000};
  const CudaStream stream;
  std::unique_ptr<reprise::CudaBuffer<char>> evictable;
  std::size_t asked_for = 0;
  const CudaMemory memory(resource, [&](std::size_t bytes) {
    asked_for = bytes;
    const bool has_any = evictable != nullptr;
    evictable.reset();
    return has_any;
  });
  evictable = std::make_unique<reprise::CudaBuffer<char>>(std::size_t{600}, memory, stream);
  const reprise::CudaBuffer<char> other(std::size_t{500}, memory, stream);
  CHECK(asked_for == 500);
  CHECK(evictable == nullptr);
  CHECK(resource.trims == 0);
  try {
    const reprise::CudaBuffer<char> third(std::size_t{501}, memory, stream);
    FAIL("501 bytes of 500");
  } catch (const CudaError& error) {
    CHECK(error.code() == cudaErrorMemoryAllocation);
    CHECK(!error.is_sticky());
  }
  CHECK(resource.trims == 1);
  CHECK(resource.live_bytes == 500);
}
