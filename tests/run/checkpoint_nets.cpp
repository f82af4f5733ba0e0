// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=20000

// Random nets with checkpoints in checkpoints: the bits of the same net without, in less memory.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <reprise/run/checkpoint.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/seed.hpp"
#include "support/tape.hpp"

namespace {

using reprise_test::leaf;
using reprise_test::Tape;
using reprise_test::TapeTensor;
using reprise_test::Variable;

constexpr std::size_t width = 5;
constexpr std::size_t registers = 3;
constexpr std::size_t parameters = 4;
using Registers = std::array<Variable, registers>;

/// A piece of straight-line code over three registers: operations, and pieces inside.
struct Piece {
  struct Step {
    unsigned operation = 0;
    std::size_t from = 0;
    std::size_t with = 0;
    std::size_t to = 0;
    std::shared_ptr<const Piece> inner{};
  };

  std::vector<Step> steps{};
  bool is_checkpoint = false;
};

Piece random_piece(std::mt19937_64& random, int depth) {
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  Piece piece{.is_checkpoint = below(4) > 0};
  for (std::size_t n = 1 + below(6); n > 0; --n) {
    Piece::Step step{.operation = static_cast<unsigned>(below(8)),
                     .from = below(registers),
                     .with = below(parameters),
                     .to = below(registers)};
    if (depth > 0 && below(3) == 0) {
      step.inner = std::make_shared<const Piece>(random_piece(random, depth - 1));
    }
    piece.steps.push_back(std::move(step));
  }
  return piece;
}

class Net {
 public:
  Net(const Piece& piece, bool uses_checkpoints)
      : piece_(piece), uses_checkpoints_(uses_checkpoints) {
    for (std::size_t i = 0; i < parameters; ++i) {
      weights_.push_back(leaf(tape_, width, 0.2 - 0.3 * static_cast<double>(i)));
    }
    for (std::size_t i = 0; i < registers; ++i) {
      inputs_[i] = leaf(tape_, width, 0.1 + 0.2 * static_cast<double>(i));
    }
  }

  /// All numbers that training sees.
  std::vector<double> step() {
    std::vector<double> result;
    {
      const Registers y = run(piece_, inputs_);
      for (const Variable& variable : y) {
        append(result, variable.tensor);
        TapeTensor dy = tape_.make(width);
        for (std::size_t i = 0; i < width; ++i) dy[i] = 0.7 - 0.2 * static_cast<double>(i);
        tape_.add(variable.number, dy);
      }
    }
    tape_.backward();
    for (std::size_t i = 0; i < parameters + registers; ++i) append(result, tape_.gradient(i));
    result.push_back(tape_.running_mean);
    result.push_back(static_cast<double>(tape_.pass.node()));
    result.push_back(static_cast<double>(tape_.generator >> 16U));
    return result;
  }

  [[nodiscard]] std::uint64_t peak() const { return tape_.memory.peak; }
  [[nodiscard]] std::uint64_t live() const { return tape_.memory.live; }

 private:
  static void append(std::vector<double>& to, const TapeTensor& t) {
    to.push_back(static_cast<double>(t.size()));
    to.insert(to.end(), t.data(), t.data() + t.size());
  }

  // NOLINTNEXTLINE(misc-no-recursion)
  Registers run(const Piece& piece, const Registers& in) {
    if (!uses_checkpoints_ || !piece.is_checkpoint) return run_steps(piece, in);
    return reprise::checkpoint(
        [this, &piece](const Variable& a, const Variable& b, const Variable& c) {
          return run_steps(piece, {a, b, c});
        },
        in[0], in[1], in[2]);
  }

  // NOLINTNEXTLINE(misc-no-recursion)
  Registers run_steps(const Piece& piece, Registers values) {
    for (const Piece::Step& step : piece.steps) {
      if (step.inner) {
        values = run(*step.inner, values);
      } else {
        values[step.to] = result_of(step, values);
      }
    }
    return values;
  }

  Variable result_of(const Piece::Step& step, const Registers& values) {
    const Variable& x = values[step.from];
    switch (step.operation) {
      case 0:
        return add(x, values[step.to]);
      case 1:
        return multiply(x, values[step.to]);
      case 2:
        return multiply(x, weights_[step.with]);
      case 3:
        return square(x);
      case 4:
        return dropout(x);
      case 5:
        return jitter(x);
      case 6:
        return observe(x);
      default:
        return tanh(x);
    }
  }

  const Piece& piece_;
  bool uses_checkpoints_;
  Tape tape_{};
  std::vector<Variable> weights_{};
  Registers inputs_{};
};

bool same_bits(const std::vector<double>& a, const std::vector<double>& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](double x, double y) {
           return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
         });
}

}  // namespace

TEST_CASE("random nets with checkpoints have the bits of the same nets without") {
  REPRISE_SEEDED(random);
  std::size_t smaller = 0;
  for (std::size_t i = 0; i < reprise_test::cases(500); ++i) {
    CAPTURE(i);
    Piece piece = random_piece(random, 4);
    piece.is_checkpoint = false;
    Net plain(piece, false);
    Net checkpointed(piece, true);
    const std::vector<double> expected = plain.step();
    const std::vector<double> found = checkpointed.step();
    REQUIRE(same_bits(found, expected));
    REQUIRE(checkpointed.live() == plain.live());
    if (checkpointed.peak() < plain.peak()) ++smaller;
  }
  CHECK(smaller > 0);
}
