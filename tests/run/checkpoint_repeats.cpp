// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
// long: REPRISE_CASES=20000

// A checkpoint whose rerun does something else is refused, whatever handlers its function has.

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <reprise/core/error.hpp>
#include <reprise/run/checkpoint.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/cases.hpp"
#include "support/seed.hpp"
#include "support/tape.hpp"

namespace {

using reprise::checkpoint;
using reprise::CheckpointOptions;
using reprise_test::leaf;
using reprise_test::Tape;
using reprise_test::TapeTensor;
using reprise_test::Variable;
using Numbers = std::vector<double>;

constexpr std::size_t width = 4;

void seed_gradient(const Variable& y) {
  TapeTensor dy = y.tape->make(y.size());
  for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = 1.0 - 0.3 * static_cast<double>(i);
  y.tape->add(y.number, dy);
}

/// What backward refused; empty if nothing.
std::string refusal(Tape& tape, const Variable& y) {
  seed_gradient(y);
  try {
    tape.backward();
  } catch (const reprise::ReplayMismatch& mismatch) {
    CHECK(!tape.pass.is_recompute());
    CHECK(!tape.saver.region());
    return mismatch.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void change(const Variable& v) {
  v.tensor[0] += 1.0;
  v.tensor.changed();
}

/// Rounds a weight to 1/256 as long as the cache lives, as autocast does; saves its input when it
/// really rounds.
struct WeightCache {
  std::optional<Variable> rounded{};

  Variable operator()(const Variable& w) {
    if (rounded) return *rounded;
    static_cast<void>(w.tape->saver.save(w.tensor));
    rounded = Variable{w.tape, w.number, w.tape->make(w.size())};
    for (std::size_t i = 0; i < w.size(); ++i) {
      rounded->tensor[i] = std::round(w.tensor[i] * 256) / 256;
    }
    return *rounded;
  }
};

constexpr std::array all_options{CheckpointOptions{}, CheckpointOptions{.ends_early = true},
                                 CheckpointOptions{.verify_replay = true},
                                 CheckpointOptions{.ends_early = true, .verify_replay = true}};

}  // namespace

TEST_CASE("a cache that is warm in one run and cold in the other is refused") {
  for (const CheckpointOptions options : all_options) {
    for (const bool is_first_plain : {false, true}) {
      for (const bool ends_with_forward : {false, true}) {
        CAPTURE(options.ends_early);
        CAPTURE(is_first_plain);
        CAPTURE(ends_with_forward);
        const auto gradient = [&](bool uses_checkpoints) -> std::optional<double> {
          Tape tape;
          WeightCache cast;
          const Variable x = leaf(tape, width, 0.9);
          const Variable w = leaf(tape, width, 0.3);
          const auto f = [&](const Variable& v) { return tanh(multiply(v, cast(w))); };
          const Variable a = uses_checkpoints && !is_first_plain ? checkpoint(options, f, x) : f(x);
          const Variable b = uses_checkpoints ? checkpoint(options, f, a) : f(a);
          if (ends_with_forward) cast.rounded.reset();
          if (!refusal(tape, b).empty()) return std::nullopt;
          return tape.gradient(0)[0];
        };
        const std::optional<double> plain = gradient(false);
        const std::optional<double> found = gradient(true);
        CHECK((!found || found == plain));
        // Warm for each run of the second, whose rerun then does the same.
        if (is_first_plain && !ends_with_forward) CHECK(found == plain);
        if (is_first_plain && ends_with_forward) CHECK(!found);
      }
    }
  }
}

TEST_CASE("another number of values is refused") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  bool is_first = true;
  const auto run = [&](CheckpointOptions options, auto f) {
    is_first = true;
    const Variable y = checkpoint(options, f, x);
    is_first = false;
    const std::string message = refusal(tape, y);
    tape.entries.clear();
    tape.gradients.clear();
    return message;
  };
  const auto fewer = [&](const Variable& v) { return is_first ? tanh(tanh(tanh(v))) : tanh(v); };
  const auto more = [&](const Variable& v) {
    const Variable y = tanh(v);
    return is_first ? y : tanh(tanh(y));
  };
  for (const CheckpointOptions options : all_options) {
    CHECK(run(options, fewer) == "a checkpoint saved 3 values and, when it ran again, 1");
  }
  CHECK(run({}, more) == "a checkpoint saved 1 values and, when it ran again, more");
  SUBCASE("by a function that lets no exception out too") {
    CHECK(!run({}, [&](const Variable& v) noexcept { return fewer(v); }).empty());
    CHECK(!run({}, [&](const Variable& v) noexcept { return more(v); }).empty());
    CHECK(!run({.ends_early = true}, [&](const Variable& v) noexcept { return more(v); }).empty());
  }
  SUBCASE("by a function that holds back all exceptions too") {
    CHECK(!run({}, [&](const Variable& v) {
             try {
               return more(v);
             } catch (...) {
               return v;
             }
           }).empty());
  }
  SUBCASE("an early end does not see what comes after it") {
    CHECK(run({.ends_early = true}, more).empty());
  }
}

TEST_CASE("another shape is refused, and no handler of the engine's lets it pass") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const Variable shorter = leaf(tape, width - 1, 0.1);
  for (const CheckpointOptions options : all_options) {
    for (const bool holds_back : {false, true}) {
      bool is_first = true;
      const auto f = [&](const Variable& v) {
        try {
          static_cast<void>(is_first ? tanh(v) : tanh(shorter));
        } catch (...) {
          if (!holds_back) throw;
        }
        return tanh(v);
      };
      const Variable y = checkpoint(options, f, x);
      is_first = false;
      CHECK(refusal(tape, y) ==
            "value 0 that a checkpoint saved has another shape when the checkpoint runs again");
      tape.entries.clear();
      tape.gradients.clear();
    }
  }
}

