// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <string>
#include <string_view>
#include <utility>
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

/// A policy to train under, within a budget.
struct Contender {
  std::string_view policy;
  reprise::byte_count budget = reprise::unlimited_bytes;
  bool may_fail = false;  ///< drops out where the budget cannot be met
};

/// Store-all comes first, as the reference; only policies that adapt are held to the budget, and to
/// the further ones of a picture, which ends where the policy does.
std::vector<Contender> contenders_of(const gpt::Training& training, const gpt::Options& options,
                                     const gpt::Corpus& corpus, reprise::byte_count budget) {
  std::vector<Contender> all;
  for (const std::string_view policy : options.policies) {
    const bool adapts = gpt::adapts_to_budget(policy);
    if (adapts) training.check_feasible(options, corpus, policy, budget);
    all.push_back({policy, adapts ? budget : reprise::unlimited_bytes});
  }
  for (const gpt::Budget& further : options.pareto_budgets) {
    const reprise::byte_count bytes = bytes_of(further, training, options, corpus);
    for (const std::string_view policy : options.policies) {
      if (gpt::adapts_to_budget(policy)) all.push_back({policy, bytes, true});
    }
  }
  return all;
}

/// Trains them step by step in turn, so that a machine whose speed drifts decides nothing; or one
/// after another, where only one fits into memory.
class Comparison {
 public:
  Comparison(const gpt::Training& training, const gpt::Options& options, const gpt::Corpus& corpus)
      : training_(training), options_(options), corpus_(corpus) {}

  [[nodiscard]] std::vector<gpt::Result> run(const std::vector<Contender>& contenders) {
    if (options_.one_by_one) {
      for (const Contender& contender : contenders) train({contender});
    } else {
      train(contenders);
    }
    return std::move(results_);
  }

 private:
  struct Entry {
    Contender contender;
    std::unique_ptr<gpt::TrainingRun> run;
  };

  void train(const std::vector<Contender>& contenders) {
    std::vector<Entry> entries;
    for (const Contender& contender : contenders) {
      attempt(contender, [&] {
        entries.push_back(
            {contender, training_.begin(options_, corpus_, contender.policy, contender.budget)});
      });
    }
    for (std::size_t step = 0; step < options_.steps; ++step) {
      std::erase_if(entries, [&](const Entry& entry) {
        return !attempt(entry.contender, [&] { entry.run->step(); });
      });
    }
    for (Entry& entry : entries) {
      results_.push_back(entry.run->finish());
      entry.run.reset();
    }
  }

  template <class F>
  static bool attempt(const Contender& contender, F&& f) {
    try {
      f();
    } catch (const reprise::BudgetInfeasible&) {
      if (!contender.may_fail) throw;
      return false;
    } catch (const reprise::BudgetExceeded&) {  // under an online policy
      if (!contender.may_fail) throw;
      return false;
    }
    return true;
  }

  const gpt::Training& training_;
  const gpt::Options& options_;
  const gpt::Corpus& corpus_;
  std::vector<gpt::Result> results_;
};

std::vector<gpt::Result> compare(const gpt::Training& training, const gpt::Options& options,
                                 const gpt::Corpus& corpus, reprise::byte_count budget) {
  std::vector<gpt::Result> results =
      Comparison(training, options, corpus).run(contenders_of(training, options, corpus, budget));
  for (gpt::Result& result : results) {
    result.is_within_budget = result.peak_activation_bytes <= result.budget_bytes.value_or(budget);
    result.exact = have_equal_losses(result, results.front());
    gpt::compare_seconds(result, results.front());
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
  // The further ones are for the picture.
  const std::size_t rows = options.compare ? options.policies.size() : 1;
  const std::vector<gpt::Result> table(results.begin(),
                                       results.begin() + static_cast<std::ptrdiff_t>(rows));
  gpt::print_table(table, budget);
  example::flush_stdout();
  if (!options.json.empty()) gpt::write_json(options.json, results, options);
  if (!options.pareto.empty()) gpt::write_pareto(options.pareto, results);
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
