// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <reprise/core/error.hpp>
#include <thread>
#include <utility>

#include "output_file.hpp"
#include "text.hpp"

namespace gpt {
namespace {

/// Options as they are written, before they are looked at as a whole.
struct Written {
  std::string policy = "balanced";
  std::vector<std::string> policies;
  std::string costs = "seconds";
  std::string budget;
  std::vector<std::string> pareto_budgets;
  std::string device = "cpu";
  std::string precision = "fp32";
};

const CLI::Range size_range(1, 1 << 24);

void add_text_options(CLI::App& app, Options& options) {
  CLI::Option* const text =
      app.add_option("--text", options.text, "Files or folders to train on, byte by byte")
          ->check(example::path_fault);
  CLI::Option* const c4 =
      app.add_option("--c4", options.c4, "A file with a JSON object a line that has a 'text'")
          ->check(example::path_fault);
  text->excludes(c4);
}

void add_model_options(CLI::App& app, Options& options) {
  app.add_option("--layers", options.shape.layers, "Transformer blocks")
      ->check(CLI::Range(1, 4096));
  app.add_option("--channels", options.shape.channels, "Channels")->check(CLI::Range(1, 65536));
  app.add_option("--heads", options.shape.heads, "Attention heads")->check(CLI::Range(1, 65536));
  app.add_option("--context", options.shape.context, "Tokens a sequence")
      ->check(CLI::Range(1, 65536));
  app.add_option("--dropout", options.shape.dropout, "Share of elements to drop in training")
      ->check(CLI::Range(0.0, 0.99));
}

void add_training_options(CLI::App& app, Options& options) {
  app.add_option("--batch", options.batch, "Sequences a micro-batch")->check(CLI::Range(1, 65536));
  app.add_option("--accumulate", options.accumulate, "Micro-batches a step")->check(size_range);
  app.add_option("--steps", options.steps, "Steps to train in this run")->check(size_range);
  app.add_option("--seed", options.seed, "Of parameters, batches and dropout")
      ->check(CLI::NonNegativeNumber);
  app.add_option("--lr", options.learning_rate, "Learning rate")->check(CLI::Range(1e-9, 10.0));
  app.add_option("--threads", options.threads, "Threads to compute with")
      ->check(CLI::Range(1, 1024));
}

void add_device_options(CLI::App& app, Written& written) {
  app.add_option("--device", written.device, "Where to train")
      ->check(CLI::IsMember({"cpu", "cuda"}));
  app.add_option(
         "--precision", written.precision,
         "fp32; bf16: activations and their gradients in 16 bits, beside fp32 weights; tf32: on "
         "cuda, factors of products rounded")
      ->check(CLI::IsMember(precision_names));
}

void add_policy_options(CLI::App& app, Options& options, Written& written) {
  CLI::Option* const policy = app.add_option("--policy", written.policy, policy_list());
  app.add_flag(
      "--allow-bias", options.allow_bias,
      "uniform-* and fewest-* may keep what gradients are not linear in, and round to the nearest");
  app.add_option("--alpha", options.alpha, "gradient keeps layers above alpha * median")
      ->check(CLI::Range(0.0, 1e9));
  app.add_option("--plan-seconds", options.plan_seconds, "Seconds that search may plan")
      ->check(CLI::Range(0.0, 1e6));
  app.add_option("--plan-tries", options.plan_tries,
                 "Plans that search and balanced may try instead: the same plan in each run")
      ->check(size_range)
      ->excludes("--plan-seconds");
  app.add_option("--beta", options.beta, "Weight of the past in the gradient statistics")
      ->check(CLI::Range(0.0, 0.999999));
  app.add_option("--cadence", options.cadence, "Steps from one plan to the next")
      ->check(size_range);
  app.add_option("--budget", written.budget,
                 "Bytes for activations: 64MiB, or 50% of store-all's peak (--compare: 50%)");
  app.add_option("--costs", written.costs,
                 "What policies minimise: seconds, as measured in the first steps; or the FLOPs "
                 "that layers declare, which are the same in each run")
      ->check(CLI::IsMember({"seconds", "flops"}));
  app.add_option("--cost-samples", options.cost_samples,
                 "Micro-batches that measure seconds, after the first; plans are final then, and "
                 "predict the better the more there are")
      ->check(size_range);
  app.add_flag("--verify-replay", options.verify_replay,
               "Compare each recomputed value with its original, and the first step's gradients "
               "with those of keeping everything");
  app.add_flag("--compare", options.compare,
               "Train with each policy, step by step in turn, and compare")
      ->excludes(policy);
  app.add_flag("--one-by-one", options.one_by_one,
               "Compare one policy after another: less memory, and a machine whose speed drifts "
               "has its say")
      ->needs("--compare");
  app.add_option("--policies", written.policies,
                 "Those to compare, beside store-all, such as search,uniform-4; all without codes "
                 "where none is named")
      ->delimiter(',')
      ->needs("--compare");
}

void add_file_options(CLI::App& app, Options& options, Written& written) {
  app.add_option("--save", options.save, "Write a checkpoint after the last step");
  app.add_option("--resume", options.resume, "Go on from a checkpoint");
  app.add_option("--json", options.json, "Write the results to a file");
  app.add_option("--pareto", options.pareto,
                 "Draw what memory costs each policy in time to an SVG file")
      ->needs("--compare");
  app.add_option("--pareto-budgets", written.pareto_budgets,
                 "Further budgets to train under for the picture, such as 30%,70%,90%")
      ->delimiter(',')
      ->needs("--pareto");
  for (const char* const name : {"--save", "--resume", "--json", "--pareto"}) {
    app.get_option(name)->check(example::path_fault);
  }
  for (const char* const name : {"--save", "--resume"}) {
    app.get_option(name)->excludes(app.get_option("--compare"));
  }
}

// CLI11's ranges let through what compares with nothing.
void check_numbers(const Options& options) {
  const std::array numbers{std::pair{"--lr", static_cast<double>(options.learning_rate)},
                           std::pair{"--dropout", static_cast<double>(options.shape.dropout)},
                           std::pair{"--alpha", options.alpha}, std::pair{"--beta", options.beta},
                           std::pair{"--plan-seconds", options.plan_seconds}};
  for (const auto& [name, value] : numbers) {
    if (std::isnan(value)) throw reprise::InvalidArgument(std::string(name) + " is not a number");
  }
}

/// Of one of `precision_names`.
Precision precision_named(const std::string& name) {
  return static_cast<Precision>(std::ranges::find(precision_names, name) - precision_names.begin());
}

void check_files(const Options& options) {
  std::vector<example::NamedPath> outputs;
  if (!options.save.empty()) outputs.push_back({"--save", options.save});
  if (!options.json.empty()) outputs.push_back({"--json", options.json});
  if (!options.pareto.empty()) outputs.push_back({"--pareto", options.pareto});
  if (outputs.empty()) return;
  std::vector<example::NamedPath> inputs{{"--resume", options.resume}, {"--c4", options.c4}};
  if (options.c4.empty()) {
    const std::string option = options.text.empty() ? "the text" : "--text";
    for (std::string& file : text_files(options.text)) inputs.push_back({option, std::move(file)});
  }
  example::check_output_files(outputs, inputs);
}

void check_as_a_whole(Options& options, const Written& written) {
  check_numbers(options);
  options.policy = policy_named(written.policy);
  if (!written.policies.empty()) options.policies = {"store-all"};
  for (const std::string& name : written.policies) {
    const std::string_view policy = policy_named(name, "--policies");
    if (std::ranges::find(options.policies, policy) == options.policies.end()) {
      options.policies.push_back(policy);
    }
  }
  options.counts_flops = written.costs == "flops";
  options.device = written.device == "cuda" ? DeviceKind::cuda : DeviceKind::cpu;
  options.precision = precision_named(written.precision);
  if (options.device == DeviceKind::cpu && options.precision == Precision::tf32) {
    throw reprise::InvalidArgument(
        "--precision: tf32 is for --device cuda; a CPU has fp32 and bf16");
  }
  if (!written.budget.empty()) {
    options.budget = parse_budget(written.budget);
  } else if (options.compare) {
    options.budget = Budget{.share = 0.5};
  }
  for (const std::string& budget : written.pareto_budgets) {
    options.pareto_budgets.push_back(parse_budget(budget, "--pareto-budgets"));
  }
  if (options.shape.channels % options.shape.heads != 0) {
    throw reprise::InvalidArgument("--heads: " + std::to_string(options.shape.heads) +
                                   " heads do not divide " +
                                   std::to_string(options.shape.channels) + " channels");
  }
  check_files(options);
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  options.threads = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  Written written;
  CLI::App app("Trains a byte-level GPT within a budget for activations.", "gpt");
  app.option_defaults()->always_capture_default();
  add_text_options(app, options);
  add_model_options(app, options);
  add_training_options(app, options);
  add_device_options(app, written);
  add_policy_options(app, options, written);
  add_file_options(app, options, written);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  }
  if (app.count("--budget") > 0 && written.budget.empty()) written.budget = " ";
  check_as_a_whole(options, written);
  return options;
}

}  // namespace gpt
