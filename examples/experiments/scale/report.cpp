// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <optional>
#include <reprise/report/pareto_svg.hpp>
#include <vector>

namespace scale {
namespace {

/// The smallest and the largest of what several policies recompute, in the program's unit.
struct Range {
  double low = 0;
  double high = 0;
};

template <class... A>
std::string format(const char* pattern, A... values) {
  std::array<char, 96> text{};
  std::snprintf(text.data(), text.size(), pattern, values...);
  return text.data();
}

std::string passes(double cost, const Comparison& comparison) {
  return format("%.3f", cost / comparison.forward_cost);
}

// Rows of one rule under several gradient profiles share a name up to the comma.
std::string rule_of(const Row& row) { return row.name.substr(0, row.name.find(',')); }

std::vector<std::string> rules(const Comparison& comparison) {
  std::vector<std::string> names;
  for (const Row& row : comparison.rows) {
    if (names.empty() || names.back() != rule_of(row)) names.push_back(rule_of(row));
  }
  return names;
}

// Nothing unless the budget is met under every profile.
std::optional<Range> range(const Comparison& comparison, const std::string& rule,
                           std::size_t budget) {
  std::optional<Range> all;
  for (const Row& row : comparison.rows) {
    if (rule_of(row) != rule) continue;
    const std::optional<Outcome>& outcome = row.outcomes[budget];
    if (!outcome) return std::nullopt;
    const double cost = outcome->recomputed_cost;
    all = all ? Range{std::min(all->low, cost), std::max(all->high, cost)} : Range{cost, cost};
  }
  return all;
}

std::string cell(const Comparison& comparison, const std::string& rule, std::size_t budget) {
  const std::optional<Range> found = range(comparison, rule, budget);
  if (!found) return "-";
  const std::string low = passes(found->low, comparison);
  const std::string high = passes(found->high, comparison);
  return low == high ? low : low + " to " + high;
}

std::string budget_name(const Comparison& comparison, const Budget& budget) {
  const double share =
      100 * static_cast<double>(budget.bytes) / static_cast<double>(comparison.most);
  std::string name = format(budget.name.empty() ? "%.0f %%" : "%.2f %%", share);
  if (!budget.name.empty()) name += " (" + budget.name + ")";
  return name;
}

// Known where a policy that proves one met the budget.
std::string bound(const Comparison& comparison, std::size_t budget) {
  std::optional<double> most;
  for (const Row& row : comparison.rows) {
    if (row.family != Family::cut || !row.outcomes[budget]) continue;
    most = std::max(most.value_or(0), row.outcomes[budget]->lower_bound_cost);
  }
  return most ? passes(*most, comparison) : "-";
}

/// What a range is as a share of `theirs`: "0.62 to 0.65".
std::string share(const std::optional<Range>& range, const std::optional<Range>& theirs) {
  if (!range) return "not met";
  if (!theirs) return "they fail";
  if (theirs->low <= 0) return range->high <= 0 ? "both 0" : "they 0";
  const auto text = [&](double cost) {
    const double of_theirs = cost / theirs->low;
    return format(of_theirs < 10 ? "%.2f" : "%.0f", of_theirs);
  };
  const std::string low = text(range->low);
  const std::string high = text(range->high);
  return low == high ? low : low + " to " + high;
}

void print_header(const std::vector<std::string>& columns) {
  for (const std::string& column : columns) std::printf("| %s ", column.c_str());
  std::printf("|\n|---");
  for (std::size_t i = 1; i < columns.size(); ++i) std::printf("|---:");
  std::printf("|\n");
}

void print_row(const std::vector<std::string>& cells) {
  for (const std::string& text : cells) std::printf("| %s ", text.c_str());
  std::printf("|\n");
}

// The rules that see the whole program, or its layers.
const std::vector<std::string>& ours() {
  static const std::vector<std::string> names{"gradient", "gradient order", "optimal", "min-cut",
                                              "search"};
  return names;
}

void print_shares_header(const std::string& first) {
  std::vector<std::string> header{first};
  header.insert(header.end(), ours().begin(), ours().end());
  print_header(header);
}

void print_shares(const Comparison& comparison, std::size_t budget,
                  const std::optional<Range>& theirs) {
  std::vector<std::string> cells{budget_name(comparison, comparison.budgets[budget])};
  for (const std::string& rule : ours()) {
    cells.push_back(share(range(comparison, rule, budget), theirs));
  }
  print_row(cells);
}

std::optional<Range> best_online(const Comparison& comparison, std::size_t budget) {
  std::optional<Range> best;
  for (const Row& row : comparison.rows) {
    if (row.family != Family::online || !row.outcomes[budget]) continue;
    const double cost = row.outcomes[budget]->recomputed_cost;
    if (!best || cost < best->low) best = {cost, cost};
  }
  return best;
}

bool is_step(const Budget& budget) { return budget.name.empty(); }

std::string stage_gibibytes(const Transformer& model, Sharding sharding, Kept kept) {
  return format("%.1f", first_stage_bytes(model, sharding, kept) / 0x1p30);
}

reprise::ParetoSeries series(const Comparison& comparison, const Row& row) {
  constexpr double most_overhead = 1.6;
  reprise::ParetoSeries one{.name = row.name};
  bool is_cut = false;
  for (const std::optional<Outcome>& outcome : row.outcomes) {
    if (!outcome) continue;
    const double overhead = 1 + outcome->recomputed_cost / comparison.model_cost;
    if (overhead <= most_overhead) {
      one.points.push_back({outcome->peak_bytes, overhead});
    } else {
      is_cut = true;
    }
  }
  if (is_cut) one.note = "more above 1.6";
  return one;
}

}  // namespace

void print_formulas() {
  std::printf(
      "Bytes on one of t tensor-parallel ranks, by the formulas of arXiv:2205.05198; SP: with\n"
      "sequence parallelism.\n\n");
  print_header({"model", "parameters, 10⁹", "a layer, MiB: SP", "selective, SP", "full, SP",
                "first stage, GiB: no SP", "SP", "selective, SP", "full, SP",
                "no SP / selective, SP", "selective, FLOPs of a forward"});
  for (const Transformer& model : paper_transformers) {
    const auto layer = [&](Kept kept) {
      return format("%.1f",
                    static_cast<double>(layer_bytes(model, Sharding::sequence, kept)) / 0x1p20);
    };
    print_row({std::string(model.name),
               format("%.0f", static_cast<double>(model.parameters()) / 1e9),
               layer(Kept::everything), layer(Kept::all_but_core), layer(Kept::inputs),
               stage_gibibytes(model, Sharding::tensor, Kept::everything),
               stage_gibibytes(model, Sharding::sequence, Kept::everything),
               stage_gibibytes(model, Sharding::sequence, Kept::all_but_core),
               stage_gibibytes(model, Sharding::sequence, Kept::inputs),
               format("%.1f", static_cast<double>(layer_bytes(model, Sharding::tensor)) /
                                  static_cast<double>(
                                      layer_bytes(model, Sharding::sequence, Kept::all_but_core))),
               format("%.1f %%", 100 * static_cast<double>(core_flops(model)) /
                                     static_cast<double>(layer_flops(model)))});
  }
}

void print_recomputation(const Comparison& comparison) {
  std::printf(
      "\nRecomputation in forward passes, at shares of what keeping everything takes (%s).\n"
      "\"-\": the budget is not met; online, more than the whole step is recomputed, or ten times "
      "as\n"
      "many operations as it has.\n\n",
      reprise::format_bytes(comparison.most).c_str());
  const std::vector<std::string> names = rules(comparison);
  std::vector<std::string> header{"budget"};
  header.insert(header.end(), names.begin(), names.end());
  header.emplace_back("bound");
  print_header(header);
  for (std::size_t budget = 0; budget < comparison.budgets.size(); ++budget) {
    std::vector<std::string> cells{budget_name(comparison, comparison.budgets[budget])};
    for (const std::string& rule : names) cells.push_back(cell(comparison, rule, budget));
    cells.push_back(bound(comparison, budget));
    print_row(cells);
  }
  std::printf("\nNo plan at all needs less than %s, %.2f %% of it.\n",
              reprise::format_bytes(comparison.least).c_str(),
              100 * static_cast<double>(comparison.least) / static_cast<double>(comparison.most));
}

void print_hopes(const Comparison& comparison) {
  std::printf(
      "\nThe project hoped for 0.60 to 0.70 of what DTR recomputes and for 0.50 of what static\n"
      "checkpointing does, at equal peak. From the best to the worst gradient profile; \"they "
      "0\":\n"
      "they recompute nothing that counts, and we do; \"both 0\": neither does.\n");
  std::printf("\nOf what `dtr` recomputes:\n\n");
  print_shares_header("budget");
  for (std::size_t i = 0; i < comparison.budgets.size(); ++i) {
    if (is_step(comparison.budgets[i])) print_shares(comparison, i, range(comparison, "dtr", i));
  }
  std::printf("\nOf what the best online policy recomputes, whichever that is:\n\n");
  print_shares_header("budget");
  for (std::size_t i = 0; i < comparison.budgets.size(); ++i) {
    if (is_step(comparison.budgets[i])) print_shares(comparison, i, best_online(comparison, i));
  }
  std::printf("\nOf what a fixed policy recomputes, at its own peak:\n\n");
  print_shares_header("budget");
  for (std::size_t i = 0; i < comparison.budgets.size(); ++i) {
    const std::string& fixed = comparison.budgets[i].name;
    if (!fixed.empty() && fixed != "none") {
      print_shares(comparison, i, range(comparison, fixed, i));
    }
  }
}

void print_planning_times(const Comparison& comparison) {
  std::printf("\nTime of a plan, means over all budgets:\n\n");
  print_header({"policy", "ms"});
  for (const Row& row : comparison.rows) {
    print_row({row.name, format("%.2f", 1e3 * row.seconds)});
  }
}

std::string draw_pareto(const Comparison& comparison, const Options& options) {
  std::vector<reprise::ParetoSeries> all;
  reprise::ParetoSeries fixed{.name = "full, every-4, sqrt", .note = "fixed: from left to right"};
  for (const Row& row : comparison.rows) {
    if (row.family == Family::fixed && row.name != "selective") {
      if (row.name == "none") continue;
      fixed.points.push_back(series(comparison, row).points.front());
      continue;
    }
    if (row.family == Family::gradient && row.name != "gradient, random 1") continue;
    all.push_back(series(comparison, row));
  }
  all.insert(all.begin(), std::move(fixed));
  const std::string title = std::string(options.model.name) + ", " +
                            std::to_string(options.model.layers) + " layers in a row on one of " +
                            std::to_string(options.model.tensor_ranks) + " ranks, overhead " +
                            (options.unit == CostUnit::flops ? "in FLOPs" : "in seconds on paper");
  return pareto_svg(all, {.title = title, .baseline = comparison.most});
}

}  // namespace scale
