// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Kernels whose every output byte depends on every input byte, for programs of any shape.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/core/hash.hpp>
#include <reprise/program/arena_call.hpp>
#include <reprise/program/layout.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise_test {

using Contents = std::vector<std::uint8_t>;

/// What values of a program hold: what is given has bytes here, whatever it counts as.
class Arithmetic {
 public:
  static constexpr std::size_t given_bytes = 16;

  explicit Arithmetic(const reprise::Program& program) : program_(program) {}

  [[nodiscard]] reprise::value_id storage(reprise::value_id value) const {
    while (program_.values()[value].view_of) value = *program_.values()[value].view_of;
    return value;
  }
  [[nodiscard]] std::size_t bytes(reprise::value_id value) const {
    const reprise::value_id owner = storage(value);
    return program_.is_given(owner) ? given_bytes : program_.values()[owner].bytes;
  }
  [[nodiscard]] Contents given(reprise::value_id value) const {
    Contents contents(given_bytes);
    for (std::size_t i = 0; i < given_bytes; ++i) contents[i] = byte(value, 7, i, 1);
    return contents;
  }
  [[nodiscard]] static std::uint8_t byte(std::uint64_t operation, std::uint64_t which,
                                         std::uint64_t i, std::uint64_t digest) {
    using reprise::hash_combine;
    return static_cast<std::uint8_t>(
        hash_combine(hash_combine(hash_combine(operation, which), i), digest) >> 17U);
  }
  [[nodiscard]] static std::uint64_t digest(std::uint64_t before,
                                            std::span<const std::uint8_t> contents) {
    for (const std::uint8_t one : contents) before = reprise::hash_combine(before, one);
    return before;
  }

 private:
  const reprise::Program& program_;
};

/// Everything kept, each value in memory of its own, each operation once in the program's order.
class PlainPlay {
 public:
  static constexpr std::uint64_t first_part = 1000;  ///< parts are told from outputs by number

  explicit PlainPlay(const reprise::Program& program)
      : program_(program), arithmetic_(program), contents_(program.values().size()) {
    for (reprise::value_id v = 0; v < contents_.size(); ++v) {
      if (program.is_given(v)) contents_[v] = arithmetic_.given(v);
    }
    for (reprise::operation_id op = 0; op < program.operations().size(); ++op) run(op);
  }

  /// What an operation reads, in one number.
  [[nodiscard]] std::uint64_t digest(reprise::operation_id op) const { return digests_[op]; }
  /// What a value holds at the end.
  [[nodiscard]] const Contents& contents(reprise::value_id value) const {
    return contents_[arithmetic_.storage(value)];
  }

 private:
  void run(reprise::operation_id number) {
    const reprise::Operation& op = program_.operations()[number];
    std::uint64_t digest = 0;
    for (const reprise::value_id read : op.reads) {
      digest = Arithmetic::digest(digest, contents_[arithmetic_.storage(read)]);
    }
    digests_.push_back(digest);
    for (std::size_t w = 0; w < op.writes.size(); ++w) {
      if (program_.values()[op.writes[w]].view_of) continue;
      Contents& made = contents_[op.writes[w]];
      made.resize(arithmetic_.bytes(op.writes[w]));
      for (std::size_t i = 0; i < made.size(); ++i)
        made[i] = Arithmetic::byte(number, w, i, digest);
    }
    for (std::size_t p = 0; p < op.accumulates.size(); ++p) {
      Contents& sum = contents_[arithmetic_.storage(op.accumulates[p])];
      for (std::size_t i = 0; i < sum.size(); ++i) {
        sum[i] =
            static_cast<std::uint8_t>(sum[i] + Arithmetic::byte(number, first_part + p, i, digest));
      }
    }
  }

  const reprise::Program& program_;
  Arithmetic arithmetic_;
  std::vector<Contents> contents_;
  std::vector<std::uint64_t> digests_;
};

/// The same in an arena: checks that each operation reads what it does where everything is kept,
/// and overwrites all that is free before each run.
class ArithmeticKernels {
 public:
  ArithmeticKernels(const reprise::Program& program, const reprise::Schedule& schedule,
                    const reprise::ArenaLayout& layout, std::span<std::byte> slab)
      : program_(program), arithmetic_(program), plain_(program), layout_(layout), slab_(slab) {
    for (std::uint32_t i = 0; i < schedule.actions.size(); ++i) {
      if (schedule.actions[i].kind == reprise::ActionKind::run) runs_.push_back(i);
    }
  }

  std::size_t zeros = 0;   ///< how often memory was zeroed
  std::size_t adds = 0;    ///< how often parts were added
  std::size_t shared = 0;  ///< outputs in the place of an input

  [[nodiscard]] const PlainPlay& plain() const { return plain_; }

  void begin() { next_ = 0; }

  void zero(void* place, reprise::byte_count bytes) {
    poison();
    std::memset(place, 0, bytes);
    ++zeros;
  }

  void add(reprise::value_id gradient, void* sum, const void* part) {
    auto* const to = static_cast<std::uint8_t*>(sum);
    const auto* const from = static_cast<const std::uint8_t*>(part);
    for (std::size_t i = 0; i < arithmetic_.bytes(gradient); ++i) {
      to[i] = static_cast<std::uint8_t>(to[i] + from[i]);
    }
    ++adds;
  }