TEST_CASE("a mismatch that a function meets by trying for ever ends") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const Variable shorter = leaf(tape, width - 1, 0.1);
  bool is_first = true;
  const auto f = [&](const Variable& v) {
    for (;;) {
      try {
        return square(is_first ? tanh(v) : tanh(shorter));
      } catch (...) {
      }
    }
  };
  const Variable y = checkpoint(f, x);
  is_first = false;
  CHECK(contains(refusal(tape, y), "another shape"));
}

TEST_CASE("another order is refused") {
  Tape tape;
  const Variable a = leaf(tape, width, 0.1);
  const Variable b = leaf(tape, width, 0.7);
  bool is_first = true;
  SUBCASE("of inputs, by their memory") {
    for (const bool in_another : {false, true}) {
      is_first = true;
      const auto f = [&](const Variable& v, const Variable& w) {
        return is_first ? multiply(v, w) : multiply(w, v);
      };
      const auto outer = [&](const Variable& v, const Variable& w) {
        return checkpoint(f, tanh(v), tanh(w));
      };
      const Variable y = in_another ? checkpoint(outer, a, b) : checkpoint(f, a, b);
      is_first = false;
      const std::string message = refusal(tape, y);
      CHECK(contains(message, in_another
                                  ? "checkpoint"
                                  : "value 0 that a checkpoint saved was input 0 and is input 1"));
      tape.entries.clear();
      tape.gradients.clear();
    }
  }
  SUBCASE("of an input and something else") {
    const auto f = [&](const Variable& v) { return is_first ? multiply(v, b) : multiply(b, v); };
    const Variable y = checkpoint({.ends_early = true}, f, a);
    is_first = false;
    CHECK(contains(refusal(tape, y), "was input 0 and is no input of its own"));
  }
  SUBCASE("of parameters and others") {
    b.tensor.persist();
    const auto f = [&](const Variable& v) {
      const Variable y = add(v, v);
      return is_first ? multiply(y, b) : multiply(b, y);
    };
    const Variable y = checkpoint(f, a);
    is_first = false;
    CHECK(contains(refusal(tape, y), "was no parameter and is one"));
  }
  SUBCASE("of equal shapes, by their checksums") {
    for (const bool verifies : {false, true}) {
      is_first = true;
      const auto f = [&](const Variable& v) {
        const Variable y = add(v, v);
        const Variable z = add(y, y);
        return is_first ? multiply(y, z) : multiply(z, y);
      };
      const Variable y = checkpoint({.verify_replay = verifies}, f, a);
      is_first = false;
      const std::string message = refusal(tape, y);
      CHECK(message == (verifies ? "value 0 that a checkpoint saved differs from its original when "
                                   "the checkpoint runs again"
                                 : ""));
      tape.entries.clear();
      tape.gradients.clear();
    }
  }
}

TEST_CASE("another content is refused where replay is verified") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  int calls = 0;
  const auto f = [&](const Variable& v) {
    Variable y = v;
    for (int i = 0; i < (calls == 0 ? 1 : 2); ++i) y = add(y, y);
    ++calls;
    return square(y);
  };
  const auto message_of = [&](const auto& call) {
    calls = 0;
    const std::string message = refusal(tape, call());
    tape.entries.clear();
    tape.gradients.clear();
    return message;
  };
  const auto nested = [&](const Variable& v) { return checkpoint(f, tanh(v)); };
  CHECK(message_of([&] { return checkpoint(f, x); }).empty());
  CHECK(contains(message_of([&] { return checkpoint({.verify_replay = true}, f, x); }),
                 "value 0 that a checkpoint saved differs from its original"));
  CHECK(contains(
      message_of([&] { return checkpoint({.ends_early = true, .verify_replay = true}, f, x); }),
      "value 0 that a checkpoint saved differs from its original"));
  CHECK(!message_of([&] { return checkpoint({.verify_replay = true}, nested, x); }).empty());
  tape.saver.verify_replay(true);
  CHECK(!message_of([&] { return checkpoint(f, x); }).empty());
  CHECK(!message_of([&] { return checkpoint(nested, x); }).empty());
  tape.saver.verify_replay(false);
  CHECK(message_of([&] { return checkpoint(f, x); }).empty());
}

