// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What a checkpoint keeps, when it runs again and how far, and what it leaves behind when it
// cannot.

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <reprise/core/error.hpp>
#include <reprise/run/checkpoint.hpp>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"
#include "support/tape.hpp"

namespace {

using reprise::checkpoint;
using reprise_test::ComputationFailed;
using reprise_test::leaf;
using reprise_test::Saved;
using reprise_test::Tape;
using reprise_test::TapeTensor;
using reprise_test::Variable;
using Numbers = std::vector<double>;

constexpr std::size_t width = 4;
constexpr std::uint64_t tensor_bytes = width * sizeof(double);

Numbers numbers_of(const TapeTensor& t) { return {t.data(), t.data() + t.size()}; }

void seed_gradient(const Variable& y) {
  TapeTensor dy = y.tape->make(y.size());
  for (std::size_t i = 0; i < dy.size(); ++i) dy[i] = 1.0 - 0.3 * static_cast<double>(i);
  y.tape->add(y.number, dy);
}

/// Gradients of the variables with the numbers below `leaves`.
std::vector<Numbers> gradients_of(Tape& tape, const Variable& y, std::size_t leaves = 1) {
  seed_gradient(y);
  tape.backward();
  std::vector<Numbers> gradients;
  for (std::size_t i = 0; i < leaves; ++i) gradients.push_back(numbers_of(tape.gradient(i)));
  return gradients;
}

Variable block(const Variable& x) { return add(x, square(tanh(multiply(x, x)))); }

/// Everything random, stateful or of a mode that a rerun must find again.
Variable moody(const Variable& x) { return jitter(dropout(tanh(observe(jitter(dropout(x)))))); }

struct Plain {
  template <class F, class... Inputs>
  auto operator()(const F& f, const Inputs&... inputs) const {
    return f(inputs...);
  }
};
struct InCheckpoints {
  template <class F, class... Inputs>
  auto operator()(const F& f, const Inputs&... inputs) const {
    return checkpoint(f, inputs...);
  }
};

}  // namespace

TEST_CASE("a checkpoint keeps its inputs and outputs and nothing else") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const Variable y = checkpoint(block, x);
  CHECK(tape.memory.live == 2 * tensor_bytes);
  CHECK(gradients_of(tape, y).front() != Numbers(width, 0.0));
}

TEST_CASE("what is recomputed has the random streams, the state and the mode of the original") {
  const auto run = [](auto&& call) {
    Tape tape;
    const Variable x = leaf(tape, width, 0.1);
    const Variable first = call(moody, x);
    const Variable y = moody(call(moody, first));
    const std::vector<Numbers> gradients = gradients_of(tape, y);
    return std::tuple(numbers_of(y.tensor), gradients, tape.generator, tape.running_mean,
                      tape.pass.node(), tape.pass.is_recompute(), tape.records);
  };
  const auto plain = run(Plain{});
  CHECK(run(InCheckpoints{}) == plain);
  CHECK(std::get<3>(plain) != 0.0);
}

TEST_CASE("several inputs, other arguments and several outputs pass through") {
  const auto run = [](auto&& call) {
    Tape tape;
    const Variable x = leaf(tape, width, 0.1);
    const Variable w = leaf(tape, width, -0.4);
    const Variable captured = leaf(tape, width, 0.9);
    const auto f = [captured](const Variable& a, int times, const Variable& b,
                              const std::string& name) {
      Variable y = multiply(a, b);
      for (int i = 0; i < times; ++i) y = tanh(multiply(y, captured));
      return std::pair(y, name == "both" ? square(b) : b);
    };
    const auto [y, z] = call(f, x, 3, w, std::string("both"));
    return gradients_of(tape, multiply(y, z), 3);
  };
  const std::vector<Numbers> plain = run(Plain{});
  CHECK(run(InCheckpoints{}) == plain);
  for (const Numbers& gradient : plain) CHECK(gradient != Numbers(width, 0.0));
}

TEST_CASE("a checkpoint without a result writes what it captured") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  std::vector<Variable> results;
  checkpoint([&results](const Variable& v) { results.push_back(square(tanh(v))); }, x);
  const std::vector<Numbers> gradients = gradients_of(tape, results.at(0));
  Tape plain;
  const Variable same = leaf(plain, width, 0.1);
  CHECK(gradients == gradients_of(plain, square(tanh(same))));
}

