// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/report/pareto_svg.hpp>
#include <string>

#include "output_file.hpp"

namespace gpt {
namespace {

const char* name_of(reprise::Exactness exactness) {
  if (exactness == reprise::Exactness::exact) return "exact";
  return exactness == reprise::Exactness::unbiased ? "unbiased" : "biased";
}

/// Codes are not meant to be exact: of these, what gradients are.
const char* exactness_of(const Result& result) {
  if (result.exactness != reprise::Exactness::exact) return name_of(result.exactness);
  if (!result.exact) return "-";
  return *result.exact ? "yes" : "NO";
}

/// Whether a driver counted too, which takes a column.
bool has_device_peaks(const std::vector<Result>& results) {
  return std::ranges::any_of(
      results, [](const Result& result) { return result.device_peak_bytes.has_value(); });
}

std::string device_peak_of(const Result& result) {
  return result.device_peak_bytes ? reprise::format_bytes(*result.device_peak_bytes) : "-";
}

/// "1.132 1.105..1.160": the median and the quartiles.
std::string text_of(const std::optional<Spread>& overhead) {
  if (!overhead) return "-";
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.3f %.3f..%.3f", overhead->median,
                overhead->lower_quartile, overhead->upper_quartile);
  return text.data();
}

std::string text_of(const std::optional<double>& number, const char* format) {
  if (!number) return "-";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), format, *number);
  return text.data();
}

/// In milliseconds; empty where costs are FLOPs.
std::optional<double> milliseconds(const Result& result, double cost) {
  return result.cost_is_flops ? std::nullopt : std::optional(1e3 * cost);
}

void print_line(const Result& result, bool with_device) {
  const std::optional<double> bound =
      result.bound_cost > 0 ? milliseconds(result, result.bound_cost) : std::nullopt;
  std::printf("%-13s %11s%c %11s ", std::string(result.policy).c_str(),
              reprise::format_bytes(result.peak_activation_bytes).c_str(),
              result.is_within_budget ? ' ' : '*',
              reprise::format_bytes(result.predicted_peak_bytes).c_str());
  if (with_device) std::printf("%12s ", device_peak_of(result).c_str());
  std::printf("%9.4f %18s %9s %9s %9s %9.3f %11.6f %9s\n", result.seconds_per_step,
              text_of(result.overhead).c_str(), text_of(result.predicted_overhead, "%.3f").c_str(),
              text_of(milliseconds(result, result.recomputed_cost), "%.3f").c_str(),
              text_of(bound, "%.3f").c_str(), result.recomputed_flops_per_step / 1e9,
              static_cast<double>(result.val_loss), exactness_of(result));
}

nlohmann::json json_of(const Spread& spread) {
  return {{"lower_quartile", spread.lower_quartile},
          {"median", spread.median},
          {"upper_quartile", spread.upper_quartile}};
}

/// Null where it is not known.
nlohmann::json known(bool is_known, double number) {
  return is_known ? nlohmann::json(number) : nlohmann::json(nullptr);
}

nlohmann::json json_of(const Result& result, const Options& options) {
  nlohmann::json object{
      {"policy", result.policy},
      {"peak_activation_bytes", result.peak_activation_bytes},
      {"predicted_peak_bytes", result.predicted_peak_bytes},
      {"reserved_bytes", result.reserved_bytes},
      {"device_peak_bytes", nullptr},
      {"budget_bytes", nullptr},
      {"within_budget", result.is_within_budget},
      {"seconds_per_step", result.seconds_per_step},
      {"overhead", nullptr},
      {"predicted_overhead", nullptr},
      {"recomputed_seconds", known(!result.cost_is_flops, result.recomputed_cost)},
      {"bound_seconds", known(!result.cost_is_flops && result.bound_cost > 0, result.bound_cost)},
      {"nodes_seconds", known(!result.cost_is_flops, result.store_all_cost)},
      {"seconds", result.seconds},
      {"costs", result.cost_is_flops ? "flops" : "seconds"},
      {"recomputed_flops_per_step", result.recomputed_flops_per_step},
      {"forward_flops_per_step", result.forward_flops_per_step},
      {"bound_flops", known(result.cost_is_flops && result.bound_cost > 0, result.bound_cost)},
      {"plan_seconds", nullptr},
      {"train_loss", result.losses.back()},
      {"train_losses", result.losses},
      {"recomputed_flops", result.recomputed_flops},
      {"val_loss", result.val_loss},
      {"verified", result.is_verified},
      {"exact", nullptr},
      {"gradients", name_of(result.exactness)},
      {"seed", options.seed},
      {"threads", options.threads},
      {"device", options.device == DeviceKind::cuda ? "cuda" : "cpu"},
      {"precision", gpt::name_of(options.precision)},
  };
  if (result.device_peak_bytes) object["device_peak_bytes"] = *result.device_peak_bytes;
  if (result.overhead) object["overhead"] = json_of(*result.overhead);
  if (result.predicted_overhead) object["predicted_overhead"] = *result.predicted_overhead;
  if (result.plan_seconds) object["plan_seconds"] = *result.plan_seconds;
  if (result.budget_bytes) object["budget_bytes"] = *result.budget_bytes;
  if (result.exact) object["exact"] = *result.exact;
  return object;
}

}  // namespace

void print_table(const std::vector<Result>& results, reprise::byte_count budget) {
  const bool with_device = has_device_peaks(results);
  std::printf("\n%-13s %12s %11s ", "policy", "peak ", "predicted");
  if (with_device) std::printf("%12s ", "driver's");
  std::printf("%9s %18s %9s %9s %9s %9s %11s %9s\n", "seconds", "of store-all's, ", "predicted",
              "recompute", "bound", "GFLOP", "validation", "identical");
  std::printf("%-13s %12s %11s ", "", "activations ", "peak");
  if (with_device) std::printf("%12s ", "peak");
  std::printf("%9s %18s %9s %9s %9s %9s %11s %9s\n", "a step", "median, quartiles", "", "ms/step",
              "ms/step", "recompute", "loss", "losses");
  for (const Result& result : results) print_line(result, with_device);
  if (budget == reprise::unlimited_bytes) return;
  std::printf("\nbudget: %s (%llu bytes)", reprise::format_bytes(budget).c_str(),
              static_cast<unsigned long long>(budget));
  const auto is_over = [](const Result& result) { return !result.is_within_budget; };
  if (std::ranges::any_of(results, is_over)) std::printf("; * passes it, and ran without one");
  std::printf("\n");
}

void write_json(const std::string& path, const std::vector<Result>& results,
                const Options& options) {
  nlohmann::json list = nlohmann::json::array();
  for (const Result& result : results) list.push_back(json_of(result, options));
  example::write_output_file(path, list.dump(2) + "\n");
}

void write_pareto(const std::string& path, const std::vector<Result>& results) {
  const Result& reference = results.front();
  std::vector<reprise::ParetoSeries> series;
  for (const Result& result : results) {
    auto one = std::ranges::find(series, result.policy, &reprise::ParetoSeries::name);
    if (one == series.end()) {
      one = series.insert(one, {.name = std::string(result.policy)});
    }
    one->points.push_back(
        {result.peak_activation_bytes, result.overhead ? result.overhead->median : 1});
  }
  example::write_output_file(path,
                             pareto_svg(series, {.title = "A GPT's step under each policy",
                                                 .baseline = reference.peak_activation_bytes}));
}

}  // namespace gpt
