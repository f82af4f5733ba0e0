// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "log_lines.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>

#include "malformed_program.hpp"

namespace replay {

/// Takes what the JSON parser meets, and writes down the fields that instructions have: their
/// texts, numbers and lists of them. Whatever is nested deeper costs no memory, nor do other
/// fields.
class LogLineBuilder {
 public:
  LogLineBuilder(LogLine& line, const std::string& file, std::size_t number) : line_(line) {
    line_.file_ = &file;
    line_.number_ = number;
    line_.fields_ = {};
    line_.kinds_.clear();
    line_.ends_.clear();
    line_.characters_.clear();
  }

  [[nodiscard]] bool is_object() const noexcept { return is_object_; }
  [[nodiscard]] bool is_inside() const noexcept { return depth_ > 0; }

  // What nlohmann::json::sax_parse calls; false ends it.
  bool null() { return add(Kind::other, "null"); }
  bool boolean(bool value) { return add(Kind::other, value ? "true" : "false"); }
  bool number_integer(std::int64_t value) { return add_number(value); }
  bool number_unsigned(std::uint64_t value) { return add_number(value); }
  bool number_float(double /*value*/, const std::string& text) { return add(Kind::other, text); }
  bool string(const std::string& value) { return add(Kind::text, value); }
  bool binary(const std::vector<std::uint8_t>& /*value*/) { return false; }  // JSON has none
  bool start_object(std::size_t /*size*/) {
    if (depth_ > 0) static_cast<void>(add(Kind::other, "{...}"));
    is_object_ = true;
    ++depth_;
    return true;
  }
  bool key(const std::string& name) {
    if (depth_ != 1) return true;
    const auto found = std::ranges::find(log_fields, name);
    is_kept_ = found != log_fields.end();
    if (is_kept_) field_ = static_cast<std::size_t>(found - log_fields.begin());
    return true;
  }
  bool end_object() { return --depth_, true; }
  bool start_array(std::size_t /*size*/) {
    if (depth_ == 0) return false;
    if (depth_ == 1 && is_kept_) {
      const std::size_t begin = line_.ends_.size();
      line_.fields_[field_] = {.begin = begin, .end = begin, .is_there = true, .is_list = true};
      is_list_ = true;
    } else {
      static_cast<void>(add(Kind::other, "[...]"));
    }
    ++depth_;
    return true;
  }
  bool end_array() {
    if (--depth_ == 1) is_list_ = false;
    return true;
  }
  template <class Error>
  bool parse_error(std::size_t /*position*/, const std::string& /*token*/, const Error& /*error*/) {
    return false;
  }

 private:
  using Kind = LogLine::Kind;

  bool add_number(auto value) {
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    return add(Kind::integer, {digits.data(), static_cast<std::size_t>(end - digits.data())});
  }

  bool add(Kind kind, std::string_view text) {
    if (depth_ == 0) return false;
    if (!is_kept_ || depth_ > (is_list_ ? 2 : 1)) return true;
    if (text.size() > std::numeric_limits<std::uint32_t>::max() - line_.characters_.size()) {
      line_.refuse("it has more than 4 GiB of names");
    }
    line_.characters_ += text;
    line_.kinds_.push_back(kind);
    line_.ends_.push_back(static_cast<std::uint32_t>(line_.characters_.size()));
    const std::size_t end = line_.ends_.size();
    LogLine::Field& field = line_.fields_[field_];
    if (!is_list_) field = {.begin = end - 1, .is_there = true};
    field.end = end;
    return true;
  }

  LogLine& line_;
  std::size_t field_ = 0;  ///< its index
  bool is_kept_ = false;   ///< the field that is being read
  bool is_list_ = false;
  bool is_object_ = false;
  std::size_t depth_ = 0;
};

/// Goes over the characters of the current line; the end is one without a text.
class LogLines::Character {
 public:
  /// The line ended inside an object. The parser would say so with copies of what it read last.
  struct Cut {};

  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  Character() = default;
  Character(LogLines& lines, const LogLineBuilder& builder) : lines_(&lines), builder_(&builder) {}

  reference operator*() const { return lines_->piece_.front(); }
  Character& operator++() {
    lines_->piece_.remove_prefix(1);
    return *this;
  }
  void operator++(int) { ++*this; }
  friend bool operator==(const Character& a, const Character& b) {
    return a.is_at_end() == b.is_at_end();
  }

 private:
  [[nodiscard]] bool is_at_end() const {
    if (lines_ == nullptr) return true;
    if (!lines_->is_at_end() && lines_->piece_.front() != '\n') return false;
    if (builder_->is_inside()) throw Cut{};
    return true;
  }

  LogLines* lines_ = nullptr;
  const LogLineBuilder* builder_ = nullptr;
};

const char* LogLines::parse(LogLine& line) {
  LogLineBuilder builder(line, *file_, number_);
  bool is_whole = false;
  try {
    is_whole = nlohmann::json::sax_parse(Character(*this, builder), Character(), &builder);
  } catch (const Character::Cut&) {
  }
  skip_line();
  if (!builder.is_object()) return "not a JSON object";
  return is_whole ? nullptr : "malformed JSON";
}

void LogLines::skip_to_start() {
  LogLine line;
  while (go_to_text()) {
    if (parse(line) == nullptr && line.says("INSTRUCTION", "ANNOTATE") &&
        line.says("ANNOTATION", "START")) {
      return;
    }
  }
  throw MalformedProgram(*file_, number_ == 0 ? 1 : number_,
                         "it ends without an ANNOTATE START, so it is no recorded program");
}

bool LogLines::next(LogLine& line) {
  if (!go_to_text()) return false;
  if (const char* const fault = parse(line)) line.refuse(fault);
  static_cast<void>(line.instruction());
  return true;
}

void LogLines::expect(LogLine& line, std::string_view instruction, std::string_view name) {
  const auto wanted = [&] { return std::string(instruction) + " of " + std::string(name); };
  if (!next(line)) {
    throw MalformedProgram(*file_, number_, "it ends inside a record: " + wanted() + " is missing");
  }
  if (line.instruction() != instruction || line.text("NAME") != name) {
    line.refuse("a record is cut: here should be " + wanted() + ", not " +
                std::string(line.instruction()));
  }
}

bool LogLines::go_to_text() {
  while (!is_at_end()) {
    ++number_;
    while (!is_at_end() &&
           (piece_.front() == ' ' || piece_.front() == '\t' || piece_.front() == '\r')) {
      piece_.remove_prefix(1);
    }
    if (!is_at_end() && piece_.front() != '\n') return true;
    skip_line();
  }
  return false;
}

void LogLines::skip_line() {
  while (!is_at_end()) {
    const std::size_t end = piece_.find('\n');
    if (end != std::string_view::npos) return piece_.remove_prefix(end + 1);
    piece_ = {};
  }
}

}  // namespace replay
