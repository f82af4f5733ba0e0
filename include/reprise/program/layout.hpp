// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Where in one arena each value of a schedule lies.

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <reprise/program/simulate.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// A part of an arena that a value has for a while. A value that is recomputed has another one.
struct ArenaBlock {
  static constexpr value_id no_value = 0xFFFFFFFFU;  ///< an operation's own scratch memory

  value_id value = no_value;       ///< that has it
  std::uint32_t first_action = 0;  ///< the run that makes it
  std::uint32_t last_action = 0;   ///< the last action during which it is there
  byte_count bytes = 0;            ///< as aligned
  byte_count offset = 0;           ///< from the arena's start, a multiple of the alignment
  /// There during one run only: a transient, a part of a gradient, a copy of what is present.
  bool is_scratch = false;
};

/// An arena for one pass.
struct ArenaLayout {
  std::vector<ArenaBlock> blocks{};  ///< in the order in which they are made
  byte_count high_water = 0;         ///< bytes that the arena needs
  byte_count live_bytes = 0;         ///< the most that is there at once: no arena is smaller
};

/// How to lay out an arena.
struct LayoutOptions {
  byte_count alignment = 64;  ///< of offsets, in bytes; a power of 2
  double seconds = 0.05;      ///< for improvements, once a layout is there
  /// If not 0: so many improvements are tried, whatever time they take.
  std::uint64_t tries = 0;
  std::uint64_t seed = 0;  ///< of the improvements' random choices
};

