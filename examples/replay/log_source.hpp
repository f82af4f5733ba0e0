// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The text of a log, compressed or not, piece by piece.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace replay {

/// A text that comes in pieces, so that none of it has to be held.
class LogSource {
 public:
  LogSource() = default;
  LogSource(const LogSource&) = delete;
  LogSource& operator=(const LogSource&) = delete;
  virtual ~LogSource() = default;

  /// The next piece, which is valid up to the next call; empty at the end, and from then on.
  /// @throws MalformedProgram, with the line where it ended, if an archive is truncated or damaged;
  ///   reprise::InvalidArgument if the file cannot be read.
  [[nodiscard]] virtual std::string_view next() = 0;
};

/// A text that is there already.
class LogText final : public LogSource {
 public:
  /// @param text must outlive this
  /// @param piece characters that come at once, at least 1
  explicit LogText(std::string_view text, std::size_t piece = std::string_view::npos)
      : rest_(text), piece_(piece) {}

  [[nodiscard]] std::string_view next() override {
    const std::string_view piece = rest_.substr(0, piece_);
    rest_.remove_prefix(piece.size());
    return piece;
  }

 private:
  std::string_view rest_;
  std::size_t piece_;
};

/// The text of a file, which may be a pipe; one whose name ends in .xz or .gz is unpacked. Memory
/// does not grow with the text.
/// @throws reprise::InvalidArgument if the file cannot be read.
[[nodiscard]] std::unique_ptr<LogSource> open_log(const std::string& path);

}  // namespace replay
