// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// The multi-tensor sum of squares on a GPU, beside what a user would do instead and beside a plain
// read of the same bytes, the limit; and what follows the reduction in a step. Times are CUDA
// events', after a warm-up; all ways take turns in each round, and the lists rotate so that nothing
// is left in the L2 cache. Prints Markdown. With --once it does each thing once, as a test.
// Not yet run on a GPU.

#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#include <thrust/execution_policy.h>
#include <thrust/iterator/transform_iterator.h>
#include <thrust/transform_reduce.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_segmented_reduce.cuh>
#include <cuda/std/functional>
#include <functional>
#include <memory>
#include <numeric>
#include <reprise/backend/cuda.cuh>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "support/gpt2_lengths.hpp"

namespace {

using reprise::check_cuda;
using reprise::CudaBackend;
using reprise::CudaBuffer;
using reprise::CudaMemory;
using reprise::CudaStream;

constexpr int skip_status = 77;
constexpr float element = 0.5F;  // of all gradients: their squares add up exactly

struct Machine {
  CudaStream stream{};
  CudaMemory memory{};
  cudaDeviceProp properties{};
};

struct Settings {
  int rounds;
  bool once;
};

template <class T>
T number(float value) {
  if constexpr (std::is_same_v<T, float>) {
    return value;
  } else {
    return T::from_float(value);
  }
}

template <class T>
__global__ void fill(T* out, std::size_t size, T value) {
  const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
  for (std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x; i < size; i += stride) {
    out[i] = value;
  }
}

// Reads 16 bytes at a time, four loads under way, and does as little as possible with them.
__global__ void plain_read(const uint4* in, std::size_t size, unsigned* out) {
  const std::size_t stride = std::size_t{gridDim.x} * blockDim.x;
  unsigned mixed = 0;
  std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  for (; i + 3 * stride < size; i += 4 * stride) {
    uint4 words[4];
    for (int k = 0; k < 4; ++k) words[k] = __ldg(in + i + k * stride);
    for (const uint4& word : words) mixed ^= word.x ^ word.y ^ word.z ^ word.w;
  }
  for (; i < size; i += stride) {
    const uint4 word = __ldg(in + i);
    mixed ^= word.x ^ word.y ^ word.z ^ word.w;
  }
  if (mixed == 0x9E3779B9U) *out = mixed;  // never, but the compiler does not know
}

template <class T>
struct Square {
  __host__ __device__ float operator()(T value) const {
    const float x = static_cast<float>(value);
    return x * x;
  }
};

// Gradients of one element type in one block of memory, each at a multiple of 256 bytes as an
// allocator would place it.
template <class T>
class List {
 public:
  List(const std::vector<std::size_t>& lengths, std::size_t layers, const Machine& machine)
      : lengths_(lengths), layers_(layers) {
    constexpr std::size_t step = 256 / sizeof(T);
    std::size_t size = 0;
    for (const std::size_t length : lengths) {
      offsets_.push_back(size);
      size += (length + step - 1) / step * step;
    }
    buffer_ = CudaBuffer<T>(size, machine.memory, machine.stream);
    reprise::launch_cuda(machine.stream, "fill", {1024, 256}, fill<T>, buffer_.data(), size,
                         number<T>(element));
  }

  [[nodiscard]] const std::vector<std::size_t>& lengths() const { return lengths_; }
  [[nodiscard]] const std::vector<std::size_t>& offsets() const { return offsets_; }
  [[nodiscard]] std::size_t layers() const { return layers_; }
  [[nodiscard]] const T* data() const { return buffer_.data(); }
  [[nodiscard]] const T* tensor(std::size_t i) const { return buffer_.data() + offsets_[i]; }
  [[nodiscard]] std::size_t elements() const {
    return std::accumulate(lengths_.begin(), lengths_.end(), std::size_t{0});
  }
  [[nodiscard]] std::size_t bytes() const { return elements() * sizeof(T); }
  [[nodiscard]] std::size_t layer_of(std::size_t tensor) const {
    return tensor < 2 ? 0 : std::min(layers_ - 1, (tensor - 2) / 12);
  }

  [[nodiscard]] std::vector<reprise::GradientView> views() const {
    std::vector<reprise::GradientView> views;
    for (std::size_t i = 0; i < lengths_.size(); ++i) {
      views.push_back(
          reprise::gradient_view(tensor(i), lengths_[i], static_cast<std::uint32_t>(layer_of(i))));
    }
    return views;
  }

