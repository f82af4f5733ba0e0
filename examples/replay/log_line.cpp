// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "log_line.hpp"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <system_error>

#include "malformed_program.hpp"

namespace replay {
namespace {

std::string quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

}  // namespace

std::string_view LogLine::text(std::string_view name) const {
  const Field& found = field(name);
  if (found.is_list || kinds_[found.begin] != Kind::text) {
    refuse(std::string(name) + " is not a text");
  }
  return item(found.begin);
}

LogLine::List LogLine::texts(std::string_view name) const {
  const Field& found = list(name);
  for (std::size_t i = found.begin; i < found.end; ++i) {
    if (kinds_[i] != Kind::text) refuse(std::string(name) + " is not a list of names");
  }
  return {*this, found, name};
}

std::int64_t LogLine::integer(std::string_view name) const {
  const Field& found = field(name);
  if (found.is_list) refuse(std::string(name) + " is not a whole number: [...]");
  return integer_of(found.begin, name);
}

LogLine::List LogLine::integers(std::string_view name) const {
  const Field& found = list(name);
  for (std::size_t i = found.begin; i < found.end; ++i) static_cast<void>(integer_of(i, name));
  return {*this, found, name};
}

std::uint64_t LogLine::size(std::string_view name) const {
  const std::int64_t number = integer(name);
  if (number < 0) refuse(std::string(name) + " is negative: " + std::to_string(number));
  return static_cast<std::uint64_t>(number);
}

bool LogLine::says(std::string_view name, std::string_view text) const {
  const auto place = std::ranges::find(log_fields, name) - log_fields.begin();
  const Field& found = fields_.at(static_cast<std::size_t>(place));
  return found.is_there && !found.is_list && kinds_[found.begin] == Kind::text &&
         item(found.begin) == text;
}

void LogLine::refuse(const std::string& what) const {
  throw MalformedProgram(*file_, number_, what);
}

const LogLine::Field& LogLine::field(std::string_view name) const {
  const auto place = std::ranges::find(log_fields, name) - log_fields.begin();
  const Field& found = fields_.at(static_cast<std::size_t>(place));
  if (found.is_there) return found;
  const std::string of(name == "INSTRUCTION" ? "a line" : instruction());
  refuse(of + " without " + std::string(name));
}

const LogLine::Field& LogLine::list(std::string_view name) const {
  const Field& found = field(name);
  if (!found.is_list) refuse(std::string(name) + " is not a list");
  return found;
}

std::string_view LogLine::item(std::size_t index) const {
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
  return std::string_view(characters_).substr(begin, ends_[index] - begin);
}

std::int64_t LogLine::integer_of(std::size_t index, std::string_view name) const {
  const std::string_view digits = item(index);
  std::int64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, number);
  if (kinds_[index] != Kind::other && error == std::errc{} && rest == end) return number;
  refuse(std::string(name) + " is not a whole number: " +
         (kinds_[index] == Kind::text ? quoted(digits) : std::string(digits)));
}

std::string_view LogLine::List::text(std::size_t index) const {
  return line_->item(begin_ + index);
}

std::int64_t LogLine::List::integer(std::size_t index) const {
  return line_->integer_of(begin_ + index, name_);
}

}  // namespace replay
