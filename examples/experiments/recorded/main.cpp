// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// Plans the recorded programs of shared/traces at the budgets of their reference tables and prints
// what that costs beside what others reach, as Markdown.
//
//   plan_recorded TRACES [SECONDS [THREADS]]

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <reprise/planner/local_search.hpp>
#include <reprise/planner/min_cut.hpp>
#include <reprise/program/layout.hpp>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "effort_options.hpp"
#include "recorded_program.hpp"
#include "run_tool.hpp"

namespace {

constexpr double none = std::numeric_limits<double>::infinity();

using Row = std::map<std::string, std::string>;

std::vector<Row> read_table(const std::filesystem::path& path) {
  std::ifstream file(path);
  if (!file) throw reprise::InvalidArgument("cannot read " + path.string());
  const auto fields_of = [](const std::string& line) {
    std::vector<std::string> fields;
    std::istringstream rest(line);
    for (std::string field; std::getline(rest, field, ',');) fields.push_back(field);
    return fields;
  };
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> columns = fields_of(line);
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = fields_of(line);
    Row row;
    for (std::size_t i = 0; i < columns.size() && i < fields.size(); ++i) {
      row[columns[i]] = fields[i];
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

double number(const Row& row, const std::string& column) {
  const auto field = row.find(column);
  return field == row.end() || field->second.empty() ? none : std::stod(field->second);
}

/// A budget, and what others recompute under it.
struct Point {
  std::string name;
  reprise::byte_count budget = 0;
  double unit = 1;       ///< the cost that recomputation is a share of
  double theirs = none;  ///< DTREqClass, or PyTorch's partitioner
  double best_online = none;
};

struct Answer {
  double cut = none;
  double cut_milliseconds = 0;
  double search = none;
  double bound = 0;
  double arena = none;  ///< over live bytes
};

// The bound does without the gaps that alignment leaves, which the arena has.
double arena_over_live(const reprise::Program& program, const reprise::Schedule& schedule) {
  const reprise::ArenaLayout arena = reprise::layout(program, schedule);
  const reprise::ArenaLayout packed =
      reprise::layout(program, schedule, {.alignment = 1, .tries = 1});
  return static_cast<double>(arena.high_water) / static_cast<double>(packed.live_bytes);
}

Answer plan(const reprise::Program& program, const Point& point,
            const reprise::SearchEffort& effort) {
  const reprise::PlanRequest request{.program = program, .budget = point.budget};
  Answer answer;
  const auto begin = std::chrono::steady_clock::now();
  try {
    answer.cut = reprise::MinCut{}(request).recomputed_cost;
  } catch (const reprise::BudgetInfeasible&) {
  }
  const std::chrono::duration<double, std::milli> passed = std::chrono::steady_clock::now() - begin;
  answer.cut_milliseconds = passed.count();
  try {
    const reprise::Plan found = reprise::LocalSearch{effort}(request);
    answer.search = found.recomputed_cost;
    answer.bound = found.lower_bound_cost;
    answer.arena = arena_over_live(program, found.schedule);
  } catch (const reprise::BudgetInfeasible&) {
  }
  return answer;
}

std::string share(double cost, double unit) {
  if (cost == none) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.5f", cost / unit);
  return text;
}

/// What a table comes to.
struct Summary {
  double logarithms = 0;
  int compared = 0;
  int above = 0;
  int planned = 0;
  int close = 0;
  std::vector<double> arenas{};

  void add(const Point& point, const Answer& answer) {
    if (answer.search == none) return;
    ++planned;
    if (answer.search <= 1.05 * answer.bound) ++close;
    if (answer.search > std::min(point.theirs, point.best_online)) ++above;
    arenas.push_back(answer.arena);
    if (point.theirs == none || point.theirs <= 0 || answer.search <= 0) return;
    logarithms += std::log(answer.search / point.theirs);
    ++compared;
  }
  void print() {
    std::ranges::sort(arenas);
    std::printf(
        "\n%d points: %d above the best of the others, %d within 5 %% of the bound; geometric "
        "mean over theirs %.4f (%d points); arena over live bytes %.5f (median), %.5f (worst)\n\n",
        planned, above, close, std::exp(logarithms / std::max(compared, 1)), compared,
        arenas.empty() ? none : arenas[arenas.size() / 2], arenas.empty() ? none : arenas.back());
  }
};

void print_table(const std::filesystem::path& folder,
                 const std::vector<std::pair<std::string, std::vector<Point>>>& models,
                 const char* theirs, const reprise::SearchEffort& effort) {
  std::printf(
      "| program | %s | best online | min-cut | its ms | search | bound | arena |\n"
      "|---|---:|---:|---:|---:|---:|---:|---:|\n",
      theirs);
  Summary summary;
  for (const auto& [model, points] : models) {
    const replay::RecordedProgram recorded =
        replay::read_recorded_program((folder / (model + ".log.xz")).string());
    for (const Point& point : points) {
      const Answer answer = plan(recorded.program, point, effort);
      std::printf("| %s %s | %s | %s | %s | %.1f | %s | %s | %s |\n", model.c_str(),
                  point.name.c_str(), share(point.theirs, point.unit).c_str(),
                  share(point.best_online, point.unit).c_str(),
                  share(answer.cut, point.unit).c_str(), answer.cut_milliseconds,
                  share(answer.search, point.unit).c_str(), share(answer.bound, point.unit).c_str(),
                  share(answer.arena, 1).c_str());
      std::fflush(stdout);
      summary.add(point, answer);
    }
  }
  summary.print();
}

/// The list that belongs to a name, made if there is none.
std::vector<Point>& of(std::vector<std::pair<std::string, std::vector<Point>>>& models,
                       const std::string& model) {
  for (auto& [name, points] : models) {
    if (name == model) return points;
  }
  return models.emplace_back(model, std::vector<Point>{}).second;
}

void plan_dtr_programs(const std::filesystem::path& folder, const reprise::SearchEffort& effort) {
  std::vector<std::pair<std::string, std::vector<Point>>> models;
  for (const Row& row : read_table(folder / "reference.csv")) {
    if (number(row, "ratio") < 0.2) continue;
    std::vector<Point>& points = of(models, row.at("model"));
    auto point = std::ranges::find(points, row.at("ratio"), &Point::name);
    if (point == points.end()) {
      points.push_back({.name = row.at("ratio"),
                        .budget = std::stoull(row.at("budget_bytes")),
                        .unit = number(row, "baseline_compute")});
      point = points.end() - 1;
    }
    if (row.at("result") != "pass") continue;
    point->best_online = std::min(point->best_online, number(row, "remat_compute"));
    if (row.at("heuristic") == "DTREqClass") point->theirs = number(row, "remat_compute");
  }
  print_table(folder, models, "DTREqClass", effort);
}

void plan_pytorch_programs(const std::filesystem::path& folder,
                           const reprise::SearchEffort& effort) {
  std::vector<std::pair<std::string, std::vector<Point>>> models;
  for (const Row& row : read_table(folder / "reference.csv")) {
    if (row.at("knob") == "store-all" || number(row, "knob") >= 1) continue;
    of(models, row.at("model"))
        .push_back({.name = row.at("knob"),
                    .budget = std::stoull(row.at("peak_bytes")),
                    .unit = number(row, "forward_cost"),
                    .theirs = number(row, "recompute_cost")});
  }
  print_table(folder, models, "PyTorch", effort);
}

}  // namespace

int main(int argc, char** argv) {
  return example::run_tool("plan_recorded", [&] {
    std::filesystem::path folder;
    reprise::SearchEffort effort;
    CLI::App app("Plans recorded programs at the budgets of their reference tables.",
                 "plan_recorded");
    app.add_option("TRACES", folder, "The folder of the programs and their tables")
        ->required()
        ->check(CLI::ExistingDirectory);
    example::add_effort_options(app, effort);
    try {
      app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
      std::fputs(app.help().c_str(), stdout);
      return;
    }
    std::printf("Recomputation as a share of the program's own compute:\n\n");
    plan_dtr_programs(folder, effort);
    std::printf("Recomputation as a share of forward:\n\n");
    plan_pytorch_programs(folder / "pytorch", effort);
  });
}
