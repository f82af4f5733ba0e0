// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "comparison.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <functional>
#include <reprise/program/bounds.hpp>

#include "progress_bar.hpp"

namespace scale {
namespace {

using reprise::byte_count;

std::vector<Budget> budgets(const TransformerProgram& model, const std::vector<Policy>& policies,
                            unsigned step) {
  std::vector<Budget> all;
  byte_count most = 0;
  for (const Policy& policy : policies) {
    if (policy.family != Family::fixed) continue;
    const Outcome outcome = *policy.plan(model, reprise::unlimited_bytes);
    most = std::max(most, outcome.peak_bytes);
    all.push_back({.name = policy.name, .bytes = outcome.peak_bytes});
  }
  for (unsigned share = 100 - step; share >= step; share -= step) {
    all.push_back({.bytes = most / 100 * share});
  }
  std::ranges::stable_sort(all, std::greater(), &Budget::bytes);
  return all;
}

/// On stderr, so that the tables can go to a file meanwhile.
void show_progress(std::size_t done, std::size_t total, const std::string& name) {
  if (isatty(STDERR_FILENO) != 1) return;
  std::fprintf(stderr, "\r%s  %s\033[K", example::progress_bar(done, total).c_str(), name.c_str());
}

Row plan(const TransformerProgram& model, const Policy& policy,
         const std::vector<Budget>& budgets) {
  Row row{.name = policy.name, .family = policy.family};
  const auto begin = std::chrono::steady_clock::now();
  for (const Budget& budget : budgets) row.outcomes.push_back(policy.plan(model, budget.bytes));
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - begin;
  row.seconds = passed.count() / static_cast<double>(budgets.size());
  return row;
}

}  // namespace

Comparison compare(const TransformerProgram& model, const Options& options) {
  const std::vector<Policy> all = policies(options.model.layers, options.effort);
  Comparison result{.forward_cost = model.program.forward_cost(),
                    .least = lower_bound_bytes(model.program),
                    .budgets = budgets(model, all, options.step)};
  result.most = result.budgets.front().bytes;
  for (const reprise::Operation& op : model.program.operations()) result.model_cost += op.cost;
  for (const Policy& policy : all) {
    show_progress(result.rows.size(), all.size(), policy.name);
    result.rows.push_back(plan(model, policy, result.budgets));
  }
  if (isatty(STDERR_FILENO) == 1) std::fprintf(stderr, "\r\033[K");
  return result;
}

}  // namespace scale
