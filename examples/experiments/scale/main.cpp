// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Plans a transformer of hundreds of billions of parameters, on paper, under every policy at the
// same budgets, and prints what each recomputes as Markdown.

#include <cstdio>
#include <optional>
#include <string>

#include "comparison.hpp"
#include "options.hpp"
#include "output_file.hpp"
#include "report.hpp"
#include "run_tool.hpp"

namespace {

void run(const scale::Options& options) {
  const scale::TransformerProgram model =
      transformer_program(options.model, scale::Sharding::sequence, options.unit);
  scale::print_formulas();
  std::printf("\n%s as a program: %llu layers, %zu operations, %zu values.\n",
              std::string(options.model.name).c_str(),
              static_cast<unsigned long long>(options.model.layers),
              model.program.operations().size(), model.program.values().size());
  const scale::Comparison comparison = compare(model, options);
  print_recomputation(comparison);
  print_hopes(comparison);
  print_planning_times(comparison);
  if (options.pareto.empty()) return;
  example::flush_stdout();
  example::write_output_file(options.pareto, draw_pareto(comparison, options));
  std::printf("\noverhead over memory: %s\n", options.pareto.c_str());
}

}  // namespace

int main(int argc, char** argv) {
  return example::run_tool("scale", [&] {
    const std::optional<scale::Options> options = scale::parse_options(argc, argv);
    if (options) run(*options);
  });
}
