// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A define-by-run engine for tests: counts its bytes and its computations, fails on request, and
/// has everything that a checkpoint must carry over to its rerun.

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <reprise/core/pass_context.hpp>
#include <reprise/core/philox.hpp>
#include <reprise/run/saver.hpp>
#include <reprise/run/tape_traits.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/counting_tensor.hpp"

namespace reprise_test {

using TapeTensor = BasicCountingTensor<double>;
using Saved = reprise::SavedValue<TapeTensor>;

/// The n-th computation, failing on request.
struct ComputationFailed : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Records operations as they run, and differentiates from the last to the first.
struct Tape {
  using Backward = std::function<void(Tape&)>;

  CountingMemory memory{};
  reprise::Saver<TapeTensor> saver{};
  reprise::PassContext pass{{.seed = 7}, reprise::PassMode::training};
  std::vector<Backward> entries{};
  std::vector<TapeTensor> gradients{};  ///< by variable; empty where none has come yet
  std::size_t variables = 0;
  std::uint64_t generator = 1;  ///< a foreign generator's state
  double running_mean = 0;      ///< must move once
  bool records = true;
  bool records_backward = false;
  std::uint64_t computations = 0;
  std::optional<std::uint64_t> fails_at{};  ///< the number of the computation that throws

  Tape() = default;
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;

  [[nodiscard]] TapeTensor make(std::size_t size) { return {memory, size}; }
  void count_computation() {
    if (computations++ == fails_at) throw ComputationFailed("the computation that shall fail");
  }
  reprise::Philox next_random() {
    pass.enter_next();
    return pass.random();
  }
  /// What a variable's gradient leads to, if one comes; throws before it takes that gradient.
  void record(std::size_t variable, Backward backward) {
    if (!records) return;
    entries.push_back([variable, backward = std::move(backward)](Tape& tape) {
      if (tape.gradient(variable).size() > 0) backward(tape);
    });
  }

  [[nodiscard]] TapeTensor& gradient(std::size_t variable) {
    if (gradients.size() <= variable) gradients.resize(variable + 1);
    return gradients[variable];
  }
  /// Adds to the gradient of a variable; the first part becomes it.
  void add(std::size_t variable, TapeTensor part) {
    TapeTensor& sum = gradient(variable);
    if (sum.size() == 0) {
      sum = std::move(part);
    } else {
      reprise::tensor_traits<TapeTensor>::accumulate(sum, part);
    }
  }

  /// Differentiates what is recorded. An exception leaves the entry that threw for another try.
  void backward() {
    const bool recorded = std::exchange(records, false);
    while (!entries.empty()) {
      Backward entry = std::move(entries.back());
      entries.pop_back();
      try {
        entry(*this);
      } catch (...) {
        entries.push_back(std::move(entry));
        records = recorded;
        throw;
      }
    }
    records = recorded;
  }
};

/// A tensor and its number on the tape.
struct Variable {
  Tape* tape = nullptr;
  std::size_t number = 0;
  TapeTensor tensor{};