TEST_CASE("a recompute runs to its end") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const auto rerun_of = [&](auto f) {
    const Variable y = checkpoint(f, x);
    const std::uint64_t before = tape.computations;
    static_cast<void>(gradients_of(tape, y));
    return tape.computations - before;
  };
  CHECK(rerun_of([](const Variable& v) { return square(tanh(tanh(v))); }) == 3);
  CHECK(rerun_of([](const Variable& v) { return tanh(square(tanh(v))); }) == 3);
  CHECK(rerun_of([](const Variable& v) { return add(square(v), v); }) == 2);
  CHECK(rerun_of([](const Variable& v) noexcept { return square(tanh(tanh(v))); }) == 3);
  SUBCASE("and does what an operation does after it has saved") {
    int after_save = 0;
    const auto f = [&](const Variable& v) {
      const Variable y = square(v);
      ++after_save;
      return y;
    };
    static_cast<void>(rerun_of(f));
    CHECK(after_save == 2);
  }
  SUBCASE("unless nothing is wanted") {
    CHECK(rerun_of([](const Variable& v) { return add(v, v); }) == 0);
  }
  SUBCASE("with the checkpoints inside") {
    const auto inner = [](const Variable& v) { return square(tanh(tanh(v))); };
    CHECK(rerun_of([inner](const Variable& v) { return checkpoint(inner, tanh(v)); }) == 4 + 3);
  }
}

TEST_CASE("a recompute that ends early ends with the last value that backward needs") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const auto rerun_of = [&](auto f) {
    const Variable y = checkpoint({.ends_early = true}, f, x);
    const std::uint64_t before = tape.computations;
    static_cast<void>(gradients_of(tape, y));
    return tape.computations - before;
  };
  SUBCASE("before an operation that saves its input") {
    CHECK(rerun_of([](const Variable& v) { return square(tanh(tanh(v))); }) == 2);
  }
  SUBCASE("after one that saves its output") {
    CHECK(rerun_of([](const Variable& v) { return tanh(square(tanh(v))); }) == 3);
  }
  SUBCASE("operations that save nothing are not run at the end") {
    CHECK(rerun_of([](const Variable& v) {
            const Variable y = tanh(v);
            return add(add(y, y), add(y, v));
          }) == 1);
  }
  SUBCASE("at once if only inputs were saved") {
    CHECK(rerun_of([](const Variable& v) { return square(v); }) == 0);
    CHECK(rerun_of([](const Variable& v) { return add(v, v); }) == 0);
  }
  SUBCASE("a function that lets no exception out runs to its end") {
    CHECK(rerun_of([](const Variable& v) noexcept { return square(tanh(tanh(v))); }) == 3);
  }
  SUBCASE("an enclosing checkpoint does not run what follows its last own value") {
    const auto inner = [](const Variable& v) { return square(tanh(tanh(v))); };
    CHECK(rerun_of([inner](const Variable& v) {
            return checkpoint({.ends_early = true}, inner, tanh(v));
          }) == 1 + 2);
  }
  SUBCASE("a function that holds back exceptions is not asked for more") {
    CHECK(rerun_of([](const Variable& v) {
            Variable y = tanh(v);
            try {
              y = square(y);
            } catch (...) {
            }
            return y;
          }) == 1);
  }
  SUBCASE("one that tries again gets through") {
    CHECK(rerun_of([](const Variable& v) {
            Variable y = tanh(v);
            for (bool is_done = false; !is_done;) {
              try {
                y = square(y);
                is_done = true;
              } catch (...) {
              }
            }
            return tanh(y);
          }) == 3);
  }
}

