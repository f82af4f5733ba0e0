// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

#include "recorded_program.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <reprise/program/ledger.hpp>
#include <reprise/program/schedule.hpp>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "log_lines.hpp"
#include "log_source.hpp"
#include "malformed_program.hpp"

namespace replay {
namespace {

using reprise::byte_count;
using reprise::Operation;
using reprise::operation_id;
using reprise::Value;
using reprise::value_id;

/// Sums are exact in a double up to here.
constexpr std::uint64_t largest_sum = std::uint64_t{1} << 53U;

/// Follows a log's names and writes down the program that they stand for.
class Recorder {
 public:
  explicit Recorder(LogLines& lines) : lines_(&lines) {}

  void add(const LogLine& line) {
    const std::string_view instruction = line.instruction();
    if (instruction == "CALL") return call(line);
    if (instruction == "RELEASE") return release(line);
    if (instruction == "COPY") return copy(line);
    if (instruction == "COPY_FROM") return copy_from(line);
    if (instruction == "CONSTANT") return constant(line);
    if (instruction == "MUTATE") return mutate(line);
    if (instruction == "ANNOTATE") return;
    if (instruction == "MEMORY" || instruction == "ALIAS") {
      line.refuse(std::string(instruction) + " that follows no CONSTANT or CALL");
    }
    line.refuse("unknown INSTRUCTION " + std::string(instruction));
  }

  [[nodiscard]] RecordedProgram finish() && {
    std::vector<value_id> results = results_of_program();
    return {
        .program = reprise::Program(std::move(values_), std::move(operations_),
                                    reprise::Program::no_operation, 1, true, std::move(results)),
        .names = std::move(value_names_),
        .operators = std::move(operators_),
        .events = std::move(events_)};
  }

 private:
  using EventKind = RecordedEvent::Kind;

  struct Meaning {
    value_id value;
    bool is_released = false;
  };

  /// So that names are looked up as the line holds them.
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept {
      return std::hash<std::string_view>{}(name);
    }
  };
  using Names = std::unordered_map<std::string, Meaning, Hash, std::equal_to<>>;
  using Name = Names::value_type;  ///< stays where it is

  /// What comes into being while the program runs takes no bytes before.
  void constant(const LogLine& line) {
    const std::string_view name = line.text("NAME");
    lines_->expect(memory_, "MEMORY", name);
    const byte_count bytes = checked_sum(memory_, "MEMORY", memory_.size("MEMORY"), bytes_);
    const value_id value =
        operations_.empty()
            ? make(name,
                   {.kind = reprise::ValueKind::constant, .port = constants_++, .bytes = bytes})
            : make_late_constant(name, bytes);
    events_.push_back({EventKind::constant, value});
    define(line, name, value);
  }

  [[nodiscard]] value_id make_late_constant(std::string_view name, byte_count bytes) {
    const auto op = static_cast<operation_id>(operations_.size());
    operations_.push_back({.node = op});
    operators_.emplace_back("constant");
    return write(op, name, {.node = op, .bytes = bytes, .stays = true});
  }

  void call(const LogLine& line) {
    const operation_id op = start_operation(line, line.text("NAME"));
    const LogLine::List results = line.texts("RESULT");
    for (std::uint32_t port = 0; port < results.size(); ++port) {
      const std::string_view name = results.text(port);
      lines_->expect(memory_, "MEMORY", name);
      const byte_count bytes = memory_.size("MEMORY");
      lines_->expect(alias_, "ALIAS", name);
      Value value{.node = op, .port = port, .view_of = source_of(alias_, op)};
      if (!value.view_of) value.bytes = checked_sum(memory_, "MEMORY", bytes, bytes_);
      define(alias_, name, write(op, name, value));
    }
  }

