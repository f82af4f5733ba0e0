// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A training program that was recorded operator by operator, read from its log.

#include <cstdint>
#include <reprise/program/program.hpp>
#include <string>
#include <vector>

#include "log_source.hpp"

namespace replay {

/// What happened next while the program was recorded.
struct RecordedEvent {
  enum class Kind : std::uint8_t {
    constant,  ///< a constant came into being
    run,       ///< an operator ran
    release,   ///< the last reference to a value went
  };

  Kind kind;
  std::uint32_t index;  ///< an operation for `run`, otherwise a value
};

/// A recorded program, what its values and operators were called, and when constants came and went.
struct RecordedProgram {
  reprise::Program program;
  std::vector<std::string> names{};      ///< of values: the first that each had
  std::vector<std::string> operators{};  ///< of operations
  std::vector<RecordedEvent> events{};   ///< in order
};

/// Reads a log (JSON lines, as the DTR paper's simulator takes them), plain, or packed with xz or
/// gzip. Costs are TIMEs; a name is a reference to a value, which is released with its last one;
/// the results are the made values that still have one at the end. A constant counts from the start
/// and stays, whenever the log has it. Linear in the log; beside the program, memory is a small
/// multiple of the longest line.
/// @throws MalformedProgram with the number of the line, reprise::InvalidArgument if the file
///   cannot be read.
[[nodiscard]] RecordedProgram read_recorded_program(const std::string& path);

/// As `read_recorded_program` from a source; messages call it `file`.
[[nodiscard]] RecordedProgram parse_recorded_program(const std::string& file, LogSource& source);

/// The most that was live when the program was recorded: with no budget, constants made where the
/// log makes them and freed where it releases them. What ratios of memory refer to.
[[nodiscard]] reprise::byte_count baseline_bytes(const RecordedProgram& recorded);

/// The cost of all operators, each once.
[[nodiscard]] double baseline_compute(const RecordedProgram& recorded);

}  // namespace replay