TEST_CASE("a recompute that ends early holds back no exception of the engine's") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const auto f = [&](const Variable& v) {
    const Variable y = tanh(v);
    try {
      if (tape.pass.is_recompute()) throw ComputationFailed("the engine's own");
    } catch (...) {
      static_cast<void>(square(y));  // the last wanted value is saved while it is on its way
      throw;
    }
    return square(y);
  };
  const Variable y = checkpoint({.ends_early = true}, f, x);
  CHECK_THROWS_AS(static_cast<void>(gradients_of(tape, y)), ComputationFailed);
  struct SavesAtItsEnd {
    const Variable& y;
    ~SavesAtItsEnd() { static_cast<void>(y.tape->saver.save(y.tensor)); }
  };
  Tape other;
  const Variable z = leaf(other, width, 0.1);
  const auto unwinds = [&](const Variable& v) {
    const Variable t = tanh(v);
    const SavesAtItsEnd saves{t};
    if (other.pass.is_recompute()) throw ComputationFailed("the engine's own");
    return square(t);
  };
  const Variable w = checkpoint({.ends_early = true}, unwinds, z);
  CHECK_THROWS_AS(static_cast<void>(gradients_of(other, w)), ComputationFailed);
}

TEST_CASE("what the tape has given up is not recomputed") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const auto f = [](const Variable& v) {
    const Variable y = tanh(v);
    const Variable first = square(y);
    return std::pair(first, square(tanh(tanh(y))));
  };
  const auto [y, unused] = checkpoint({.ends_early = true}, f, x);
  tape.entries.resize(tape.entries.size() - 3);  // an engine that prunes what leads to no loss
  const std::uint64_t before = tape.computations;
  static_cast<void>(gradients_of(tape, y));
  CHECK(tape.computations - before == 1);
}

TEST_CASE("parameters are kept, and nothing is recomputed to have them") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const Variable w = leaf(tape, width, 0.7);
  w.tensor.persist();
  const auto f = [w](const Variable& v) {
    const Variable first = square(v);
    return add(first, multiply(w, w));
  };
  const Variable y = checkpoint({.ends_early = true}, f, x);
  const std::uint64_t before = tape.computations;
  static_cast<void>(gradients_of(tape, y));
  CHECK(tape.computations == before);
}

TEST_CASE("a rerun recomputes what is missing, all of it or nothing") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  std::array<Saved, 3> saved;
  const auto f = [&](const Variable& v) {
    Variable y = v;
    for (Saved& s : saved) {
      y = add(y, y);
      Saved value = tape.saver.save(y.tensor);
      if (!tape.pass.is_recompute()) s = std::move(value);
    }
  };
  checkpoint(f, x);
  const std::uint64_t at_rest = tape.memory.live;
  tape.fails_at = tape.computations + 2;
  CHECK_THROWS_AS(static_cast<void>(saved[0].get()), ComputationFailed);
  CHECK(!saved[0].is_present());
  CHECK(tape.memory.live == at_rest);
  CHECK(saved[0].get()[0] == 2 * x.tensor[0]);
  CHECK(saved[2].is_present());
  saved[1].unload();
  CHECK(tape.memory.live == at_rest + 2 * tensor_bytes);
  const std::uint64_t before = tape.computations;
  CHECK(saved[1].get()[0] == 4 * x.tensor[0]);
  CHECK(tape.computations - before == 3);
}

TEST_CASE("a checkpoint inside a checkpoint is recomputed from what the outer one saved") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const auto inner = [](const Variable& v) { return checkpoint(block, checkpoint(block, v)); };
  const Variable y = checkpoint([&](const Variable& v) { return checkpoint(inner, inner(v)); }, x);
  CHECK(tape.memory.live == 2 * tensor_bytes);
  const std::vector<Numbers> gradients = gradients_of(tape, y);
  Tape plain;
  const Variable same = leaf(plain, width, 0.1);
  CHECK(gradients == gradients_of(plain, block(block(block(block(same))))));
}

TEST_CASE("a thousand checkpoints in one another") {
  struct Nest {
    static Variable call(const Variable& x, std::size_t depth) {
      if (depth == 0) return tanh(x);
      const auto inner = [depth](const Variable& v) { return call(v, depth - 1); };
      return tanh(multiply(checkpoint(inner, tanh(x)), x));
    }
    static Variable plain(const Variable& x, std::size_t depth) {
      return depth == 0 ? tanh(x) : tanh(multiply(plain(tanh(x), depth - 1), x));
    }
  };
  constexpr std::size_t depth = 1000;
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const std::vector<Numbers> gradients = gradients_of(tape, Nest::call(x, depth));
  Tape plain;
  const Variable same = leaf(plain, width, 0.1);
  CHECK(gradients == gradients_of(plain, Nest::plain(same, depth)));
}

