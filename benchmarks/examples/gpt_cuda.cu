// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A step of a GPT with the shape of GPT-2 124M on a GPU: by hand and under Reprise; and its
// row-wise kernels, a block a row and a thread a row, beside a copy of as many bytes. Times are
// CUDA events', after a warm-up; all ways take turns in each round. Prints Markdown. With --once it
// does each thing once, small, as a test. Not yet run on a GPU.

#include <cuda_runtime.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <reprise/backend/cuda_error.cuh>
#include <reprise/core/philox.hpp>
#include <reprise/planner/any_planner.hpp>
#include <reprise/planner/recompute_all.hpp>
#include <reprise/planner/store_all.hpp>
#include <reprise/run/checkpointed.hpp>
#include <reprise/scheduler/checkpoint_scheduler.hpp>
#include <reprise/scheduler/replan_every.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <reprise/store/remat_store.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/cuda.cuh"
#include "engine/model.hpp"
#include "engine/one_thread.hpp"
#include "engine/reference_loop.hpp"
#include "support/no_statistics.hpp"

namespace {

using reprise::check_cuda;

constexpr int skip_status = 77;

struct Settings {
  int rounds;
  bool once;
};

struct Way {
  std::string name;
  std::function<void()> run;
};

// The device's time for what is enqueued, in seconds.
class Timer {
 public:
  explicit Timer(cudaStream_t stream) : stream_(stream) {
    check_cuda(cudaEventCreate(&start_), "cudaEventCreate");
    check_cuda(cudaEventCreate(&end_), "cudaEventCreate");
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
    reprise::ignore_cuda(cudaEventDestroy(start_));
    reprise::ignore_cuda(cudaEventDestroy(end_));
  }

  double operator()(const std::function<void()>& enqueue) const {
    check_cuda(cudaEventRecord(start_, stream_), "cudaEventRecord");
    enqueue();
    check_cuda(cudaEventRecord(end_, stream_), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, end_), "cudaEventElapsedTime");
    return static_cast<double>(milliseconds) * 1e-3;
  }

 private:
  cudaStream_t stream_;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

// The median of each way's times.
std::vector<double> take_turns(const std::vector<Way>& ways, cudaStream_t stream, int rounds) {
  const Timer timer(stream);
  for (const Way& way : ways) way.run();
  std::vector<std::vector<double>> seconds(ways.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < ways.size(); ++i) seconds[i].push_back(timer(ways[i].run));
  }
  std::vector<double> medians;
  for (auto& times : seconds) {
    const auto middle = times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2);
    std::nth_element(times.begin(), middle, times.end());
    medians.push_back(*middle);
  }
  return medians;
}

gpt::TokenBatch<> random_batch(std::size_t tokens) {
  gpt::TokenBatch<> batch;
  const reprise::Philox random(1, 0);
  for (std::size_t i = 0; i < tokens; ++i) {
    batch.tokens.push_back(static_cast<std::uint8_t>(random.bits(2 * i)));
    batch.targets.push_back(static_cast<std::uint8_t>(random.bits(2 * i + 1)));
  }
  return batch;
}

// Forward and backward under a planner; `run` is one step.
template <class Tracker>
class Steps {
 public:
  Steps(gpt::Model<gpt::Cuda>& model, Tracker tracker, reprise::AnyPlanner planner)
      : model_(model),
        tracker_(std::move(tracker)),
        scheduler_(std::move(planner), reprise::ReplanEvery{.steps = 0}),
        net_(model.graph(), tracker_, scheduler_, store_) {}
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;

  void run() {
    net_.begin_step();
    auto pass = net_.forward();
    net_.backward(std::move(pass), model_.scalar(1));
    net_.end_step();
  }

 private:
  using Scheduler = reprise::CheckpointScheduler<reprise::AnyPlanner, reprise::ReplanEvery>;

  gpt::Model<gpt::Cuda>& model_;
  Tracker tracker_;
  Scheduler scheduler_;
  reprise::RematStore<> store_;
  reprise::Checkpointed<gpt::ModelGraph<gpt::Cuda>, Tracker, Scheduler> net_;
};

