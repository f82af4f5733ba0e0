// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "options.hpp"

#include <CLI/CLI.hpp>
#include <filesystem>
#include <iostream>
#include <reprise/core/error.hpp>

#include "output_file.hpp"

namespace replay {
namespace {

/// Options as they are written, before they are looked at as a whole.
struct Written {
  std::string policy = "dtr";
  std::string budget;
  std::string baseline;
};

void add_options(CLI::App& app, Options& options, Written& written) {
  app.add_option("PROGRAM", options.program, "A recorded program: .log, .log.xz or .log.gz")
      ->required();
  app.add_option("--policy", written.policy, policy_names())->capture_default_str();
  app.add_option("--budget", written.budget,
                 "0.5 (a ratio of the baseline), 6GiB or a number of bytes; without it, unlimited");
  app.add_option("--baseline", written.baseline,
                 "What ratios refer to, instead of what the program needs without a budget");
  app.add_option("--json", options.json, "Write the result to a file; of a sweep, a list");
  app.add_option("--timeline", options.timeline, "Draw live bytes over time to an SVG file");
  app.add_flag("--sweep", options.sweep, "Replay under each policy at ratios 0.9 to 0.1");
  app.add_option("--pareto", options.pareto,
                 "Where a sweep draws overhead over memory (default: PROGRAM-pareto.svg)")
      ->needs("--sweep");
  for (const char* const single : {"--policy", "--budget", "--timeline"}) {
    app.get_option("--sweep")->excludes(app.get_option(single));
  }
}

void check_as_a_whole(const CLI::App& app, Options& options, const Written& written) {
  if (!options.sweep) options.policy = &policy_named(written.policy);
  if (app.count("--budget") > 0) options.budget = parse_budget(written.budget);
  if (app.count("--baseline") > 0) {
    options.baseline = reprise::parse_bytes(written.baseline);
    if (*options.baseline == 0) throw reprise::InvalidArgument("--baseline: it is 0 bytes");
  }
  if (options.sweep && options.pareto.empty()) {
    options.pareto = short_name(options.program) + "-pareto.svg";
  }
  for (const std::string& file : {options.json, options.timeline, options.pareto}) {
    example::check_output_file(file);
  }
}

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options options;
  Written written;
  CLI::App app("Replays a recorded training program within a budget for memory.", "replay");
  add_options(app, options, written);
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  }
  check_as_a_whole(app, options, written);
  return options;
}

std::string short_name(const std::string& program) {
  std::filesystem::path name = std::filesystem::path(program).filename();
  for (const char* const ending : {".xz", ".gz", ".log"}) {
    if (name.extension() == ending) name = name.stem();
  }
  return name.string();
}

}  // namespace replay