  void operator()(const reprise::ArenaCall& call) {
    poison();
    is_poisoned_ = false;
    ++next_;
    const reprise::Operation& op = program_.operations()[call.operation];
    CAPTURE(call.operation);
    REQUIRE(call.inputs.size() == op.reads.size());
    REQUIRE(call.outputs.size() == op.writes.size());
    REQUIRE(call.parts.size() == op.accumulates.size());
    std::uint64_t digest = 0;
    for (std::size_t r = 0; r < op.reads.size(); ++r) {
      digest = Arithmetic::digest(digest, contents(op.reads[r], call.inputs[r]));
    }
    CHECK(digest == plain_.digest(call.operation));
    for (std::size_t w = 0; w < op.writes.size(); ++w) write(call, op, w, digest);
    for (std::size_t p = 0; p < op.accumulates.size(); ++p) write_part(call, op, p, digest);
    if (op.transient_bytes > 0) {
      REQUIRE(call.scratch != nullptr);
      std::memset(call.scratch, 0xEE, op.transient_bytes);
    }
    for (std::size_t w = 0; w < op.writes.size(); ++w) check(call, op, w, digest);
  }

 private:
  [[nodiscard]] std::span<const std::uint8_t> contents(reprise::value_id value,
                                                       const void* place) const {
    return {static_cast<const std::uint8_t*>(place), arithmetic_.bytes(value)};
  }
  [[nodiscard]] bool is_skipped(const reprise::ArenaCall& call, reprise::value_id written) const {
    return call.skips_output && program_.values()[written].kind == reprise::ValueKind::output;
  }

  void write(const reprise::ArenaCall& call, const reprise::Operation& op, std::size_t w,
             std::uint64_t digest) {
    const reprise::value_id written = op.writes[w];
    const reprise::Value& value = program_.values()[written];
    if (is_skipped(call, written)) {
      CHECK(call.outputs[w] == nullptr);
      return;
    }
    if (value.view_of) {
      const auto source = std::ranges::find(op.reads, *value.view_of) - op.reads.begin();
      CHECK(call.outputs[w] == call.inputs[static_cast<std::size_t>(source)]);
      return;
    }
    const bool takes_over = arithmetic_.bytes(written) > 0 &&
                            std::ranges::find(call.inputs, call.outputs[w]) != call.inputs.end();
    if (takes_over) ++shared;
    auto* const to = static_cast<std::uint8_t*>(call.outputs[w]);
    const bool adds_to_zeros = op.adds_in_place && value.kind == reprise::ValueKind::gradient;
    for (std::size_t i = 0; i < arithmetic_.bytes(written); ++i) {
      const std::uint8_t made = Arithmetic::byte(call.operation, w, i, digest);
      to[i] = adds_to_zeros ? static_cast<std::uint8_t>(to[i] + made) : made;
    }
  }

  void write_part(const reprise::ArenaCall& call, const reprise::Operation& op, std::size_t p,
                  std::uint64_t digest) const {
    auto* const to = static_cast<std::uint8_t*>(call.parts[p]);
    for (std::size_t i = 0; i < arithmetic_.bytes(op.accumulates[p]); ++i) {
      const std::uint8_t made =
          Arithmetic::byte(call.operation, PlainPlay::first_part + p, i, digest);
      to[i] = op.adds_in_place ? static_cast<std::uint8_t>(to[i] + made) : made;
    }
  }

  // Nothing that was written later lies on an output.
  void check(const reprise::ArenaCall& call, const reprise::Operation& op, std::size_t w,
             std::uint64_t digest) const {
    const reprise::value_id written = op.writes[w];
    const bool is_added_to =
        op.adds_in_place && std::ranges::find(op.accumulates, written) != op.accumulates.end();
    if (is_skipped(call, written) || program_.values()[written].view_of || is_added_to) return;
    const auto there = contents(written, call.outputs[w]);
    bool is_intact = true;
    for (std::size_t i = 0; i < there.size(); ++i) {
      is_intact = is_intact && there[i] == Arithmetic::byte(call.operation, w, i, digest);
    }
    CHECK(is_intact);
  }

  // What is there while the next run begins was made before and is not gone yet.
  void poison() {
    if (std::exchange(is_poisoned_, true)) return;
    REQUIRE(next_ < runs_.size());
    const std::uint32_t at = runs_[next_];
    std::vector<char> is_there(slab_.size(), 0);
    for (const reprise::ArenaBlock& block : layout_.blocks) {
      if (block.first_action >= at || block.last_action < at) continue;
      std::fill_n(is_there.begin() + static_cast<std::ptrdiff_t>(block.offset), block.bytes,
                  char{1});
    }
    for (std::size_t i = 0; i < slab_.size(); ++i) {
      if (is_there[i] == 0) slab_[i] = std::byte{0xA5};
    }
  }

  const reprise::Program& program_;
  Arithmetic arithmetic_;
  PlainPlay plain_;
  const reprise::ArenaLayout& layout_;
  std::span<std::byte> slab_;
  std::vector<std::uint32_t> runs_;
  std::size_t next_ = 0;
  bool is_poisoned_ = false;
};

}  // namespace reprise_test
