// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "budget.hpp"
#include "corpus.hpp"
#include "engine/threads.hpp"
#include "options.hpp"
#include "policy.hpp"
#include "report.hpp"
#include "result.hpp"
#include "run_tool.hpp"
#include "text.hpp"
#include "training.hpp"

namespace {

gpt::Corpus make_corpus(const gpt::Options& options) {
  const auto text = [&] {
    return options.c4.empty() ? gpt::read_text(options.text) : gpt::read_c4(options.c4);
  }();
  return {text, options.shape.context, options.seed};
}

std::unique_ptr<gpt::Training> make_training(const gpt::Options& options) {
  return options.device == gpt::DeviceKind::cuda ? gpt::training_on_cuda(options.precision)
                                                 : gpt::training_on_cpu(options.precision);
}

reprise::byte_count bytes_of(const gpt::Budget& budget, const gpt::Training& training,
                             const gpt::Options& options, const gpt::Corpus& corpus) {
  return budget.resolve(budget.is_share() ? training.store_all_peak(options, corpus) : 0);
}

reprise::byte_count budget_of(const gpt::Training& training, const gpt::Options& options,
                              const gpt::Corpus& corpus) {
  return options.budget ? bytes_of(*options.budget, training, options, corpus)
                        : reprise::unlimited_bytes;
}

/// Store-all comes first, as the reference; only policies that adapt are held to the budget.
std::vector<gpt::Result> compare(const gpt::Training& training, const gpt::Options& options,
                                 const gpt::Corpus& corpus, reprise::byte_count budget) {
  for (const std::string_view policy : gpt::policy_names) {
    if (gpt::adapts_to_budget(policy)) training.check_feasible(options, corpus, policy, budget);
  }
  std::vector<gpt::Result> results;
  for (const std::string_view policy : gpt::policy_names) {
    results.push_back(
        training.train(options, corpus, policy,
                       gpt::adapts_to_budget(policy) ? budget : reprise::unlimited_bytes));
    results.back().is_within_budget = results.back().peak_activation_bytes <= budget;
    results.back().exact = have_equal_losses(results.back(), results.front());
  }
  return results;
}

/// Each policy that adapts, within each further budget that it can meet.
std::vector<gpt::Result> train_within(const std::vector<gpt::Budget>& budgets,
                                      const gpt::Training& training, const gpt::Options& options,
                                      const gpt::Corpus& corpus) {
  std::vector<gpt::Result> results;
  for (const gpt::Budget& budget : budgets) {
    const reprise::byte_count bytes = bytes_of(budget, training, options, corpus);
    for (const std::string_view policy : gpt::policy_names) {
      if (!gpt::adapts_to_budget(policy)) continue;
      try {
        results.push_back(training.train(options, corpus, policy, bytes));
      } catch (const reprise::BudgetInfeasible&) {
        continue;  // the picture ends where the policy does
      }
    }
  }
  return results;
}

void run(const gpt::Options& options) {
  gpt::set_threads(options.threads);
  const auto training = make_training(options);
  const gpt::Corpus corpus = make_corpus(options);
  std::printf("%zu layers, %zu channels, %zu heads, context %zu; %zu bytes of text; %s, %s\n",
              options.shape.layers, options.shape.channels, options.shape.heads,
              options.shape.context, corpus.size(), training->device_name().c_str(),
              std::string(gpt::name_of(options.precision)).c_str());
  const reprise::byte_count budget = budget_of(*training, options, corpus);
  std::vector<gpt::Result> results;
  if (options.compare) {
    results = compare(*training, options, corpus, budget);
  } else {
    results.push_back(training->train(options, corpus, options.policy, budget));
    if (options.policy == "store-all") results.back().exact = true;
  }
  gpt::print_table(results, budget);
  example::flush_stdout();
  if (!options.json.empty()) gpt::write_json(options.json, results, options);
  if (options.pareto.empty()) return;
  const auto further = train_within(options.pareto_budgets, *training, options, corpus);
  results.insert(results.end(), further.begin(), further.end());
  gpt::write_pareto(options.pareto, results);
}

/// Makes threads sleep while they wait: ones that spin slow a step tenfold as soon as anything else
/// wants the cores. The OpenMP runtime asks the environment before main, so the program starts once
/// more; where it cannot, it goes on as it is.
void let_waiting_threads_sleep(char** argv) {
  const char* const variable = "OMP_WAIT_POLICY";
  if (std::getenv(variable) != nullptr || setenv(variable, "passive", 1) != 0) return;
  execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  let_waiting_threads_sleep(argv);
  return example::run_tool("gpt", [&] {
    const std::optional<gpt::Options> options = gpt::parse_options(argc, argv);
    if (options) run(*options);
  });
}