void measure_steps(const Settings& settings) {
  const gpt::ModelShape shape =
      settings.once ? gpt::ModelShape{.layers = 2, .channels = 32, .context = 32}
                    : gpt::ModelShape{.layers = 12, .channels = 768, .heads = 12, .context = 1024};
  const std::size_t sequences = 8;
  gpt::Model<gpt::Cuda> model(shape, 1);
  model.batches().training.push_back(model.upload(random_batch(sequences * shape.context)));

  gpt::ReferenceLoop loop(model.graph());
  const auto statistics = [&] {
    return reprise::GradientStatTracker(model.graph(), reprise::Ema{}, reprise::EveryStep{},
                                        model.device().statistics_backend());
  };
  const reprise::AnyPlanner keeping(reprise::StoreAll{});
  Steps checkpointed(model, reprise_bench::NoStatistics{}, keeping);
  Steps with_statistics(model, statistics(), keeping);
  Steps recompute_all(model, reprise_bench::NoStatistics{},
                      reprise::AnyPlanner(reprise::RecomputeAll{}));
  const std::vector<Way> ways{{"by hand, everything kept",
                               [&] {
                                 static_cast<void>(loop.forward({.seed = 1}));
                                 loop.backward(model.scalar(1));
                               }},
                              {"`Checkpointed`, store-all", [&] { checkpointed.run(); }},
                              {"with statistics", [&] { with_statistics.run(); }},
                              {"recompute-all", [&] { recompute_all.run(); }}};
  const auto seconds = take_turns(ways, model.device().stream(), settings.rounds);
  std::printf("| forward and backward | ms | by hand's |\n|---|---:|---:|\n");
  for (std::size_t i = 0; i < ways.size(); ++i) {
    std::printf("| %s | %.2f | %.3f |\n", ways[i].name.c_str(), seconds[i] * 1e3,
                seconds[i] / seconds[0]);
  }
}

// A row for one thread.
template <class F>
struct ByOneThread {
  F row;

  __host__ __device__ void operator()(std::size_t i) const { row(gpt::OneThread{}, i); }
};

// @param matrices that the kernel reads or writes
template <class F>
void measure_rows(const char* name, F f, std::size_t teams, std::size_t matrices,
                  const gpt::Tensor<gpt::Cuda>& from, gpt::Tensor<gpt::Cuda>& to,
                  const Settings& settings) {
  gpt::Cuda& device = from.device();
  const auto seconds =
      take_turns({{"copy",
                   [&] {
                     check_cuda(cudaMemcpyAsync(to.data(), from.data(), from.bytes(),
                                                cudaMemcpyDeviceToDevice, device.stream()),
                                "cudaMemcpyAsync");
                   }},
                  {"block", [&] { device.for_each_team(teams, f); }},
                  {"thread", [&] { device.for_each_index(teams, ByOneThread<F>{f}); }}},
                 device.stream(), settings.rounds);
  const double bytes = static_cast<double>(from.bytes());
  const double moved = static_cast<double>(matrices) * bytes;
  std::printf("| %s | %.0f | %.0f | %.0f |\n", name, 2 * bytes / seconds[0] * 1e-9,
              moved / seconds[1] * 1e-9, moved / seconds[2] * 1e-9);
}

void measure_kernels(const Settings& settings) {
  const std::size_t rows = settings.once ? 64 : 65536;
  const std::size_t columns = 768;
  gpt::Memory<gpt::Cuda> memory;
  gpt::Cuda& device = memory.device();
  gpt::Tensor<gpt::Cuda> x(memory, rows, columns);
  gpt::Tensor<gpt::Cuda> y(memory, rows, columns);
  gpt::Tensor<gpt::Cuda> moments(memory, rows, 2);
  device.for_each_index(x.size(), gpt::Normal{reprise::Philox(1, 0), 1, x.data()});
  const auto ones = device.make_buffer(columns, 1.0F);
  auto sums = device.make_buffer(columns, 0.0F);
  std::printf(
      "\n| %zu rows of %zu, GB/s | copy | a block a row | a thread a row |\n"
      "|---|---:|---:|---:|\n",
      rows, columns);
  measure_rows("layer norm",
               gpt::layer_norm::Normalise<float>{x.data(), ones.data(), ones.data(), columns,
                                                 y.data(), moments.data()},
               rows, 2, x, y, settings);
  measure_rows("softmax, in place", gpt::softmax::Normalise<float>{columns, y.data()}, rows, 2, x,
               y, settings);
  measure_rows("sums of columns", gpt::ColumnSums<float>{x.data(), rows, columns, sums.data()},
               gpt::column_chunks(columns), 1, x, y, settings);
}

void run(const Settings& settings) {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  std::printf("%s\n\n", properties.name);
  measure_steps(settings);
  measure_kernels(settings);
}

}  // namespace

int main(int argc, char** argv) {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error != cudaSuccess || devices == 0) {
    std::printf("skipped: no CUDA device (%s)\n", cudaGetErrorString(error));
    const char* const required = std::getenv("REPRISE_REQUIRE_GPU");
    const bool must_run = required != nullptr && std::string_view(required) == "1";
    return must_run ? EXIT_FAILURE : skip_status;
  }
  try {
    const bool once = argc > 1 && std::string_view(argv[1]) == "--once";
    run({.rounds = once ? 1 : 21, .once = once});
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