namespace arena {

/// Something to place: the blocks of values that take each other's bytes over in place are one.
struct Piece {
  std::uint32_t first;
  std::uint32_t last;
  byte_count bytes;
};

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
      } else {
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
    for (const value_id consumed : op.consumes) taken_over.push_back(take(consumed, at));
    for (const value_id written : op.writes) {
      const Value& value = program_.values()[written];
      if (action.skips_output && value.kind == ValueKind::output) continue;
      if (value.view_of) {
        if (piece_of_[written] == none) share(written, *value.view_of);
      } else if (piece_of_[written] != none) {
        add_scratch(written, value.bytes, at);
      } else {
        make(written, at, taken_over);
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

/// Places pieces one after another, each where those that overlap it in time leave room.
class Packing {
 public:
  explicit Packing(std::span<const Piece> pieces) : pieces_(pieces) {
    std::uint32_t end = 0;
    for (const Piece& piece : pieces) end = std::max(end, piece.last + 1);
    width_ = end / 256 + 1;
    slots_.resize(end / width_ + 1);
    seen_.assign(pieces.size(), 0);
  }

  /// Places all in an order. About linear in pieces times those that overlap one.
  /// @param limit gives up once more is needed
  /// @returns the bytes needed
  byte_count place(std::span<const std::uint32_t> order, std::vector<byte_count>& offsets,
                   byte_count limit = unlimited_bytes) {
    for (std::vector<std::uint32_t>& slot : slots_) slot.clear();
    byte_count top = 0;
    for (const std::uint32_t p : order) {
      offsets[p] = best_fit(p, offsets);
      top = std::max(top, offsets[p] + pieces_[p].bytes);
      if (top > limit) return top;
      for (std::uint32_t s = pieces_[p].first / width_; s <= pieces_[p].last / width_; ++s) {
        slots_[s].push_back(p);
      }
    }
    return top;
  }

 private:
  // The smallest gap that is large enough; above everything, if there is none.
  byte_count best_fit(std::uint32_t p, const std::vector<byte_count>& offsets) {
    gather(p, offsets);
    byte_count best = 0;
    byte_count best_gap = unlimited_bytes;
    byte_count end = 0;
    for (const auto& [offset, bytes] : taken_) {
      if (offset > end && offset - end >= pieces_[p].bytes && offset - end < best_gap) {
        best_gap = offset - end;
        best = end;
      }
      end = std::max(end, offset + bytes);
    }
    return best_gap == unlimited_bytes ? end : best;
  }

  void gather(std::uint32_t p, const std::vector<byte_count>& offsets) {
    taken_.clear();
    ++visit_;
    const Piece& piece = pieces_[p];
    for (std::uint32_t s = piece.first / width_; s <= piece.last / width_; ++s) {
      for (const std::uint32_t other : slots_[s]) {
        if (seen_[other] == visit_) continue;
        seen_[other] = visit_;
        if (pieces_[other].first > piece.last || pieces_[other].last < piece.first) continue;
        taken_.emplace_back(offsets[other], pieces_[other].bytes);
      }
    }
    std::ranges::sort(taken_);
  }

  std::span<const Piece> pieces_;
  std::uint32_t width_ = 1;
  std::vector<std::vector<std::uint32_t>> slots_;
  std::vector<std::uint64_t> seen_;
  std::uint64_t visit_ = 0;
  std::vector<std::pair<byte_count, byte_count>> taken_;
};

/// The most bytes that are there at once. Linear, but for sorting.
[[nodiscard]] inline byte_count live_bytes(std::span<const Piece> pieces) {
  std::uint32_t end = 0;
  for (const Piece& piece : pieces) end = std::max(end, piece.last + 2);
  std::vector<std::int64_t> change(end, 0);
  for (const Piece& piece : pieces) {
    change[piece.first] += static_cast<std::int64_t>(piece.bytes);
    change[piece.last + 1] -= static_cast<std::int64_t>(piece.bytes);
  }
  std::int64_t live = 0;
  std::int64_t most = 0;
  for (const std::int64_t by : change) most = std::max(most, live += by);
  return static_cast<byte_count>(most);
}

/// Looks for an order in which the pieces need little.
class OrderSearch {
 public:
  OrderSearch(std::span<const Piece> pieces, const LayoutOptions& options)
      : pieces_(pieces), options_(options), packing_(pieces), random_(options.seed) {
    offsets.assign(pieces.size(), 0);
    trial_.assign(pieces.size(), 0);
  }

  std::vector<byte_count> offsets;
  byte_count high_water = unlimited_bytes;

  void run(byte_count bound) {
    consider(by([](const Piece& p) { return std::pair(p.bytes, p.last - p.first); }));
    if (high_water == bound) return;
    consider(by([](const Piece& p) { return std::pair(p.last - p.first, p.bytes); }));
    consider(
        by([](const Piece& p) { return static_cast<double>(p.bytes) * (p.last - p.first + 1.0); }));
    consider(by([](const Piece& p) { return std::pair(~p.first, p.bytes); }));
    improve(bound);
  }

 private:
  using clock = std::chrono::steady_clock;

  template <class Key>
  [[nodiscard]] std::vector<std::uint32_t> by(Key key) const {
    std::vector<std::uint32_t> order(pieces_.size());
    std::iota(order.begin(), order.end(), 0U);
    std::ranges::stable_sort(order, std::ranges::greater{},
                             [&](std::uint32_t p) { return key(pieces_[p]); });
    return order;
  }

  // An order that needs as much as the best replaces it, so that the search goes on from somewhere
  // else where no move helps.
  void consider(std::vector<std::uint32_t> order) {
    const byte_count top = packing_.place(order, trial_, high_water);
    if (top > high_water) return;
    high_water = top;
    offsets.swap(trial_);
    order_ = std::move(order);
  }

  // What lies at the top is placed earlier.
  void improve(byte_count bound) {
    const clock::time_point begin = clock::now();
    for (std::uint64_t i = 0; high_water > bound; ++i) {
      const std::chrono::duration<double> passed = clock::now() - begin;
      if (options_.tries > 0 ? i >= options_.tries : passed.count() >= options_.seconds) return;
      consider(with_top_first());
    }
  }

  [[nodiscard]] std::vector<std::uint32_t> with_top_first() {
    std::vector<std::uint32_t> order = order_;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const std::uint32_t p = order[i];
      if (offsets[p] + pieces_[p].bytes != high_water) continue;
      move_forward(order, i);
    }
    for (std::size_t moves = random_() % 3; moves > 0; --moves) {
      move_forward(order, static_cast<std::size_t>(random_() % order.size()));
    }
    return order;
  }

  void move_forward(std::vector<std::uint32_t>& order, std::size_t from) {
    const auto to = static_cast<std::ptrdiff_t>(random_() % (from + 1));
    const auto at = order.begin() + static_cast<std::ptrdiff_t>(from);
    std::rotate(order.begin() + to, at, at + 1);
  }

  std::span<const Piece> pieces_;
  LayoutOptions options_;
  Packing packing_;
  std::mt19937_64 random_;
  std::vector<std::uint32_t> order_;
  std::vector<byte_count> trial_;
};

}  // namespace arena

/// Places what a schedule makes in one arena, for an engine with a preallocated slab: each block
/// has its bytes to itself while it is there.
///
/// Views lie in their source. A value that is consumed hands its place to an output of the same
/// size; otherwise it stays until its reader has run. Inputs and constants are the engine's own.
/// Best fit in four orders (bytes, time, both, as made), the best of which is improved within the
/// given time.
/// @throws InvalidArgument if the alignment is not a power of 2, or so large that all blocks, one
///   after another, pass 2^63 - 1 bytes, and for a time that is not finite; InvalidSchedule as
///   `check_actions`
[[nodiscard]] inline ArenaLayout layout(const Program& program, const Schedule& schedule,
                                        const LayoutOptions& options = {}) {
  if (options.alignment == 0 || (options.alignment & (options.alignment - 1)) != 0) {
    throw InvalidArgument("an alignment of " + std::to_string(options.alignment) +
                          " bytes is no power of 2");
  }
  if (!std::isfinite(options.seconds)) {
    throw InvalidArgument("a search of " + std::to_string(options.seconds) + " seconds has no end");
  }
  check_actions(program, schedule);
  arena::Lifetimes lifetimes(program, options.alignment);
  lifetimes.follow(schedule);
  ArenaLayout result;
  result.live_bytes = arena::live_bytes(lifetimes.pieces);
  if (lifetimes.pieces.empty()) return result;
  arena::OrderSearch search(lifetimes.pieces, options);
  search.run(result.live_bytes);
  result.high_water = search.high_water;
  result.blocks = std::move(lifetimes.blocks);
  for (std::size_t b = 0; b < result.blocks.size(); ++b) {
    result.blocks[b].offset = search.offsets[lifetimes.pieces_of_blocks[b]];
  }
  return result;
}

}  // namespace reprise::inline v0