 private:
  std::vector<std::size_t> lengths_;
  std::vector<std::size_t> offsets_;
  std::size_t layers_;
  CudaBuffer<T> buffer_;
};

// One way to get the sums, set up for one list.
struct Way {
  std::string name;
  std::function<void()> run;
  std::function<double()> result;  // the sum over everything, or NaN if it has none
};

double total_of(const CudaBuffer<double>& sums, const Machine& machine) {
  std::vector<double> host(sums.size());
  sums.copy_to(host);
  machine.stream.synchronize();
  return std::accumulate(host.begin(), host.end(), 0.0);
}
double total_of(const CudaBuffer<float>& sums, const Machine& machine) {
  std::vector<float> host(sums.size());
  sums.copy_to(host);
  machine.stream.synchronize();
  return std::accumulate(host.begin(), host.end(), 0.0);
}

template <class T>
Way read_plainly(const List<T>& list, const Machine& machine) {
  auto out = std::make_shared<CudaBuffer<unsigned>>(1, machine.memory, machine.stream);
  const auto blocks = static_cast<std::uint32_t>(machine.properties.multiProcessorCount * 8);
  return {"plain read",
          [=, &list, &machine] {
            reprise::launch_cuda(machine.stream, "plain_read", {blocks, 256}, plain_read,
                                 reinterpret_cast<const uint4*>(list.data()),
                                 list.bytes() / sizeof(uint4), out->data());
          },
          [] { return std::nan(""); }};
}

template <class T>
Way reprise_sums(const List<T>& list, const Machine& machine) {
  const CudaBackend backend{machine.stream, machine.memory};
  auto plan =
      std::make_shared<CudaBackend::gradient_plan>(backend.make_plan(list.views(), list.layers()));
  auto sums = std::make_shared<CudaBuffer<double>>(backend.make_buffer(list.layers()));
  return {"Reprise", [=] { backend.sum_of_squares(*plan, *sums); },
          [=, &machine] { return total_of(*sums, machine); }};
}

// What the competitors take elements for.
template <class T>
using Number = std::conditional_t<std::is_same_v<T, float>, float, __nv_bfloat16>;

template <class T>
const Number<T>* numbers(const T* from) {
  return reinterpret_cast<const Number<T>*>(from);
}

template <class T>
auto squares(const T* from) {
  return thrust::make_transform_iterator(numbers(from), Square<Number<T>>{});
}

template <class T>
Way reduce_each(const List<T>& list, const Machine& machine) {
  auto sums =
      std::make_shared<CudaBuffer<float>>(list.lengths().size(), machine.memory, machine.stream);
  const auto call = [&list, &machine, sums](void* memory, std::size_t& bytes, std::size_t i) {
    check_cuda(
        cub::DeviceReduce::Sum(memory, bytes, squares(list.tensor(i)), sums->data() + i,
                               static_cast<std::int64_t>(list.lengths()[i]), machine.stream.get()),
        "cub::DeviceReduce::Sum");
  };
  std::size_t most = 0;
  for (std::size_t i = 0; i < list.lengths().size(); ++i) {
    std::size_t bytes = 0;
    call(nullptr, bytes, i);
    most = std::max(most, bytes);
  }
  auto memory = std::make_shared<CudaBuffer<char>>(most, machine.memory, machine.stream);
  return {"cub::DeviceReduce a tensor",
          [=, &list] {
            for (std::size_t i = 0; i < list.lengths().size(); ++i) {
              std::size_t bytes = memory->size();
              call(memory->data(), bytes, i);
            }
          },
          [=, &machine] { return total_of(*sums, machine); }};
}

template <class T>
Way reduce_segments(const List<T>& list, const Machine& machine) {
  const std::size_t count = list.lengths().size();
  std::vector<std::int64_t> begins(list.offsets().begin(), list.offsets().end());
  std::vector<std::int64_t> ends(count);
  for (std::size_t i = 0; i < count; ++i) {
    ends[i] = begins[i] + static_cast<std::int64_t>(list.lengths()[i]);
  }
  auto first = std::make_shared<CudaBuffer<std::int64_t>>(count, machine.memory, machine.stream);
  auto last = std::make_shared<CudaBuffer<std::int64_t>>(count, machine.memory, machine.stream);
  first->copy_from(begins);
  last->copy_from(ends);
  machine.stream.synchronize();
  auto sums = std::make_shared<CudaBuffer<float>>(count, machine.memory, machine.stream);
  const auto call = [=, &list, &machine](void* memory, std::size_t& bytes) {
    check_cuda(cub::DeviceSegmentedReduce::Sum(memory, bytes, squares(list.data()), sums->data(),
                                               static_cast<std::int64_t>(count), first->data(),
                                               last->data(), machine.stream.get()),
               "cub::DeviceSegmentedReduce::Sum");
  };
  std::size_t bytes = 0;
  call(nullptr, bytes);
  auto memory = std::make_shared<CudaBuffer<char>>(bytes, machine.memory, machine.stream);
  return {"cub::DeviceSegmentedReduce",
          [=] {
            std::size_t size = memory->size();
            call(memory->data(), size);
          },
          [=, &machine] { return total_of(*sums, machine); }};
}

template <class T>
Way thrust_each(const List<T>& list, const Machine& machine) {
  auto total = std::make_shared<double>(0);
  return {"thrust::transform_reduce a tensor",
          [=, &list, &machine] {
            *total = 0;
            for (std::size_t i = 0; i < list.lengths().size(); ++i) {
              const auto* const first = numbers(list.tensor(i));
              *total += static_cast<double>(thrust::transform_reduce(
                  thrust::cuda::par.on(machine.stream.get()), first, first + list.lengths()[i],
                  Square<Number<T>>{}, 0.0F, cuda::std::plus<float>{}));
            }
          },
          [=] { return *total; }};
}

void check_cublas(cublasStatus_t status, const char* call) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw std::runtime_error(std::string(call) + ": " + cublasGetStatusString(status));
  }
}