TEST_CASE("checkpoints bring the peak down") {
  const auto peak_of = [](auto&& call) {
    Tape tape;
    {
      Variable y = leaf(tape, width, 0.1);
      for (int i = 0; i < 16; ++i) {
        const auto stage = [](const Variable& v) { return block(block(block(block(v)))); };
        y = call(stage, y);
      }
      static_cast<void>(gradients_of(tape, y));
    }
    tape.gradients.clear();
    CHECK(tape.memory.live == 0);
    return tape.memory.peak;
  };
  CHECK(peak_of(InCheckpoints{}) < peak_of(Plain{}) / 3);
}

TEST_CASE("an exception in forward leaves the tape as it was") {
  const auto net = [](const Variable& x) {
    const auto inner = [](const Variable& v) { return moody(block(v)); };
    return checkpoint([&](const Variable& v) { return block(checkpoint(inner, dropout(v))); }, x);
  };
  const auto gradients_after = [&](std::uint64_t n, bool& has_thrown) {
    Tape tape;
    const Variable x = leaf(tape, width, 0.1);
    const Variable before = tanh(dropout(x));
    const std::uint64_t live = tape.memory.live;
    const std::size_t entries = tape.entries.size();
    const std::size_t variables = tape.variables;
    const std::uint32_t node = tape.pass.node();
    tape.fails_at = tape.computations + n;
    has_thrown = false;
    try {
      static_cast<void>(net(before));
    } catch (const ComputationFailed&) {
      has_thrown = true;
      CHECK(tape.memory.live == live);
      CHECK(tape.entries.size() == entries);
      CHECK(tape.variables == variables);
      CHECK(tape.pass.node() == node);
      CHECK(tape.saver.save(x.tensor).is_present());
    }
    tape.fails_at.reset();
    tape.entries.resize(entries);
    tape.variables = variables;
    tape.pass.enter({.node = node});
    tape.generator = 1;
    return gradients_of(tape, net(before));
  };
  bool has_thrown = false;
  const std::vector<Numbers> expected = gradients_after(1000, has_thrown);
  REQUIRE(!has_thrown);
  std::uint64_t n = 0;
  do {
    CAPTURE(n);
    CHECK(gradients_after(n++, has_thrown) == expected);
  } while (has_thrown);
  CHECK(n > 10);
}

TEST_CASE("a recompute that throws can be tried again") {
  const auto gradients_after = [](std::uint64_t n, bool& has_thrown) {
    Tape tape;
    const Variable x = leaf(tape, width, 0.1);
    const auto inner = [](const Variable& v) { return moody(block(v)); };
    const Variable y = checkpoint(
        [&](const Variable& v) { return block(checkpoint(inner, dropout(block(v)))); }, x);
    seed_gradient(y);
    const std::uint32_t node = tape.pass.node();
    const std::uint64_t generator = tape.generator;
    tape.fails_at = tape.computations + n;
    has_thrown = false;
    try {
      tape.backward();
    } catch (const ComputationFailed&) {
      has_thrown = true;
      CHECK(tape.pass.node() == node);
      CHECK(!tape.pass.is_recompute());
      CHECK(tape.generator == generator);
      CHECK(tape.records);
      CHECK(tape.saver.save(x.tensor).is_present());
      tape.backward();
    }
    return numbers_of(tape.gradient(0));
  };
  bool has_thrown = false;
  const Numbers expected = gradients_after(1000, has_thrown);
  REQUIRE(!has_thrown);
  std::uint64_t n = 0;
  do {
    CAPTURE(n);
    CHECK(gradients_after(n++, has_thrown) == expected);
  } while (has_thrown);
  CHECK(n > 10);
}

