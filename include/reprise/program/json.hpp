// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Schedules as text. Needs nlohmann-json, which nothing else in the library does.

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <reprise/core/error.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace reprise::inline v0 {

namespace schedule_json {

inline constexpr std::uint64_t version = 1;

[[nodiscard]] inline std::string hexadecimal(std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return {digits.data(), end};
}

[[nodiscard]] constexpr const char* name_of(ActionKind kind) noexcept {
  switch (kind) {
    case ActionKind::drop:
      return "drop";
    case ActionKind::start:
      return "start";
    case ActionKind::await:
      return "await";
    case ActionKind::run:
      break;
  }
  return "run";
}

[[noreturn]] inline void refuse(const std::string& why) {
  throw CorruptState("not a schedule of this program: " + why);
}

[[nodiscard]] inline Action read_action(const nlohmann::json& entry, std::size_t position) {
  const auto refuse_action = [&] {
    refuse(
        "action " + std::to_string(position) +
        R"( is none of ["run", n], ["run", n, "skips_output"], ["run", n, "restores_original"], ["drop", n], ["start", n], )"
        R"(["await", n])");
  };
  if (!entry.is_array() || entry.size() < 2 || entry.size() > 3 || !entry[1].is_number_unsigned() ||
      entry[1].get<std::uint64_t>() > std::numeric_limits<std::uint32_t>::max()) {
    refuse_action();
  }
  const auto index = entry[1].get<std::uint32_t>();
  if (entry[0] == "drop" && entry.size() == 2) return Action::drop(index);
  if (entry[0] == "start" && entry.size() == 2) return Action::start(index);
  if (entry[0] == "await" && entry.size() == 2) return Action::await(index);
  if (entry[0] == "run" && entry.size() == 3 && entry[2] == "restores_original") {
    return Action::restore(index);
  }
  const bool skips_output = entry.size() == 3;
  if (entry[0] != "run" || (skips_output && entry[2] != "skips_output")) refuse_action();
  return Action::run(index, skips_output);
}

}  // namespace schedule_json

/// One JSON object with the version, the program's fingerprint and the actions.
[[nodiscard]] inline std::string schedule_to_json(const Program& program,
                                                  const Schedule& schedule) {
  nlohmann::json actions = nlohmann::json::array();
  for (const Action& action : schedule.actions) {
    auto entry = nlohmann::json::array({schedule_json::name_of(action.kind), action.index});
    if (action.skips_output) entry.push_back("skips_output");
    if (action.restores_original) entry.push_back("restores_original");
    actions.push_back(std::move(entry));
  }
  return nlohmann::json{{"reprise_schedule", schedule_json::version},
                        {"program", schedule_json::hexadecimal(program.fingerprint())},
                        {"actions", std::move(actions)}}
      .dump();
}

/// The schedule that `schedule_to_json` wrote; it is played once, so that what comes back is valid.
/// @throws CorruptState if the text is truncated or corrupted, of an unknown version, of another
///   program, or its schedule is not valid.
[[nodiscard]] inline Schedule schedule_from_json(std::string_view text, const Program& program) {
  const auto root = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!root.is_object()) schedule_json::refuse("the text is truncated or corrupted");
  const auto version = root.find("reprise_schedule");
  if (version == root.end()) schedule_json::refuse("it has no \"reprise_schedule\" version");
  if (!version->is_number_unsigned() || *version != schedule_json::version) {
    schedule_json::refuse("its version is not " + std::to_string(schedule_json::version));
  }
  const auto fingerprint = root.find("program");
  if (fingerprint == root.end() ||
      *fingerprint != schedule_json::hexadecimal(program.fingerprint())) {
    schedule_json::refuse("it is of another program than " +
                          schedule_json::hexadecimal(program.fingerprint()));
  }
  const auto actions = root.find("actions");
  if (actions == root.end() || !actions->is_array()) {
    schedule_json::refuse("it has no list of actions");
  }
  Schedule schedule;
  schedule.actions.reserve(actions->size());
  for (const auto& entry : *actions) {
    schedule.actions.push_back(schedule_json::read_action(entry, schedule.actions.size()));
  }
  try {
    static_cast<void>(simulate(program, schedule));
  } catch (const Error& invalid) {
    schedule_json::refuse(invalid.what());
  }
  return schedule;
}

}  // namespace reprise::inline v0
