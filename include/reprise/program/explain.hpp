// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Schedules in plain words.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <map>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <reprise/program/storages.hpp>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// What becomes of a value, in words: when it is made, dropped and recomputed. Linear in program
/// and schedule.
/// @throws InvalidArgument if the program has no such value; InvalidSchedule as `check_actions`
[[nodiscard]] inline std::string explain(const Program& program, const Schedule& schedule,
                                         value_id value) {
  if (value >= program.values().size()) {
    throw InvalidArgument("value " + std::to_string(value) + " of a program of " +
                          std::to_string(program.values().size()) + " cannot be explained");
  }
  check_actions(program, schedule);
  std::string text = program.describe(value) + " (" + format_bytes(program.values()[value].bytes) +
                     ", layer " + std::to_string(program.layer(value)) + "):";
  const auto add = [&](const std::string& part) {
    text += (text.back() == ':' ? " " : ", ") + part;
  };
  bool is_present = false;
  bool past_loss = false;
  bool crossed_loss = false;
  std::uint32_t last_run = 0;
  std::size_t made = 0;
  for (const Action& action : schedule.actions) {
    if (action.kind == ActionKind::drop) {
      if (action.index != value) continue;
      crossed_loss = crossed_loss || (past_loss && is_present && made == 1);
      is_present = false;
      add("dropped after " + program.describe_operation(last_run));
      continue;
    }
    if (!action.runs()) continue;
    last_run = action.index;
    past_loss = past_loss || action.index == program.loss();
    const Operation& op = program.operations()[action.index];
    for (const value_id consumed : op.consumes) {
      if (consumed != value) continue;
      is_present = false;
      add("consumed by " + program.describe_operation(action.index));
    }
    for (const value_id written : made_by(program, action)) {
      if (written != value || is_present) continue;
      if (action.skips_output && program.values()[value].kind == ValueKind::output) continue;
      is_present = true;
      add((made++ == 0 ? "made by " : "recomputed by ") + program.describe_operation(action.index));
    }
  }
  if (made > 1) {
    text += "; recomputed " + std::to_string(made - 1) + (made == 2 ? " time" : " times");
  } else if (crossed_loss) {
    text += "; kept from forward to backward";
  }
  return text;
}

/// How to tell of a whole schedule.
struct ExplainOptions {
  std::size_t lines = 10;  ///< of each list; more values than that are told of in groups
  /// What the engine calls its operations, one each: "relu". Without them they have numbers alone.
  std::span<const std::string> operation_names{};
};

namespace explaining {

/// What a schedule does with the values that its program, on its own, would hold at one instant.
class Account {
 public:
  Account(const Program& program, const Schedule& schedule)
      : program_(program),
        storages_(storages_of(program)),
        last_need_(program.values().size(), 0),
        made_(program.values().size()) {
    find_needs();
    instant_ = program.has_loss() ? program.loss() : fullest_instant();
    follow(schedule);
    for (value_id v = 0; v < program.values().size(); ++v) {
      if (made_[v].times > 1) {
        recomputed.push_back(v);
      } else if (made_[v].times == 1 && is_needed_across(v)) {
        (made_[v].is_late ? late : kept).push_back(v);
      }
    }
  }

  std::vector<value_id> kept{};       ///< made once, before the instant, and there until after it
  std::vector<value_id> offloaded{};  ///< forms that lie in the host's memory
  std::vector<value_id>
      late{};  ///< made once, after the instant, although the program has it before
  std::vector<value_id> recomputed{};  ///< made more than once, wherever it is needed
  double cost = 0;
  double recomputed_cost = 0;
  std::size_t reruns = 0;

  [[nodiscard]] operation_id instant() const noexcept { return instant_; }

 private:
  struct Made {
    std::uint32_t times = 0;
    bool is_late = false;
  };

  void find_needs() {
    const auto end = static_cast<operation_id>(program_.operations().size());
    for (operation_id op = 0; op < end; ++op) {
      for (const value_id read : program_.operations()[op].reads) last_need_[storages_[read]] = op;
    }
    for (const value_id result : program_.results()) last_need_[storages_[result]] = end;
    for (value_id v = 0; v < last_need_.size(); ++v) {
      if (program_.values()[v].stays) last_need_[storages_[v]] = end;
    }
  }

