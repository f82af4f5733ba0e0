// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iostream>
#include <reprise/core/error.hpp>

#include "number_between.hpp"
#include "output_file.hpp"

namespace scale {
namespace {

/// Options as they are written, before they are looked at as a whole.
struct Written {
  std::string model = "530B";
  std::string cost = "flops";
  std::uint64_t layers = 0;
  bool is_quick = false;
};

void add_options(CLI::App& app, Options& options, Written& written) {
  app.add_option("--model", written.model, "22B, 175B, 530B or 1T")
      ->check(CLI::IsMember({"22B", "175B", "530B", "1T"}))
      ->capture_default_str();
  app.add_option("--layers", written.layers, "Another number of layers than the model's")
      ->check(CLI::Range(2, 1000));
  app.add_option("--cost", written.cost,
                 "What recomputation is counted in: flops of matrix products, or seconds on paper")
      ->check(CLI::IsMember({"flops", "seconds"}))
      ->capture_default_str();
  app.add_option("--step", options.step,
                 "Between budgets, in per cent of what keeping everything takes")
      ->check(CLI::Range(2, 20))
      ->capture_default_str();
  app.add_option("--plan-seconds", options.effort.seconds, "How long the search may take, a budget")
      ->check(example::NumberBetween{0.001, 86400.0})
      ->capture_default_str();
  app.add_option("--tries", options.effort.tries,
                 "Tries of the search instead of a time, so that a run can be repeated")
      ->check(example::NumberBetween{1.0, 1e12});
  app.add_option("--threads", options.effort.threads, "Of the search")
      ->check(CLI::Range(1, 64))
      ->capture_default_str();
  app.add_option("--pareto", options.pareto, "Draw overhead over memory to an SVG file")
      ->check(example::path_fault);
  app.add_flag("--quick", written.is_quick, "12 layers, steps of 20 %, 2,000 tries: for a look");
}

void apply(Options& options, const Written& written) {
  options.model = *std::ranges::find(paper_transformers, written.model, &Transformer::name);
  if (written.layers > 0) options.model.layers = written.layers;
  options.unit = written.cost == "flops" ? CostUnit::flops : CostUnit::seconds;
  if (!written.is_quick) return;
  options.model.layers = 12;
  options.step = 20;
  options.effort.tries = 2000;
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  Written written;
  CLI::App app("Compares what policies recompute of a transformer of a published size, on paper.",
               "scale");
  add_options(app, options, written);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  }
  apply(options, written);
  if (!options.pareto.empty()) {
    const std::array outputs{example::NamedPath{"--pareto", options.pareto}};
    example::check_output_files(outputs, {});
  }
  return options;
}

}  // namespace scale
