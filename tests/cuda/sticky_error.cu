// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// A kernel that kills the context, and what is left then. Alone in its process. Not yet run on a
// GPU.

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <optional>
#include <reprise/backend/cuda.cuh>
#include <reprise/backend/cuda_tensor.cuh>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/stats/gradient_stat_tracker.hpp>
#include <sstream>
#include <vector>

namespace {

using reprise::CudaBackend;
using reprise::CudaError;
using reprise::CudaStream;

__global__ void write_to(float* address) { *address = 1; }

}  // namespace

TEST_CASE("after a sticky error the host's side is readable and destructors are silent") {
  const CudaStream stream;
  const reprise::CudaMemory memory;
  std::optional<reprise::CudaTensor<float>> gradient;
  gradient.emplace(std::size_t{4}, memory, stream);
  const std::vector<float> values{1, 2, 3, 4};
  gradient->copy_from(values);
  const std::vector<reprise::GradientView> views{
      reprise::gradient_view(gradient->write(stream).data(), 4, 0)};
  using Tracker = reprise::GradientStatTracker<CudaBackend>;
  std::optional<Tracker> tracker;
  tracker.emplace(std::size_t{1}, views, reprise::Ema{.beta = 0.9}, reprise::EveryStep{},
                  CudaBackend{stream});
  for (std::size_t step = 0; step < Tracker::delay; ++step) tracker->end_step();
  CHECK(tracker->statistics()[0] == doctest::Approx(30));

  launch_cuda(stream, "write_to", {1, 1}, write_to, static_cast<float*>(nullptr));
  try {
    stream.synchronize();
    FAIL("a kernel wrote to null");
  } catch (const CudaError& error) {
    CHECK(error.call() == "cudaStreamSynchronize");
    CHECK(error.is_sticky());
  }

  CHECK_THROWS_AS(tracker->end_step(), CudaError);
  CHECK(tracker->steps() == Tracker::delay);
  CHECK(tracker->statistics()[0] == doctest::Approx(30));
  CHECK(tracker->updates() == 1);
  std::ostringstream out;
  CHECK_THROWS_AS(tracker->save(out), CudaError);
  tracker.reset();
  gradient.reset();
}
