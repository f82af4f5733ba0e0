// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "exact_bound.hpp"
#include "options.hpp"
#include "output_file.hpp"
#include "recorded_program.hpp"
#include "replay.hpp"
#include "report.hpp"
#include "run_tool.hpp"
#include "sweep.hpp"

namespace {

replay::Subject read_subject(const replay::Options& options) {
  replay::RecordedProgram recorded = replay::read_recorded_program(options.program);
  const reprise::byte_count baseline =
      options.baseline ? *options.baseline : baseline_bytes(recorded);
  const double compute = baseline_compute(recorded);
  return {.name = replay::short_name(options.program),
          .recorded = std::move(recorded),
          .baseline_bytes = baseline,
          .model_compute = compute};
}

// An outcome shows that there are plans of its cost; what passes it is a solver's rounding.
void prove(const replay::Options& options, const replay::Subject& subject, replay::Replay& result) {
  const double exact =
      replay::exact_bound(subject.recorded.program, result.budget_bytes, options.bound_seconds);
  double& bound =
      result.outcome.lower_bound.emplace(std::max(exact, result.outcome.lower_bound.value_or(0)));
  if (result.passed()) bound = std::min(bound, result.outcome.recomputed_cost);
}

void replay_once(const replay::Options& options, const replay::Subject& subject) {
  replay::Replay result =
      replay::replay(subject, *options.policy, options.budget, options.settings);
  if (options.wants_exact_bound) prove(options, subject, result);
  print_replay(subject, result);
  example::flush_stdout();
  if (!options.json.empty()) example::write_output_file(options.json, to_json(subject, result));
  if (!options.timeline.empty()) {
    example::write_output_file(options.timeline, draw_timeline(subject, result));
  }
}

void replay_all(const replay::Options& options, const replay::Subject& subject) {
  const std::vector<replay::Replay> results = replay::sweep(subject, options.settings);
  print_table(subject, results);
  example::flush_stdout();
  if (!options.json.empty()) example::write_output_file(options.json, to_json(subject, results));
  example::write_output_file(options.pareto, draw_pareto(subject, results));
  std::printf("\noverhead over memory: %s\n", options.pareto.c_str());
}

void run(const replay::Options& options) {
  const replay::Subject subject = read_subject(options);
  print_subject(subject);
  if (options.sweep) {
    replay_all(options, subject);
  } else {
    replay_once(options, subject);
  }
}

}  // namespace

int main(int argc, char** argv) {
  return example::run_tool("replay", [&] {
    const std::optional<replay::Options> options = replay::parse_options(argc, argv);
    if (options) run(*options);
  });
}
