// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A CUDA graph of what is enqueued on a stream.

#include <cuda_runtime_api.h>

#include <concepts>
#include <memory>
#include <reprise/backend/cuda_error.cuh>
#include <type_traits>

namespace reprise_test {

/// What `enqueue` put on `stream`, to be launched there as often as wished. In the strictest
/// capture: work anywhere else, and any wait, is an error.
class StreamGraph {
 public:
  StreamGraph(cudaStream_t stream, std::invocable auto&& enqueue) : stream_(stream) {
    reprise::check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal),
                        "cudaStreamBeginCapture");
    enqueue();
    cudaGraph_t graph = nullptr;
    reprise::check_cuda(cudaStreamEndCapture(stream, &graph), "cudaStreamEndCapture");
    const std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, Destroy> owned(graph);
    cudaGraphExec_t executable = nullptr;
    reprise::check_cuda(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
    executable_.reset(executable);
  }

  void launch() const {
    reprise::check_cuda(cudaGraphLaunch(executable_.get(), stream_), "cudaGraphLaunch");
  }

 private:
  struct Destroy {
    void operator()(cudaGraph_t graph) const noexcept { cudaGraphDestroy(graph); }
    void operator()(cudaGraphExec_t executable) const noexcept { cudaGraphExecDestroy(executable); }
  };

  cudaStream_t stream_;
  std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, Destroy> executable_;
};

}  // namespace reprise_test
