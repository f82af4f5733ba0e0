// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Who is where in time.

#include <cstdint>
#include <limits>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/arena/piece.hpp>
#include <reprise/program/arena_block.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::arena {

/// What an operation that adds in place makes of a gradient is what it adds to zeros.
[[nodiscard]] inline bool starts_with_zeros(const Operation& operation,
                                            const Value& written) noexcept {
  return operation.adds_in_place && written.kind == ValueKind::gradient && !written.view_of;
}

/// Follows a schedule and notes who is where in time.
class Lifetimes {
 public:
  Lifetimes(const Program& program, byte_count alignment)
      : program_(program),
        alignment_(alignment),
        instance_of_(program.values().size(), none),
        piece_of_(program.values().size(), none) {}

  void follow(const Schedule& schedule) {
    for (std::uint32_t i = 0; i < schedule.actions.size(); ++i) {
      const Action& action = schedule.actions[i];
      if (action.kind == ActionKind::drop) {
        release(action.index, i == 0 ? 0 : i - 1);
      } else if (action.runs()) {
        run(action, i);
      }
    }
    const auto end = static_cast<std::uint32_t>(schedule.actions.size());
    for (value_id v = 0; v < piece_of_.size(); ++v) {
      if (piece_of_[v] != none) release(v, end == 0 ? 0 : end - 1);
    }
  }

  std::vector<ArenaBlock> blocks;
  std::vector<std::uint32_t> pieces_of_blocks;
  std::vector<Piece> pieces;

 private:
  static constexpr std::uint32_t none = 0xFFFFFFFFU;

  void run(const Action& action, std::uint32_t at) {
    const Operation& op = program_.operations()[action.index];
    std::vector<std::uint32_t> taken_over;
    std::vector<std::uint32_t> nothing;
    for (const value_id consumed : op.consumes) taken_over.push_back(take(consumed, at));
    for (const value_id written : made_by(program_, action)) {
      const Value& value = program_.values()[written];
      if (action.skips_output && value.kind == ValueKind::output) continue;
      if (action.restores_original) {
        make(written, at, nothing);
      } else if (value.view_of) {
        if (piece_of_[written] == none) share(written, *value.view_of);
      } else if (piece_of_[written] != none) {
        add_scratch(written, value.bytes, at);
      } else {
        make(written, at, starts_with_zeros(op, value) ? nothing : taken_over);
      }
    }
    if (!op.adds_in_place) {
      for (const value_id part : op.accumulates) {
        add_scratch(part, program_.values()[part].bytes, at);
      }
    }
    add_scratch(ArenaBlock::no_value, op.transient_bytes, at);
  }

  // A value that is consumed leaves its bytes to an output of the same size.
  [[nodiscard]] std::uint32_t take(value_id value, std::uint32_t at) {
    const std::uint32_t piece = piece_of_[value];
    release(value, at);
    return piece != none && references_[piece] == 0 ? piece : none;
  }

  void make(value_id value, std::uint32_t at, std::vector<std::uint32_t>& taken_over) {
    const byte_count bytes = aligned(program_.values()[value].bytes);
    std::uint32_t piece = none;
    for (std::uint32_t& taken : taken_over) {
      if (taken != none && pieces[taken].bytes == bytes) {
        piece = std::exchange(taken, none);
        break;
      }
    }
    if (piece == none) piece = add_piece(bytes, at);
    references_[piece] = 1;
    piece_of_[value] = piece;
    instance_of_[value] = add_block(value, bytes, at, piece);
  }

  void share(value_id view, value_id source) {
    if (piece_of_[source] == none) return;
    piece_of_[view] = piece_of_[source];
    ++references_[piece_of_[source]];
  }

  void add_scratch(value_id value, byte_count bytes, std::uint32_t at) {
    if (bytes == 0) return;
    const std::uint32_t piece = add_piece(aligned(bytes), at);
    blocks[add_block(value, aligned(bytes), at, piece)].is_scratch = true;
  }

  void release(value_id value, std::uint32_t last) {
    const std::uint32_t piece = std::exchange(piece_of_[value], none);
    const std::uint32_t block = std::exchange(instance_of_[value], none);
    if (block != none) owner_of_[piece] = block;
    if (piece == none || --references_[piece] > 0) return;
    pieces[piece].last = last;
    blocks[owner_of_[piece]].last_action = last;
  }

  std::uint32_t add_piece(byte_count bytes, std::uint32_t at) {
    all_bytes_ += bytes;
    if (all_bytes_ > most_bytes) refuse_bytes();
    pieces.push_back({.first = at, .last = at, .bytes = bytes});
    references_.push_back(0);
    owner_of_.push_back(none);
    return static_cast<std::uint32_t>(pieces.size() - 1);
  }
  std::uint32_t add_block(value_id value, byte_count bytes, std::uint32_t at, std::uint32_t piece) {
    blocks.push_back({.value = value, .first_action = at, .last_action = at, .bytes = bytes});
    pieces_of_blocks.push_back(piece);
    return static_cast<std::uint32_t>(blocks.size() - 1);
  }
  // Bytes and alignment are 2^63 at most, and so is what they round up to.
  [[nodiscard]] byte_count aligned(byte_count bytes) const noexcept {
    return (bytes + alignment_ - 1) & ~(alignment_ - 1);
  }
  [[noreturn]] void refuse_bytes() const {
    throw InvalidArgument("the blocks of the schedule, each aligned to " +
                          std::to_string(alignment_) + " bytes, have more than " +
                          std::to_string(most_bytes) + " bytes together");
  }

  // Wherever pieces are put on top of each other, they end below this.
  static constexpr byte_count most_bytes = std::numeric_limits<std::int64_t>::max();

  const Program& program_;
  byte_count alignment_;
  byte_count all_bytes_ = 0;
  std::vector<std::uint32_t> instance_of_;  ///< value -> its block now
  std::vector<std::uint32_t> piece_of_;     ///< value -> where its bytes are now
  std::vector<std::uint32_t> references_;   ///< piece -> values that are in it
  std::vector<std::uint32_t> owner_of_;     ///< piece -> the block of the value that made it
};

}  // namespace reprise::inline v0::arena
