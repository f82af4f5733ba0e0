// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "log_lines.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>
#include <utility>

#include "malformed_program.hpp"

namespace replay {

LogLine::LogLine(const std::string& file, std::size_t number, std::string_view text)
    : file_(&file),
      number_(number),
      object_(nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false)) {
  if (object_.is_discarded()) refuse("malformed JSON");
  if (!object_.is_object()) refuse("not a JSON object");
  instruction_ = this->text("INSTRUCTION");
}

std::string LogLine::text(const char* name) const {
  const nlohmann::json& value = field(name);
  if (!value.is_string()) refuse(std::string(name) + " is not a text");
  return value.get<std::string>();
}

std::vector<std::string> LogLine::texts(const char* name) const {
  std::vector<std::string> texts;
  for (const nlohmann::json& value : list(name)) {
    if (!value.is_string()) refuse(std::string(name) + " is not a list of names");
    texts.push_back(value.get<std::string>());
  }
  return texts;
}

std::int64_t LogLine::integer(const char* name) const { return integer_of(field(name), name); }

std::vector<std::int64_t> LogLine::integers(const char* name) const {
  std::vector<std::int64_t> integers;
  for (const nlohmann::json& value : list(name)) integers.push_back(integer_of(value, name));
  return integers;
}

std::uint64_t LogLine::size(const char* name) const {
  const std::int64_t number = integer(name);
  if (number < 0) refuse(std::string(name) + " is negative: " + std::to_string(number));
  return static_cast<std::uint64_t>(number);
}

void LogLine::refuse(const std::string& what) const {
  throw MalformedProgram(*file_, number_, what);
}

const nlohmann::json& LogLine::field(const char* name) const {
  const auto found = object_.find(name);
  if (found == object_.end()) {
    refuse((instruction_.empty() ? "a line" : instruction_) + " without " + name);
  }
  return *found;
}

const nlohmann::json& LogLine::list(const char* name) const {
  const nlohmann::json& value = field(name);
  if (!value.is_array()) refuse(std::string(name) + " is not a list");
  return value;
}

std::int64_t LogLine::integer_of(const nlohmann::json& value, const char* name) const {
  if (value.is_number_unsigned() &&
      value.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max()) {
    return value.get<std::int64_t>();
  }
  if (value.is_number_integer() && !value.is_number_unsigned()) return value.get<std::int64_t>();
  if (value.is_string()) {
    const auto& digits = value.get_ref<const std::string&>();
    std::int64_t number = 0;
    const char* const end = digits.data() + digits.size();
    const auto [rest, error] = std::from_chars(digits.data(), end, number);
    if (error == std::errc{} && rest == end) return number;
  }
  refuse(std::string(name) + " is not a whole number: " +
         value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
}

void LogLines::skip_to_start() {
  while (const std::optional<std::string_view> text = next_text()) {
    const auto object = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
    if (object.is_object() && object.value("INSTRUCTION", nlohmann::json()) == "ANNOTATE" &&
        object.value("ANNOTATION", nlohmann::json()) == "START") {
      return;
    }
  }
  throw MalformedProgram(*file_, number_ == 0 ? 1 : number_,
                         "it ends without an ANNOTATE START, so it is no recorded program");
}

std::optional<LogLine> LogLines::next() {
  const std::optional<std::string_view> text = next_text();
  if (!text) return std::nullopt;
  return LogLine(*file_, number_, *text);
}

LogLine LogLines::expect(const char* instruction, const std::string& name) {
  const std::string wanted = std::string(instruction) + " of " + name;
  std::optional<LogLine> line = next();
  if (!line) {
    throw MalformedProgram(*file_, number_, "it ends inside a record: " + wanted + " is missing");
  }
  if (line->instruction() != instruction || line->text("NAME") != name) {
    line->refuse("a record is cut: here should be " + wanted + ", not " + line->instruction());
  }
  return std::move(*line);
}

std::optional<std::string_view> LogLines::next_text() {
  while (!rest_.empty()) {
    const std::string_view line = rest_.substr(0, rest_.find('\n'));
    rest_.remove_prefix(std::min(rest_.size(), line.size() + 1));
    ++number_;
    if (line.find_first_not_of(" \t\r") != std::string_view::npos) return line;
  }
  return std::nullopt;
}

}  // namespace replay
