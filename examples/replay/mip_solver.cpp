// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "mip_solver.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <reprise/core/error.hpp>
#include <system_error>
#include <vector>

#include "output_file.hpp"
#include "subprocess.hpp"

namespace replay {
namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();

/// The number that follows a text where it stands last; nothing if none does.
std::optional<double> last_number_after(std::string_view said, std::string_view text) {
  const std::size_t place = said.rfind(text);
  if (place == std::string_view::npos) return std::nullopt;
  std::string_view rest = said.substr(place + text.size());
  rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
  double number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc{} || !std::isfinite(number)) return std::nullopt;
  return number;
}

bool says(std::string_view said, std::string_view text) {
  return said.find(text) != std::string_view::npos;
}

/// What a solver is given and where it writes.
struct Files {
  std::string programme;
  std::string options;
  std::string report;
};

std::vector<std::string> highs_arguments(const Files& files, const std::string& seconds) {
  example::write_output_file(files.options, "mip_rel_gap = 0\n");
  return {"--options_file", files.options, "--time_limit", seconds, files.programme};
}

std::optional<double> highs_bound(std::string_view said) {
  if (says(said, "Status            Infeasible")) return infinite;
  return last_number_after(said, "Dual bound ");
}

std::vector<std::string> cbc_arguments(const Files& files, const std::string& seconds) {
  return {files.programme, "-ratio", "0",         "-allow",  "0",
          "-sec",          seconds,  "-timeMode", "elapsed", "-solve"};
}

// Where its time is over it says "Lower bound" and, if it has a solution, "Objective value".
std::optional<double> cbc_bound(std::string_view said) {
  if (says(said, "infeasible - ") || says(said, "Result - Problem proven infeasible")) {
    return infinite;
  }
  if (says(said, "Result - Optimal solution found")) {
    return last_number_after(said, "Objective value:");
  }
  return last_number_after(said, "Lower bound:");
}

std::vector<std::string> glpk_arguments(const Files& files, const std::string& seconds) {
  return {"--lp", files.programme, "--tmlim", seconds, "--cuts", "-o", files.report};
}

std::optional<double> glpk_bound(std::string_view said) {
  if (says(said, "INTEGER EMPTY")) return infinite;
  if (says(said, "INTEGER OPTIMAL\n")) return last_number_after(said, "Objective:  cost =");
  return last_number_after(said, ">= ");
}

/// How one solver is spoken to.
struct Dialect {
  std::string_view program;
  std::string_view name;
  std::vector<std::string> (*arguments)(const Files& files, const std::string& seconds);
  std::optional<double> (*bound)(std::string_view said);
};

constexpr std::array dialects{
    Dialect{"highs", "HiGHS", &highs_arguments, &highs_bound},
    Dialect{"cbc", "CBC", &cbc_arguments, &cbc_bound},
    Dialect{"glpsol", "GLPK", &glpk_arguments, &glpk_bound},
};

const std::filesystem::path solver = REPLAY_MIP_SOLVER;

const Dialect* dialect() {
  const std::string program = solver.stem().string();
  const auto* const found = std::ranges::find(dialects, program, &Dialect::program);
  return found == dialects.end() ? nullptr : found;
}

}  // namespace

std::string_view solver_name() { return dialect() == nullptr ? "" : dialect()->name; }

double solve_lower_bound(const std::string& programme, double seconds) {
  const Dialect* const solver_dialect = dialect();
  if (solver_dialect == nullptr) {
    throw reprise::Error("HiGHS, CBC or GLPK would be needed, and none was found by CMake");
  }
  const TemporaryFolder folder;
  const Files files{.programme = folder.file("programme.lp"),
                    .options = folder.file("options"),
                    .report = folder.file("report")};
  example::write_output_file(files.programme, programme);
  const std::string whole_seconds = std::to_string(std::lround(std::ceil(seconds)));
  std::vector<std::string> command = solver_dialect->arguments(files, whole_seconds);
  command.insert(command.begin(), solver.string());
  // Some look at the clock only now and then.
  constexpr double patience = 10;
  const std::string printed = run_program(command, folder.file("printed"), seconds + patience);
  const std::optional<double> bound = solver_dialect->bound(printed + read_file(files.report));
  if (!bound) {
    throw reprise::Error(std::string(solver_dialect->name) + " proved nothing in " + whole_seconds +
                         " s");
  }
  return *bound;
}

}  // namespace replay
