// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <iostream>
#include <limits>
#include <reprise/core/error.hpp>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "mip_solver.hpp"
#include "output_file.hpp"

namespace replay {
namespace {

/// Options as they are written, before they are looked at as a whole.
struct Written {
  std::string policy = "dtr";
  std::string budget;
  std::string baseline;
  std::string plan_seconds;
  std::string plan_tries;
  std::string replay_seconds;
  std::string threads;
  std::string every;
  std::string bound;
  std::string bound_seconds;
};

/// A time for a planner or a solver. More than a day is an error in writing.
double parse_seconds(const std::string& option, const std::string& text) {
  constexpr double most = 86'400;
  double seconds = -1;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, seconds);
  if (error == std::errc{} && rest == end && seconds >= 0 && seconds <= most) return seconds;
  throw reprise::InvalidArgument(option + ": '" + text +
                                 "' is no number of seconds from 0 to 86400");
}

/// A whole number from 1 on.
std::size_t parse_count(const std::string& option, const std::string& text, std::size_t most) {
  std::size_t count = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, count);
  if (error == std::errc{} && rest == end && count >= 1 && count <= most) return count;
  throw reprise::InvalidArgument(option + ": '" + text + "' is no whole number from 1 to " +
                                 std::to_string(most));
}

void add_planning_options(CLI::App& app, Written& written) {
  app.add_option("--every", written.every, "Operations a group under every-n (default: 4)");
  app.add_option("--plan-seconds", written.plan_seconds,
                 "How long search and balanced may plan (default: 1, and 0.05 for balanced, as for "
                 "the first step of a training)");
  app.add_option("--plan-tries", written.plan_tries,
                 "How many plans search and balanced may try instead, whatever time it takes: the "
                 "same on any machine")
      ->excludes("--plan-seconds");
  app.add_option("--replay-seconds", written.replay_seconds,
                 "Processor time that an online policy may take before it gives up (default: 120)");
  app.add_option("--threads", written.threads,
                 "Threads that search and balanced plan on (default: those of the machine)");
  app.add_option("--bound", written.bound,
                 "exact: the lower bound of an integer programme, where CMake found HiGHS, CBC or "
                 "GLPK; without it, what the planner proves");
  app.add_option("--bound-seconds", written.bound_seconds,
                 "How long the solver may take; it proves less then (default: 30)")
      ->needs("--bound");
}

void add_options(CLI::App& app, Options& options, Written& written) {
  app.add_option("PROGRAM", options.program, "A recorded program: .log, .log.xz or .log.gz")
      ->required()
      ->check(example::path_fault);
  app.add_option("--policy", written.policy, policy_names())->capture_default_str();
  app.add_option("--budget", written.budget,
                 "0.5 (a ratio of the baseline), 6GiB or a number of bytes; without it, unlimited");
  add_planning_options(app, written);
  app.add_option("--baseline", written.baseline,
                 "What ratios refer to, instead of what the program needs without a budget");
  app.add_option("--json", options.json, "Write the result to a file; of a sweep, a list")
      ->check(example::path_fault);
  app.add_option("--timeline", options.timeline, "Draw live bytes over time to an SVG file")
      ->check(example::path_fault);
  app.add_flag(
      "--sweep", options.sweep,
      "Replay under each policy at ratios 0.9 to 0.1; the searches take their time at each");
  app.add_option("--pareto", options.pareto,
                 "Where a sweep draws overhead over memory (default: PROGRAM-pareto.svg)")
      ->check(example::path_fault)
      ->needs("--sweep");
  for (const char* const single : {"--policy", "--budget", "--timeline", "--bound"}) {
    app.get_option("--sweep")->excludes(app.get_option(single));
  }
}

void check_planning(const CLI::App& app, Options& options, const Written& written) {
  constexpr std::size_t most_threads = 1024;
  constexpr std::size_t most_tries = 1'000'000'000;
  PolicySettings& settings = options.settings;
  settings.threads = std::max(1U, std::thread::hardware_concurrency());
  if (app.count("--threads") > 0) {
    settings.threads =
        static_cast<unsigned>(parse_count("--threads", written.threads, most_threads));
  }
  if (app.count("--every") > 0) {
    settings.every =
        parse_count("--every", written.every, std::numeric_limits<reprise::operation_id>::max());
  }
  if (app.count("--plan-seconds") > 0) {
    settings.plan_seconds = parse_seconds("--plan-seconds", written.plan_seconds);
  }
  if (app.count("--plan-tries") > 0) {
    settings.plan_tries = parse_count("--plan-tries", written.plan_tries, most_tries);
  }
  if (app.count("--replay-seconds") > 0) {
    settings.replay_seconds = parse_seconds("--replay-seconds", written.replay_seconds);
  }
}

void check_bound(const CLI::App& app, Options& options, const Written& written) {
  if (app.count("--bound") == 0) return;
  if (written.bound != "exact") {
    throw reprise::InvalidArgument("--bound: there is no bound '" + written.bound +
                                   "'; choose exact");
  }
  if (solver_name().empty()) {
    throw reprise::InvalidArgument(
        "--bound exact: there is no solver; CMake looks for HiGHS, CBC and GLPK");
  }
  options.wants_exact_bound = true;
  if (app.count("--bound-seconds") > 0) {
    options.bound_seconds = parse_seconds("--bound-seconds", written.bound_seconds);
  }
}

void check_files(const Options& options) {
  std::vector<example::NamedPath> outputs;
  for (const auto& [option, path] : {std::pair{"--json", &options.json},
                                     {"--timeline", &options.timeline},
                                     {"--pareto", &options.pareto}}) {
    if (!path->empty()) outputs.push_back({option, *path});
  }
  const std::array inputs{example::NamedPath{"PROGRAM", options.program}};
  example::check_output_files(outputs, inputs);
}

void check_as_a_whole(const CLI::App& app, Options& options, const Written& written) {
  if (!options.sweep) options.policy = &policy_named(written.policy);
  check_planning(app, options, written);
  check_bound(app, options, written);
  if (app.count("--budget") > 0) options.budget = parse_budget(written.budget);
  if (app.count("--baseline") > 0) {
    options.baseline = reprise::parse_bytes(written.baseline);
    if (*options.baseline == 0) throw reprise::InvalidArgument("--baseline: it is 0 bytes");
  }
  if (options.sweep && options.pareto.empty()) {
    options.pareto = short_name(options.program) + "-pareto.svg";
  }
  check_files(options);
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