TEST_CASE("a checkpoint inside that saves something else when the outer one runs again is seen") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  int calls = 0;
  // The same in its own rerun, which is the third call, but not in that of the outer one.
  const auto inner = [&](const Variable& v) {
    const Variable y = tanh(v);
    return ++calls == 2 ? tanh(tanh(y)) : y;
  };
  const auto outer = [&](const Variable& v) { return square(checkpoint(inner, add(v, v))); };
  const Variable y = checkpoint(outer, x);
  CHECK(contains(refusal(tape, y), "checkpoint inside"));
}

TEST_CASE("what a rerun reads and was changed in place since is refused by name") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const Variable captured = leaf(tape, width, 0.6);
  const auto change_silently = [](const Variable& v) { v.tensor[0] += 1.0; };
  SUBCASE("a captured variable") {
    const auto f = [captured](const Variable& v) { return tanh(multiply(tanh(v), captured)); };
    const Variable y = checkpoint(f, x);
    change(captured);
    CHECK(refusal(tape, y) ==
          "value 2 that a checkpoint saved was changed in place since: its version was 0 and is 1");
  }
  SUBCASE("a captured parameter, before anything is computed from it") {
    captured.tensor.persist();
    const auto f = [captured](const Variable& v) { return tanh(multiply(tanh(v), captured)); };
    const Variable y = checkpoint(f, x);
    change(captured);
    const std::uint64_t before = tape.computations;
    CHECK(contains(refusal(tape, y), "was changed in place since"));
    CHECK(tape.computations - before == 1);
  }
  SUBCASE("a captured variable that is not saved, by what comes of it") {
    const auto f = [captured](const Variable& v) { return tanh(add(tanh(v), captured)); };
    const Variable y = checkpoint({.verify_replay = true}, f, x);
    change(captured);
    CHECK(contains(refusal(tape, y), "value 1 that a checkpoint saved differs from its original"));
  }
  SUBCASE("an input that is no variable") {
    const auto f = [](const Variable& v, const TapeTensor& factors) {
      return reprise_test::operations::scale(tanh(v), factors);
    };
    const Variable y = checkpoint(f, x, captured.tensor);
    change(captured);
    CHECK(
        refusal(tape, y) ==
        "input 1 of a checkpoint was changed in place since the checkpoint ran: a tensor in it has "
        "another version");
  }
  SUBCASE("inputs inside of others") {
    using Tensors = std::vector<std::pair<int, std::optional<TapeTensor>>>;
    const auto f = [](const Variable& v, const Tensors& all) {
      return reprise_test::operations::scale(tanh(v), *all.at(0).second);
    };
    const Variable y = checkpoint(f, x, Tensors{{1, captured.tensor}});
    change(captured);
    CHECK(contains(refusal(tape, y), "input 1 of a checkpoint was changed in place since"));
  }
  SUBCASE("variables inside of others") {
    const auto f = [](const Variable& v, const std::vector<Variable>& all) {
      return multiply(tanh(v), all.at(0));
    };
    const Variable y = checkpoint(f, x, std::vector<Variable>{captured});
    change(captured);
    CHECK(contains(refusal(tape, y), "input 1 of a checkpoint was changed in place since"));
  }
  SUBCASE("inputs without a version that advances, by their checksum") {
    const auto f = [](const Variable& v, const TapeTensor& factors) {
      return reprise_test::operations::scale(tanh(v), factors);
    };
    const Variable y = checkpoint({.verify_replay = true}, f, x, captured.tensor);
    change_silently(captured);
    CHECK(contains(refusal(tape, y), "a tensor in it has another checksum"));
    tape.entries.clear();
    tape.gradients.clear();
    const Variable z = checkpoint(
        {.verify_replay = true}, [](const Variable& v) { return tanh(tanh(v)); }, x);
    change_silently(x);
    CHECK(contains(refusal(tape, z), "input 0 of a checkpoint was changed in place since"));
  }
  SUBCASE("what is kept outside of checkpoints, by its checksum") {
    tape.saver.verify_replay(true);
    const Variable y = square(x);
    change_silently(x);
    CHECK(contains(refusal(tape, y), "a value saved for backward was changed in place since"));
  }
  SUBCASE("what a rerun has made, by its checksum") {
    std::optional<reprise_test::Saved> saved;
    const auto f = [&](const Variable& v) {
      auto value = tape.saver.save(v.tensor);
      if (!saved) saved = std::move(value);
    };
    checkpoint({.verify_replay = true}, f, x);
    saved->get()[0] += 1.0;
    CHECK_THROWS_AS(static_cast<void>(saved->get()), reprise::ReplayMismatch);
  }
}