  // The operation during which most is live if each runs once and nothing stays in vain.
  [[nodiscard]] operation_id fullest_instant() const {
    const std::size_t end = program_.operations().size();
    // Differences modulo 2^64: what they sum up to is a number of bytes again.
    std::vector<byte_count> change(end + 2, 0);
    for (value_id v = 0; v < last_need_.size(); ++v) {
      const operation_id maker = program_.maker(v);
      if (maker == Program::no_operation || program_.values()[v].view_of) continue;
      change[maker] += program_.values()[v].bytes;
      change[std::max(maker, last_need_[v]) + std::size_t{1}] -= program_.values()[v].bytes;
    }
    byte_count live = 0;
    byte_count most = 0;
    operation_id fullest = 0;
    for (operation_id op = 0; op < end; ++op) {
      live += change[op];
      const byte_count during = live + program_.operations()[op].transient_bytes;
      if (during <= most) continue;
      most = during;
      fullest = op;
    }
    return fullest;
  }

  [[nodiscard]] bool is_needed_across(value_id value) const {
    return program_.maker(value) < instant_ && last_need_[value] > instant_;
  }

  void follow(const Schedule& schedule) {
    std::vector<std::uint8_t> is_present(program_.values().size(), 0);
    std::vector<std::uint8_t> has_run(program_.operations().size(), 0);
    for (const Action& action : schedule.actions) {
      if (action.kind == ActionKind::drop) {
        is_present[action.index] = 0;
        continue;
      }
      if (!action.runs()) continue;
      const Operation& op = program_.operations()[action.index];
      const std::uint8_t has_run_before = std::exchange(has_run[action.index], 1);
      cost += has_run_before == 0 ? op.cost : 0;
      if (has_run_before != 0) {
        recomputed_cost += op.cost;
        ++reruns;
      }
      for (const value_id written : made_by(program_, action)) {
        const Value& value = program_.values()[written];
        if (action.skips_output && value.kind == ValueKind::output) continue;
        if (value.host_bytes > 0 && has_run_before == 0) offloaded.push_back(written);
        if (std::exchange(is_present[written], 1) != 0 || value.view_of || value.bytes == 0) {
          continue;
        }
        if (made_[written].times++ == 0) made_[written].is_late = has_run[instant_] != 0;
      }
      for (const value_id consumed : op.consumes) is_present[consumed] = 0;
    }
  }

  const Program& program_;
  std::vector<value_id> storages_;
  std::vector<operation_id> last_need_;  ///< storage -> the last operation that reads it
  std::vector<Made> made_;
  operation_id instant_ = 0;
};

/// Lists of values as lines of text.
class Lines {
 public:
  Lines(const Program& program, const ExplainOptions& options)
      : program_(program), options_(options) {}

  /// Each value on a line, or each kind and size, the largest first, where there are too many.
  [[nodiscard]] std::string list(std::span<const value_id> values) const {
    std::string text;
    if (values.size() <= options_.lines) {
      for (const value_id v : values) text += one(v);
      return text;
    }
    const std::vector<Group> groups = largest_first(values);
    const std::size_t shown = groups.size() <= options_.lines ? groups.size() : options_.lines - 1;
    for (std::size_t i = 0; i < shown; ++i) text += group(groups[i]);
    return text + others(std::span(groups).subspan(shown));
  }

  /// "12 values (1.50 MiB)"
  [[nodiscard]] std::string total(std::span<const value_id> values) const {
    byte_count bytes = 0;
    for (const value_id v : values) {
      bytes += program_.values()[v].bytes + program_.values()[v].host_bytes;
    }
    return counted(values.size(), "value") + " (" + format_bytes(bytes) + ")";
  }

  [[nodiscard]] static std::string counted(std::size_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
  }

 private:
  struct Group {
    ValueKind kind{};
    std::string_view name{};
    byte_count bytes = 0;
    std::vector<value_id> values{};

    [[nodiscard]] byte_count total() const { return bytes * values.size(); }
  };

  [[nodiscard]] std::string_view name(value_id value) const {
    const operation_id op = program_.maker(value);
    return options_.operation_names.empty() ? std::string_view{} : options_.operation_names[op];
  }

  [[nodiscard]] std::vector<Group> largest_first(std::span<const value_id> values) const {
    std::map<std::tuple<byte_count, ValueKind, std::string_view>, std::size_t> found;
    std::vector<Group> groups;
    for (const value_id v : values) {
      const Value& value = program_.values()[v];
      const auto [at, is_new] =
          found.try_emplace({value.bytes, value.kind, name(v)}, groups.size());
      if (is_new) groups.push_back({.kind = value.kind, .name = name(v), .bytes = value.bytes});
      groups[at->second].values.push_back(v);
    }
    std::ranges::stable_sort(groups, std::ranges::greater{}, &Group::total);
    return groups;
  }

