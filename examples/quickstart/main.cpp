// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Trains a residual MLP in 60 % of the memory that keeping everything takes.

#include <algorithm>
#include <cmath>
#include <iostream>
#include <random>
#include <reprise/reprise.hpp>

using Tensor = std::vector<float>;  // works out of the box; an own type takes a tensor_traits
constexpr std::size_t batch = 32, width = 16;

struct Block {  // y = x + tanh(x w)
  using tensor_type = Tensor;
  using saved_type = Tensor;  // what backward needs besides what it reads
  static constexpr auto backward_reads = reprise::Reads::input;
  Tensor w = Tensor(width * width), dw = Tensor(width * width);

  Tensor forward(const Tensor& x, Tensor& h, reprise::PassContext&) const {
    Tensor y(x);
    h.assign(x.size(), 0.0F);
    for (std::size_t k = 0, row = 0; k < y.size(); ++k, row = k / width * width) {
      for (std::size_t i = 0; i < width; ++i) h[k] += x[row + i] * w[i * width + k - row];
      y[k] += h[k] = std::tanh(h[k]);
    }
    return y;
  }
  Tensor backward(const Tensor& x, Tensor& h, const Tensor& dy, reprise::PassContext&) {
    Tensor dx(dy);
    for (std::size_t k = 0, row = 0; k < dy.size(); ++k, row = k / width * width) {
      const float d = dy[k] * (1.0F - h[k] * h[k]);
      for (std::size_t i = 0; i < width; ++i) {
        dx[row + i] += d * w[i * width + k - row];
        dw[i * width + k - row] += d * x[row + i];
      }
    }
    return dx;
  }
  void for_each_gradient(auto&& f) { f(std::span<float>(dw)); }
};
int main() {
  std::vector<Block> blocks(16);
  Tensor x(batch * width);
  auto draw = [r = std::minstd_rand{}]() mutable { return 4e-10F * float(r()) - 0.4F; };
  for (Block& block : blocks) std::ranges::generate(block.w, std::ref(draw));
  std::ranges::generate(x, std::ref(draw));
  auto graph = reprise::chain(blocks);
  reprise::GradientStatTracker tracker{graph, reprise::Ema{.beta = 0.95}};
  reprise::CheckpointScheduler store_all{reprise::StoreAll{}};
  reprise::RematStore unlimited_store;
  reprise::Checkpointed unlimited{graph, tracker, store_all, unlimited_store};
  unlimited.begin_step();
  static_cast<void>(unlimited.forward(x));  // a pass without a backward is dropped
  const auto budget = unlimited.report().predicted_peak_bytes * 6 / 10;
  reprise::GradientThreshold rule{reprise::MedianThreshold{.alpha = 1.0}};
  reprise::CheckpointScheduler scheduler{rule, reprise::ReplanEvery{.steps = 10}};
  reprise::RematStore store{{.budget = budget}};
  reprise::Checkpointed net{graph, tracker, scheduler, store};
  reprise::byte_count peak = 0;
  float loss = 0;
  for (int step = 0; step < 50; ++step) {
    net.begin_step();
    auto pass = net.forward(x);
    Tensor dy(pass.output());  // the target is -x / 2
    loss = 0.0F;
    for (std::size_t k = 0; k < dy.size(); ++k) {
      dy[k] += 0.5F * x[k];
      loss += 0.5F * dy[k] * dy[k];
    }
    net.backward(std::move(pass), std::move(dy));
    net.end_step();
    for (Block& block : blocks)
      for (std::size_t k = 0; k < block.w.size(); ++k)
        block.w[k] -= 0.001F * std::exchange(block.dw[k], 0.0F);
    peak = std::max(peak, net.report().peak_bytes);
  }
  std::cout << "loss " << loss << ", peak " << peak << " of a budget of " << budget << " bytes\n";
  return peak <= budget && loss < 10.0F ? 0 : 1;
}