  void mutate(const LogLine& line) {
    const operation_id op = start_operation(line, line.text("NAME"));
    const LogLine::List arguments = line.texts("ARGS");
    const std::vector<value_id> reads = operations_[op].reads;
    std::uint32_t port = 0;
    const LogLine::List indices = line.integers("MUTATE");
    for (std::size_t k = 0; k < indices.size(); ++k) {
      const std::int64_t index = indices.integer(k);
      if (index < 0 || static_cast<std::size_t>(index) >= arguments.size()) {
        line.refuse("MUTATE names argument " + std::to_string(index) + " of " +
                    std::to_string(arguments.size()));
      }
      const auto i = static_cast<std::size_t>(index);
      const byte_count bytes = values_[storages_[reads[i]]].bytes;
      point(
          use(line, arguments.text(i)),
          write(op, arguments.text(i),
                {.node = op, .port = port++, .bytes = checked_sum(line, "MUTATE", bytes, bytes_)}));
    }
  }

  void copy(const LogLine& line) {
    const value_id source = use(line, line.text("SRC")).second.value;
    define(line, line.text("DST"), source);
  }

  void copy_from(const LogLine& line) {
    const value_id source = use(line, line.text("SRC")).second.value;
    point(use(line, line.text("DST")), source);
  }

  void release(const LogLine& line) {
    const std::string_view name = line.text("NAME");
    if (!names_.contains(name)) return;
    Meaning& meaning = use(line, name).second;
    meaning.is_released = true;
    drop_reference(meaning.value);
  }

  [[nodiscard]] operation_id start_operation(const LogLine& line, std::string_view name) {
    Operation operation{
        .cost = static_cast<double>(checked_sum(line, "TIME", line.size("TIME"), compute_)),
        .repeatable = true};
    const LogLine::List arguments = line.texts("ARGS");
    operation.reads.reserve(arguments.size());
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      operation.reads.push_back(use(line, arguments.text(i)).second.value);
    }
    const auto op = static_cast<operation_id>(operations_.size());
    operation.node = op;
    operations_.push_back(std::move(operation));
    operators_.emplace_back(name);
    events_.push_back({EventKind::run, op});
    return op;
  }

  [[nodiscard]] std::optional<value_id> source_of(const LogLine& alias, operation_id op) const {
    const std::vector<value_id>& arguments = operations_[op].reads;
    const std::int64_t index = alias.integer("ALIAS");
    if (index == -1) return std::nullopt;
    if (index < 0 || static_cast<std::size_t>(index) >= arguments.size()) {
      alias.refuse("ALIAS names argument " + std::to_string(index) + " of " +
                   std::to_string(arguments.size()));
    }
    return arguments[static_cast<std::size_t>(index)];
  }

  [[nodiscard]] value_id write(operation_id op, std::string_view name, const Value& value) {
    const value_id made = make(name, value);
    operations_[op].writes.push_back(made);
    return made;
  }

  [[nodiscard]] value_id make(std::string_view name, const Value& value) {
    const auto id = static_cast<value_id>(values_.size());
    values_.push_back(value);
    value_names_.emplace_back(name);
    references_.push_back(0);
    storages_.push_back(value.view_of ? storages_[*value.view_of] : id);
    return id;
  }

  void define(const LogLine& line, std::string_view name, value_id value) {
    const auto [place, is_new] = names_.try_emplace(std::string(name), Meaning{.value = value});
    if (!is_new) line.refuse(place->first + " is defined a second time");
    ++references_[value];
    order_.push_back(&place->second);
  }

  /// The name means another value from now on.
  void point(Name& name, value_id value) {
    const value_id before = std::exchange(name.second.value, value);
    ++references_[value];
    drop_reference(before);
  }

  [[nodiscard]] Name& use(const LogLine& line, std::string_view name) {
    const auto found = names_.find(name);
    if (found == names_.end()) line.refuse(std::string(name) + " is not defined");
    if (found->second.is_released) line.refuse(found->first + " was released before");
    return *found;
  }

