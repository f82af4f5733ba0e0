// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the user asked for.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "budget.hpp"
#include "engine/model.hpp"
#include "engine/precision.hpp"
#include "policy.hpp"

namespace gpt {

/// Where the model is trained.
enum class DeviceKind { cpu, cuda };

/// The command line's options with their defaults, which are the demo's.
struct Options {
  std::vector<std::string> text;
  std::string c4;
  ModelShape shape{};
  std::size_t batch = 8;
  std::size_t accumulate = 1;
  std::size_t steps = 30;
  std::uint64_t seed = 1;
  float learning_rate = 1e-3F;
  DeviceKind device = DeviceKind::cpu;
  Precision precision = Precision::fp32;
  int threads = 1;
  std::string_view policy = "balanced";  ///< of `policy_names`
  bool allow_bias = false;               ///< uniform policies may bias gradients
  /// To compare, store-all first.
  std::vector<std::string_view> policies{policy_names.begin(), policy_names.end()};
  bool counts_flops = false;     ///< policies minimise FLOPs, not seconds
  std::size_t cost_samples = 5;  ///< passes that measure what calls take, after a warm-up
  bool one_by_one = false;       ///< compares policies one after another
  bool compare = false;
  double alpha = 1;
  double plan_seconds = 1;
  std::uint64_t plan_tries = 0;
  double beta = 0.95;
  std::uint64_t cadence = 5;
  std::optional<Budget> budget{};
  bool verify_replay = false;
  std::string save;
  std::string resume;
  std::string json;
  std::string pareto;
  std::vector<Budget> pareto_budgets{};  ///< to draw policies at, beside `budget`
};

/// Reads the command line; prints the help and returns nothing if that was asked for.
/// @throws std::exception with one line for people if something is wrong with it.
[[nodiscard]] std::optional<Options> parse_options(int argc, const char* const* argv);

}  // namespace gpt