template <class T>
Way cublas_each(const List<T>& list, const Machine& machine) {
  cublasHandle_t created = nullptr;
  check_cublas(cublasCreate(&created), "cublasCreate");
  const std::shared_ptr<cublasContext> handle(created, [](cublasHandle_t h) { cublasDestroy(h); });
  check_cublas(cublasSetStream(created, machine.stream.get()), "cublasSetStream");
  check_cublas(cublasSetPointerMode(created, CUBLAS_POINTER_MODE_DEVICE), "cublasSetPointerMode");
  auto norms =
      std::make_shared<CudaBuffer<T>>(list.lengths().size(), machine.memory, machine.stream);
  constexpr cudaDataType type = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;
  return {"cublasNrm2Ex a tensor",
          [=, &list] {
            for (std::size_t i = 0; i < list.lengths().size(); ++i) {
              check_cublas(
                  cublasNrm2Ex_64(handle.get(), static_cast<std::int64_t>(list.lengths()[i]),
                                  list.tensor(i), type, 1, norms->data() + i, type, CUDA_R_32F),
                  "cublasNrm2Ex_64");
            }
          },
          [] { return std::nan(""); }};  // of bfloat16 it gives norms in bfloat16
}

class Timer {
 public:
  Timer() {
    check_cuda(cudaEventCreate(&begin_), "cudaEventCreate");
    check_cuda(cudaEventCreate(&end_), "cudaEventCreate");
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() {
    cudaEventDestroy(begin_);
    cudaEventDestroy(end_);
  }

  template <class F>
  double seconds(const CudaStream& stream, F run) {
    check_cuda(cudaEventRecord(begin_, stream.get()), "cudaEventRecord");
    run();
    check_cuda(cudaEventRecord(end_, stream.get()), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(end_), "cudaEventSynchronize");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, begin_, end_), "cudaEventElapsedTime");
    return milliseconds * 1e-3;
  }

 private:
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

double median(std::vector<double> numbers) {
  const auto middle = numbers.begin() + static_cast<std::ptrdiff_t>(numbers.size() / 2);
  std::nth_element(numbers.begin(), middle, numbers.end());
  return *middle;
}

template <class T>
std::vector<Way> ways_for(const List<T>& list, const Machine& machine) {
  return {read_plainly(list, machine),    reprise_sums(list, machine), reduce_each(list, machine),
          reduce_segments(list, machine), thrust_each(list, machine),  cublas_each(list, machine)};
}

void check_result(const Way& way, double expected) {
  const double found = way.result();
  if (!std::isnan(found) && std::fabs(found - expected) > 1e-3 * expected) {
    throw std::runtime_error(way.name + " gives " + std::to_string(found) + " and not " +
                             std::to_string(expected));
  }
}