  [[nodiscard]] std::string one(value_id value) const {
    std::string text =
        "  " + format_bytes(program_.values()[value].bytes) + ": " + program_.describe(value);
    if (!name(value).empty()) text += ", " + std::string(name(value));
    return text + "\n";
  }

  [[nodiscard]] std::string group(const Group& group) const {
    if (group.values.size() == 1) return one(group.values.front());
    std::string text =
        "  " + format_bytes(group.total()) + ": " + counted(group.values.size(), noun(group.kind));
    if (!group.name.empty()) text += " of " + std::string(group.name);
    return text + ", " + format_bytes(group.bytes) + " each, in " + range(group.values) + "\n";
  }

  [[nodiscard]] static std::string noun(ValueKind kind) {
    switch (kind) {
      case ValueKind::saved:
        return "saved state";
      case ValueKind::gradient:
        return "gradient";
      case ValueKind::form:
        return "form";
      case ValueKind::restored:
        return "restored value";
      case ValueKind::input:
      case ValueKind::constant:
      case ValueKind::output:
        break;
    }
    return "output";
  }

  // "nodes 3 to 28"
  [[nodiscard]] std::string range(std::span<const value_id> values) const {
    const auto number = [&](value_id value) {
      const operation_id op = program_.maker(value);
      return program_.has_loss() ? program_.operations()[op].node : op;
    };
    const auto [first, last] = std::ranges::minmax(values, {}, number);
    const std::string what = program_.has_loss() ? "node" : "operation";
    if (number(first) == number(last)) return what + " " + std::to_string(number(first));
    return what + "s " + std::to_string(number(first)) + " to " + std::to_string(number(last));
  }

  [[nodiscard]] std::string others(std::span<const Group> groups) const {
    if (groups.empty()) return {};
    std::size_t count = 0;
    byte_count bytes = 0;
    for (const Group& group : groups) {
      count += group.values.size();
      bytes += group.total();
    }
    return "  " + format_bytes(bytes) + ": " + counted(count, "other") + " of " +
           counted(groups.size(), "kind") + "\n";
  }

  const Program& program_;
  const ExplainOptions& options_;
};

}  // namespace explaining

/// What a schedule keeps and what it makes again, in lines of plain words.
///
/// Kept is what the program makes before and needs after its loss, or, where it has none, the
/// operation during which most would be live, and what the schedule makes but once. Few values are
/// named one by one, many by kind and size. Linear in program and schedule, but for the sorting of
/// what is told.
/// @throws InvalidArgument if there are names, but not one for each operation; InvalidSchedule as
///   `check_actions`
[[nodiscard]] inline std::string explain(const Program& program, const Schedule& schedule,
                                         const ExplainOptions& options = {}) {
  const std::size_t names = options.operation_names.size();
  if (names != 0 && names != program.operations().size()) {
    throw InvalidArgument(std::to_string(names) + " names for " +
                          std::to_string(program.operations().size()) + " operations");
  }
  check_actions(program, schedule);
  if (program.operations().empty()) return "There is nothing to run.\n";
  const explaining::Account account(program, schedule);
  const explaining::Lines lines(program, options);
  const std::string instant =
      program.has_loss()
          ? "from forward to backward"
          : "over " + program.describe_operation(account.instant()) + ", where most would be live,";
  std::string text = "Keeps " + lines.total(account.kept) + " " + instant + " and recomputes ";
  if (account.recomputed.empty()) {
    text += "none.\n";
  } else {
    char share[32] = "";
    if (account.cost > 0) {
      std::snprintf(share, sizeof share, ", %.2f %% of all compute",
                    100 * account.recomputed_cost / account.cost);
    }
    text += lines.total(account.recomputed) + ": " + lines.counted(account.reruns, "rerun") +
            share + ".\n";
  }
  if (!account.offloaded.empty()) {
    text += "Offloads " + lines.total(account.offloaded) + " to the host's memory.\n";
  }
  if (options.lines == 0) return text;
  const auto add = [&](const char* title, std::span<const value_id> values) {
    if (!values.empty()) text += title + lines.list(values);
  };
  add("Kept:\n", account.kept);
  add("Made later than the program has it, when first needed:\n", account.late);
  add("Recomputed:\n", account.recomputed);
  return text;
}

}  // namespace reprise::inline v0