  void drop_reference(value_id value) {
    if (--references_[value] > 0) return;
    events_.push_back({EventKind::release, value});
    if (!is_constant(value)) operations_.back().releases.push_back(value);
  }

  [[nodiscard]] bool is_constant(value_id value) const {
    return values_[value].kind == reprise::ValueKind::constant || values_[value].stays;
  }

  /// A name that was released still holds its place in the order.
  [[nodiscard]] std::vector<value_id> results_of_program() const {
    std::vector<value_id> results;
    std::vector<std::uint8_t> is_listed(values_.size(), 0);
    for (const Meaning* const name : order_) {
      const value_id value = name->value;
      if (references_[value] == 0 || is_constant(value)) continue;
      if (std::exchange(is_listed[value], std::uint8_t{1}) == 0) results.push_back(value);
    }
    return results;
  }

  /// The addend, once it is in the sum.
  static std::uint64_t checked_sum(const LogLine& line, const char* field, std::uint64_t addend,
                                   std::uint64_t& sum) {
    if (addend > largest_sum - sum) {
      line.refuse("with this " + std::string(field) + " the sum passes " +
                  std::to_string(largest_sum));
    }
    sum += addend;
    return addend;
  }

  LogLines* lines_;
  // What follows a line in its record.
  LogLine memory_;
  LogLine alias_;
  Names names_;
  std::vector<const Meaning*> order_;  ///< names as they were first defined
  std::vector<Value> values_;
  std::vector<std::string> value_names_;
  std::vector<std::uint32_t> references_;  ///< of each value: names that mean it
  std::vector<value_id> storages_;         ///< of each value: the one whose bytes it shares
  std::vector<Operation> operations_;
  std::vector<std::string> operators_;
  std::vector<RecordedEvent> events_;
  std::uint32_t constants_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t compute_ = 0;
};

/// The same program where constants too are made by operations, so that they can be freed.
reprise::Program with_made_constants(const RecordedProgram& recorded) {
  std::vector<Value> values(recorded.program.values().begin(), recorded.program.values().end());
  std::vector<Operation> operations;
  for (const RecordedEvent& event : recorded.events) {
    switch (event.kind) {
      case RecordedEvent::Kind::constant:
        values[event.index].kind = reprise::ValueKind::output;
        values[event.index].stays = false;
        operations.push_back({.writes = {event.index}});
        break;
      case RecordedEvent::Kind::run:
        operations.push_back(recorded.program.operations()[event.index]);
        operations.back().releases.clear();
        break;
      case RecordedEvent::Kind::release:
        operations.back().releases.push_back(event.index);
        break;
    }
  }
  return {std::move(values), std::move(operations), reprise::Program::no_operation, 1, true};
}

}  // namespace

RecordedProgram parse_recorded_program(const std::string& file, LogSource& source) {
  LogLines lines(file, source);
  lines.skip_to_start();
  Recorder recorder(lines);
  LogLine line;
  while (lines.next(line)) recorder.add(line);
  return std::move(recorder).finish();
}

RecordedProgram read_recorded_program(const std::string& path) {
  const std::unique_ptr<LogSource> source = open_log(path);
  try {
    return parse_recorded_program(path, *source);
  } catch (const MalformedProgram&) {
    // What a damaged archive holds is malformed because of that, which its end may tell.
    while (!source->next().empty()) {
    }
    throw;
  }
}

byte_count baseline_bytes(const RecordedProgram& recorded) {
  const reprise::Program program = with_made_constants(recorded);
  reprise::Ledger ledger(program);
  for (operation_id op = 0; op < program.operations().size(); ++op) {
    ledger.apply(reprise::Action::run(op));
    for (const value_id released : program.operations()[op].releases) {
      ledger.apply(reprise::Action::drop(released));
    }
  }
  return ledger.peak_bytes();
}

double baseline_compute(const RecordedProgram& recorded) { return recorded.program.forward_cost(); }

}  // namespace replay