  [[nodiscard]] std::size_t size() const { return tensor.size(); }
};

/// A variable of the engine's user.
inline Variable leaf(Tape& tape, std::size_t size, double first) {
  Variable variable{&tape, tape.variables++, tape.make(size)};
  for (std::size_t i = 0; i < size; ++i) {
    variable.tensor[i] = first + 0.37 * static_cast<double>(i % 5);
  }
  return variable;
}

namespace operations {

template <class F>
TapeTensor elementwise(Tape& tape, std::size_t size, F&& f) {
  TapeTensor y = tape.make(size);
  for (std::size_t i = 0; i < size; ++i) y[i] = f(i);
  return y;
}

/// The variable that an operation has computed.
inline Variable result(Tape& tape, TapeTensor y) { return {&tape, tape.variables++, std::move(y)}; }

}  // namespace operations

/// Saves nothing.
inline Variable add(const Variable& a, const Variable& b) {
  Tape& tape = *a.tape;
  tape.count_computation();
  Variable y = operations::result(tape, operations::elementwise(tape, a.size(), [&](std::size_t i) {
                                    return a.tensor[i] + b.tensor[i];
                                  }));
  tape.record(y.number, [from = std::pair(a.number, b.number), to = y.number](Tape& t) {
    const TapeTensor dy = std::exchange(t.gradient(to), {});
    for (const std::size_t variable : {from.first, from.second}) {
      t.add(variable, operations::elementwise(t, dy.size(), [&](std::size_t i) { return dy[i]; }));
    }
  });
  return y;
}

/// Saves both inputs, before it computes.
inline Variable multiply(const Variable& a, const Variable& b) {
  Tape& tape = *a.tape;
  std::pair<Saved, Saved> saved;
  if (tape.records) {
    saved.first = tape.saver.save(a.tensor);
    saved.second = tape.saver.save(b.tensor);
  }
  tape.count_computation();
  Variable y = operations::result(tape, operations::elementwise(tape, a.size(), [&](std::size_t i) {
                                    return a.tensor[i] * b.tensor[i];
                                  }));
  tape.record(y.number, [saved, from = std::pair(a.number, b.number), to = y.number](Tape& t) {
    const TapeTensor x = saved.first.get();
    const TapeTensor w = saved.second.get();
    const TapeTensor dy = std::exchange(t.gradient(to), {});
    const auto times = [&](const TapeTensor& other) {
      return operations::elementwise(t, dy.size(), [&](std::size_t i) { return dy[i] * other[i]; });
    };
    t.add(from.first, times(w));
    t.add(from.second, times(x));
    saved.first.unload();
    saved.second.unload();
  });
  return y;
}

namespace operations {

/// y = f(x), dx = dy * derivative(saved).
template <class F, class D>
Variable unary(const Variable& x, bool saves_output, F&& f, D derivative) {
  Tape& tape = *x.tape;
  Saved saved;
  if (tape.records && !saves_output) saved = tape.saver.save(x.tensor);
  tape.count_computation();
  Variable y =
      result(tape, elementwise(tape, x.size(), [&](std::size_t i) { return f(x.tensor[i], i); }));
  if (tape.records && saves_output) saved = tape.saver.save(y.tensor);
  tape.record(y.number, [saved, derivative, from = x.number, to = y.number](Tape& t) {
    const TapeTensor s = saved.get();
    const TapeTensor dy = std::exchange(t.gradient(to), {});
    t.add(from, elementwise(t, dy.size(), [&](std::size_t i) { return dy[i] * derivative(s[i]); }));
    saved.unload();
  });
  return y;
}

/// y = x * factors, which it saves.
inline Variable scale(const Variable& x, TapeTensor factors) {
  Tape& tape = *x.tape;
  Saved saved;
  if (tape.records) saved = tape.saver.save(factors);
  tape.count_computation();
  Variable y = result(
      tape, elementwise(tape, x.size(), [&](std::size_t i) { return x.tensor[i] * factors[i]; }));
  tape.record(y.number, [saved, from = x.number, to = y.number](Tape& t) {
    const TapeTensor s = saved.get();
    const TapeTensor dy = std::exchange(t.gradient(to), {});
    t.add(from, elementwise(t, dy.size(), [&](std::size_t i) { return dy[i] * s[i]; }));
    saved.unload();
  });
  return y;
}

}  // namespace operations

/// Saves its output.
inline Variable tanh(const Variable& x) {
  return operations::unary(
      x, true, [](double v, std::size_t) { return std::tanh(v); },
      [](double y) { return 1.0 - y * y; });
}

/// Saves its input, before it computes.
inline Variable square(const Variable& x) {
  return operations::unary(
      x, false, [](double v, std::size_t) { return v * v; }, [](double v) { return 2.0 * v; });
}

/// Draws from the pass context.
inline Variable dropout(const Variable& x) {
  const reprise::Philox random = x.tape->next_random();
  return operations::scale(x, operations::elementwise(*x.tape, x.size(), [&](std::size_t i) {
                             return random.uniform(i) < 0.25F ? 0.0 : 4.0 / 3.0;
                           }));
}

/// Draws from the foreign generator.
inline Variable jitter(const Variable& x) {
  std::uint64_t& state = x.tape->generator;
  return operations::scale(x, operations::elementwise(*x.tape, x.size(), [&](std::size_t) {
                             state = state * 6364136223846793005U + 1442695040888963407U;
                             return 0.5 + static_cast<double>(state >> 40U) * 0x1p-24;
                           }));
}

/// Moves the running mean, once.
inline Variable observe(const Variable& x) {
  if (!x.tape->pass.is_recompute()) {
    x.tape->running_mean = 0.9 * x.tape->running_mean + 0.1 * x.tensor[0];
  }
  return x;
}

}  // namespace reprise_test

template <>
struct reprise::tape_traits<reprise_test::Variable> {
  using tensor_type = reprise_test::TapeTensor;
  using Tape = reprise_test::Tape;
  using Variable = reprise_test::Variable;
  struct State {
    std::uint64_t generator;
    bool records;
  };

  static const tensor_type& tensor(const Variable& variable) { return variable.tensor; }
  static Variable rebind(const Variable& variable, tensor_type tensor) {
    return {variable.tape, variable.number, std::move(tensor)};
  }
  static Tape& tape(const Variable& variable) { return *variable.tape; }
  static Saver<tensor_type>& saver(Tape& tape) { return tape.saver; }
  static PassContext& pass(Tape& tape) { return tape.pass; }
  static std::pair<std::size_t, std::size_t> mark(const Tape& tape) {
    return {tape.entries.size(), tape.variables};
  }
  static void rewind(Tape& tape, std::pair<std::size_t, std::size_t> mark) {
    tape.entries.resize(mark.first);
    tape.variables = mark.second;
  }
  static State capture_state(const Tape& tape) { return {tape.generator, tape.records}; }
  static void restore_state(Tape& tape, const State& state) {
    tape.generator = state.generator;
    tape.records = state.records;
  }
  static bool records_backward(const Tape& tape) { return tape.records_backward; }
};

static_assert(reprise::TapeVariable<reprise_test::Variable>);
static_assert(reprise::HasTapeState<reprise_test::Variable>);