TEST_CASE("no allocation that fails leaves anything behind") {
  bool has_thrown = true;
  std::uint64_t n = 0;
  for (; has_thrown; ++n) {
    CAPTURE(n);
    Tape tape;
    {
      const Variable x = leaf(tape, width, 0.1);
      const auto inner = [](const Variable& v) { return moody(block(v)); };
      const auto outer = [&](const Variable& v) { return block(checkpoint(inner, block(v))); };
      tape.memory.fails_at = tape.memory.allocations + n;
      has_thrown = false;
      try {
        static_cast<void>(gradients_of(tape, checkpoint(outer, x)));
      } catch (const std::bad_alloc&) {
        has_thrown = true;
      }
      CHECK(tape.saver.save(x.tensor).is_present());
      CHECK(!tape.pass.is_recompute());
    }
    tape.entries.clear();
    tape.gradients.clear();
    CHECK(tape.memory.live == 0);
  }
  CHECK(n > 30);
}

TEST_CASE("an input that was changed in place before backward is refused") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const auto change = [](const Variable& v) {
    v.tensor[0] += 1.0;
    v.tensor.changed();
  };
  const auto message_of = [&](const Variable& y) -> std::string {
    try {
      static_cast<void>(gradients_of(tape, y));
    } catch (const reprise::ReplayMismatch& error) {
      return error.what();
    }
    return "";
  };
  SUBCASE("after the checkpoint") {
    const Variable y =
        checkpoint([](const Variable&, const Variable& v) { return block(v); }, x, x);
    change(x);
    CHECK(
        message_of(y) ==
        "input 0 of a checkpoint was changed in place since it was saved: its version was 0 and is "
        "1");
  }
  SUBCASE("by the checkpoint") {
    const auto f = [&](const Variable& v) {
      const Variable y = block(v);
      change(v);
      return y;
    };
    CHECK(!message_of(checkpoint(f, x)).empty());
  }
  SUBCASE("what is saved outside a checkpoint too") {
    const Variable y = square(x);
    change(x);
    CHECK(message_of(y).starts_with("a value saved for backward was changed in place"));
  }
  SUBCASE("before its use is no harm") {
    const auto f = [&](const Variable& v) {
      const Variable y = add(v, v);
      change(y);
      return checkpoint(block, y);
    };
    CHECK(message_of(checkpoint(f, x)).empty());
  }
}

TEST_CASE("gradients of gradients through a checkpoint are refused") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  seed_gradient(checkpoint(block, x));
  tape.records_backward = true;
  CHECK_THROWS_AS(tape.backward(), reprise::InvalidState);
  tape.records_backward = false;
  tape.backward();
  CHECK(tape.gradient(0).size() == width);
}

TEST_CASE("variables of different tapes are refused") {
  Tape tape;
  Tape other;
  const Variable x = leaf(tape, width, 0.1);
  const Variable y = leaf(other, width, 0.1);
  CHECK_THROWS_AS(checkpoint([](const Variable& a, const Variable&) { return a; }, x, y),
                  reprise::InvalidArgument);
}

TEST_CASE("a tape that keeps its entries goes backward again") {
  Tape tape;
  const Variable x = leaf(tape, width, 0.1);
  const auto inner = [](const Variable& v) { return moody(block(v)); };
  const Variable y =
      checkpoint([&](const Variable& v) { return block(checkpoint(inner, tanh(v))); }, x);
  const std::vector<Tape::Backward> entries = tape.entries;
  const std::uint64_t at_rest = tape.memory.live;
  const std::vector<Numbers> first = gradients_of(tape, y);
  tape.gradients.clear();
  CHECK(tape.memory.live == at_rest);
  tape.entries = entries;
  CHECK(gradients_of(tape, y) == first);
}

TEST_CASE("without a tape that records a checkpoint is a call") {
  Tape tape;
  tape.records = false;
  const Variable x = leaf(tape, width, 0.1);
  const auto count = std::make_shared<int>(0);
  static_cast<void>(checkpoint([count](const Variable& v) { return block(v); }, x));
  CHECK(tape.entries.empty());
  CHECK(count.use_count() == 1);
}

TEST_CASE("a saved value that is empty says so") {
  const Saved saved;
  CHECK(!saved.is_present());
  CHECK_THROWS_AS(static_cast<void>(saved.get()), reprise::InvalidState);
}