namespace {

/// Straight-line code over two registers and a captured weight, some of it in checkpoints.
class RandomCode {
 public:
  struct Step {
    unsigned operation = 0;
    std::size_t from = 0;
    std::size_t to = 0;
  };

  RandomCode(std::mt19937_64& random, std::size_t pieces) {
    for (std::size_t i = 0; i < pieces; ++i) {
      std::vector<Step> steps(1 + random() % 5);
      for (Step& step : steps) {
        step = {static_cast<unsigned>(random() % 4), random() % 2, random() % 2};
      }
      pieces_.push_back(std::move(steps));
    }
  }

  /// From the call with number `other_from` on, does one step of a piece differently.
  struct Change {
    std::size_t piece = 0;
    std::size_t step = 0;
    Step other{};
  };

  [[nodiscard]] const std::vector<std::vector<Step>>& pieces() const { return pieces_; }

  [[nodiscard]] std::pair<Variable, Variable> run(std::size_t piece, const Variable& a,
                                                  const Variable& b, const Variable& w,
                                                  const std::optional<Change>& change) const {
    std::array<Variable, 2> r{a, b};
    for (std::size_t i = 0; i < pieces_[piece].size(); ++i) {
      Step step = pieces_[piece][i];
      if (change && change->piece == piece && change->step == i) step = change->other;
      const Variable& x = r[step.from];
      r[step.to] = step.operation == 0   ? tanh(x)
                   : step.operation == 1 ? square(x)
                   : step.operation == 2 ? multiply(x, w)
                                         : add(r[0], r[1]);
    }
    return {r[0], r[1]};
  }

 private:
  std::vector<std::vector<Step>> pieces_;
};

}  // namespace

TEST_CASE("a rerun that does anything else gives no wrong gradient in silence") {
  const std::size_t cases = reprise_test::cases(2000);
  REPRISE_SEEDED(random);
  std::size_t refused = 0;
  for (std::size_t i = 0; i < cases; ++i) {
    CAPTURE(i);
    const RandomCode code(random, 1 + random() % 3);
    RandomCode::Change change{.piece = random() % code.pieces().size()};
    change.step = random() % code.pieces()[change.piece].size();
    change.other = {static_cast<unsigned>(random() % 4), random() % 2, random() % 2};
    const bool is_nested = random() % 2 == 0;
    const bool ends_early = random() % 3 == 0;
    const auto gradients = [&](bool uses_checkpoints) -> std::optional<Numbers> {
      Tape tape;
      const Variable x = leaf(tape, width, 0.1);
      const Variable w = leaf(tape, width, 0.4);
      std::optional<RandomCode::Change> now;
      const CheckpointOptions options{.ends_early = ends_early, .verify_replay = true};
      const auto run = [&](std::size_t piece, const Variable& a, const Variable& b) {
        const auto f = [&, piece](const Variable& p, const Variable& q) {
          return code.run(piece, p, q, w, now);
        };
        return uses_checkpoints ? checkpoint(options, f, a, b) : f(a, b);
      };
      const auto all = [&](const Variable& a, const Variable& b) {
        std::pair<Variable, Variable> r{a, b};
        for (std::size_t piece = 0; piece < code.pieces().size(); ++piece) {
          r = run(piece, r.first, r.second);
        }
        return r;
      };
      const auto y = uses_checkpoints && is_nested ? checkpoint(options, all, x, x) : all(x, x);
      now = change;
      if (!refusal(tape, multiply(y.first, y.second)).empty()) return std::nullopt;
      Numbers numbers;
      for (std::size_t v = 0; v < 2; ++v) {
        const TapeTensor& g = tape.gradient(v);
        numbers.insert(numbers.end(), g.data(), g.data() + g.size());
      }
      return numbers;
    };
    const std::optional<Numbers> expected = gradients(false);
    const std::optional<Numbers> found = gradients(true);
    REQUIRE(expected);
    if (found) {
      CHECK(found == expected);
    } else {
      ++refused;
    }
  }
  CHECK(refused > cases / 4);
  CHECK(refused < cases);
}