template <class T>
void compare(const char* name, int blocks, std::size_t channels, const Machine& machine,
             const Settings& settings) {
  const auto lengths = reprise_bench::gpt2_lengths(blocks, channels);
  const std::size_t elements = std::accumulate(lengths.begin(), lengths.end(), std::size_t{0});
  const std::size_t bytes = elements * sizeof(T);
  std::size_t free_bytes = 0;
  std::size_t all_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &all_bytes), "cudaMemGetInfo");
  const auto past_cache = static_cast<std::size_t>(machine.properties.l2CacheSize) * 4;
  const std::size_t copies = std::max<std::size_t>(1, (past_cache + bytes - 1) / bytes);
  if (copies * bytes + (std::size_t{1} << 30U) > free_bytes) {
    std::printf("| %s | %zu | does not fit this GPU | | |\n", name, bytes >> 20U);
    return;
  }
  std::vector<std::unique_ptr<List<T>>> lists;
  std::vector<std::vector<Way>> ways;
  for (std::size_t copy = 0; copy < copies; ++copy) {
    lists.push_back(std::make_unique<List<T>>(lengths, static_cast<std::size_t>(blocks), machine));
    ways.push_back(ways_for(*lists.back(), machine));
    for (const Way& way : ways.back()) {
      way.run();
      check_result(way, static_cast<double>(elements) * element * element);
    }
  }
  Timer timer;
  std::vector<std::vector<double>> seconds(ways[0].size());
  for (int round = 0; round < settings.rounds; ++round) {
    for (std::size_t i = 0; i < seconds.size(); ++i) {
      const std::size_t way = (i + static_cast<std::size_t>(round)) % seconds.size();
      const std::size_t copy = (static_cast<std::size_t>(round) * seconds.size() + i) % copies;
      seconds[way].push_back(timer.seconds(machine.stream, ways[copy][way].run));
    }
  }
  const double limit = median(seconds[0]);
  for (std::size_t way = 0; way < seconds.size(); ++way) {
    const double time = median(seconds[way]);
    std::printf("| %s | %zu | %s | %.0f | %.1f |\n", name, bytes >> 20U, ways[0][way].name.c_str(),
                static_cast<double>(bytes) / time * 1e-9, 100 * limit / time);
  }
}

// What a step takes beyond the reduction: the kernel that folds and the transfer.
void measure_fold(std::size_t layers, const Machine& machine, const Settings& settings) {
  const CudaBackend backend{machine.stream, machine.memory};
  const reprise::StatisticsLayout layout{layers};
  const auto sums = backend.make_buffer(layers);
  auto moments = backend.make_buffer(layout.size());
  auto statistics = backend.make_buffer(layout.size());
  auto readback = backend.make_readback(layout.size());
  const auto step = [&] {
    backend.update_average(reprise::Ema{.beta = 0.95}, 1.0, sums, moments, statistics);
    backend.publish(statistics, readback);
  };
  step();
  Timer timer;
  constexpr int steps = 100;  // one alone is shorter than what lies between two events
  std::vector<double> seconds;
  for (int round = 0; round < settings.rounds; ++round) {
    seconds.push_back(timer.seconds(machine.stream, [&] {
      for (int i = 0; i < steps; ++i) step();
    }) / steps);
  }
  std::printf("| %zu | %.1f |\n", layers, median(seconds) * 1e6);
}

void print_device(const Machine& machine) {
  int driver = 0;
  int runtime = 0;
  check_cuda(cudaDriverGetVersion(&driver), "cudaDriverGetVersion");
  check_cuda(cudaRuntimeGetVersion(&runtime), "cudaRuntimeGetVersion");
  std::printf(
      "%s, compute capability %d.%d, %d multiprocessors, L2 %d MiB; driver for CUDA %d.%d, "
      "runtime %d.%d, nvcc %d.%d.%d.\n\n",
      machine.properties.name, machine.properties.major, machine.properties.minor,
      machine.properties.multiProcessorCount, machine.properties.l2CacheSize >> 20, driver / 1000,
      driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10, __CUDACC_VER_MAJOR__,
      __CUDACC_VER_MINOR__, __CUDACC_VER_BUILD__);
}

void run(const Settings& settings) {
  Machine machine;
  check_cuda(cudaGetDeviceProperties(&machine.properties, 0), "cudaGetDeviceProperties");
  print_device(machine);
  std::printf("| gradients | MiB | way | GB/s | %% of a plain read |\n|---|---:|---|---:|---:|\n");
  compare<float>("GPT-2, 1 block of 64, float", 1, 64, machine, settings);
  if (!settings.once) {
    compare<float>("GPT-2 124M, float", 12, 768, machine, settings);
    compare<reprise::bfloat16>("GPT-2 124M, bfloat16", 12, 768, machine, settings);
    compare<float>("GPT-2 1.5B, float", 48, 1600, machine, settings);
    compare<reprise::bfloat16>("GPT-2 1.5B, bfloat16", 48, 1600, machine, settings);
  }
  std::printf("\n| layers | us a step beyond the reduction |\n|---:|---:|\n");
  for (const std::size_t layers : {12U, 1000U}) measure_fold(layers, machine, settings);
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
    run({.rounds = once ? 1 : 101, .once = once});
  } catch (const std::exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
