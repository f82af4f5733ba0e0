// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// An engine with a tape, which records operations as they run: plainly, in checkpoints, or by a
/// store.

#include <cmath>
#include <reprise/run/checkpoint.hpp>
#include <reprise/store/operation_store.hpp>

#include "engine/matrix_product.hpp"

namespace tape {

/// Counts the bytes of what lives, and how often an operation ran, again or for the first time.
struct Counters {
  std::uint64_t live_bytes = 0;
  std::uint64_t peak_bytes = 0;
  std::uint64_t computations = 0;
};

/// Floats that are counted while they live.
struct Floats {
  Floats(Counters& c, std::size_t size) : counters(c), data(size) {
    counters.live_bytes += size * sizeof(float);
    counters.peak_bytes = std::max(counters.peak_bytes, counters.live_bytes);
  }
  Floats(const Floats&) = delete;
  ~Floats() { counters.live_bytes -= data.size() * sizeof(float); }

  Counters& counters;
  std::vector<float> data;
};
using Buffer = std::shared_ptr<Floats>;
using Store = reprise::OperationStore<Buffer>;

/// A matrix, row by row: floats, or under a store the name by which it makes them.
struct Tensor {
  std::size_t rows = 0;
  std::size_t columns = 0;
  Buffer buffer{};
  Store::Handle handle{};

  [[nodiscard]] std::size_t size() const { return rows * columns; }
};

/// A tensor and its number on the tape.
struct Variable {
  class Tape* tape = nullptr;
  std::size_t number = 0;
  Tensor tensor{};
};

}  // namespace tape

template <>
struct reprise::tensor_traits<tape::Tensor> {
  static byte_count bytes(const tape::Tensor& t) { return t.size() * sizeof(float); }
  static const void* storage(const tape::Tensor& t) { return t.buffer.get(); }
  static void accumulate(tape::Tensor& into, const tape::Tensor& part) {
    tensor_traits<std::vector<float>>::accumulate(into.buffer->data, part.buffer->data);
  }
};

namespace tape {

/// The tape of one step; with a store each operation goes through it, those of backward too.
class Tape {
 public:
  using Inputs = std::span<const float* const>;
  /// Computes an output, zero before, from inputs and nothing else: it may run again.
  using Kernel = std::function<void(Inputs inputs, std::span<float> output)>;
  using Saved = std::vector<reprise::SavedValue<Tensor>>;
  /// The gradient of each input.
  using Gradients = std::function<std::vector<Tensor>(Tape&, std::span<const Tensor> saved,
                                                      const Tensor& of_output)>;

  Tape(Counters& counters, reprise::PassContext::Identity identity, Store* store = nullptr)
      : counters_(counters), store_(store), pass_(identity, reprise::PassMode::training) {}

  /// A variable that no operation has made; the caller holds its floats.
  [[nodiscard]] Variable leaf(std::size_t rows, std::size_t columns, const Buffer& buffer) {
    Tensor tensor{rows, columns, buffer, {}};
    if (store_ != nullptr) tensor.handle = store_->constant(std::exchange(tensor.buffer, {}));
    return {this, variables_++, std::move(tensor)};
  }

  /// Runs an operation: now, or whenever the store sees fit.
  [[nodiscard]] Tensor run(std::size_t rows, std::size_t columns, double flops,
                           std::vector<Tensor> inputs, const Kernel& kernel) {
    const auto compute = [this, size = rows * columns, kernel](std::span<Buffer* const> in,
                                                               std::span<Buffer> out, auto&) {
      ++counters_.computations;
      out[0] = std::make_shared<Floats>(counters_, size);
      std::vector<const float*> read;
      for (const Buffer* const buffer : in) read.push_back((*buffer)->data.data());
      kernel(read, out[0]->data);
    };
    Tensor result{rows, columns, {}, {}};
    if (store_ == nullptr) {
      std::vector<Buffer*> buffers;
      for (Tensor& input : inputs) buffers.push_back(&input.buffer);
      compute(buffers, {&result.buffer, 1}, pass_);
    } else {
      Store::Request request{.cost = std::uint64_t(flops), .run = compute};
      request.outputs = {{.bytes = result.size() * sizeof(float)}};
      for (Tensor& input : inputs) request.inputs.push_back(std::move(input.handle));
      result.handle = store_->run(request).front();
    }
    return result;
  }

  /// Saves what the next operation's backward reads; inputs before it runs.
  [[nodiscard]] Saved save(const std::vector<Tensor>& tensors) const {
    Saved saved;
    for (const Tensor& tensor : tensors) saved.push_back(saver_.save(tensor));
    return saved;
  }
  [[nodiscard]] Variable record(Tensor result, const std::vector<Variable>& inputs, Saved saved,
                                Gradients gradients) {
    Entry entry{variables_++, {}, std::move(saved), std::move(gradients)};
    for (const Variable& input : inputs) entry.inputs.push_back(input.number);
    entries_.push_back(std::move(entry));
    return {this, entries_.back().output, std::move(result)};
  }

  /// The random numbers of the next operation that draws.
  [[nodiscard]] reprise::Philox next_random() {
    pass_.enter_next();
    return pass_.random();
  }

  /// Fills the gradients of all leaves that led to `loss`; the tape is empty afterwards.
  void backward(const Variable& loss) {
    gradients_.resize(variables_);
    gradients_[loss.number] = run(1, 1, 1, {}, [](Inputs, auto dy) { dy[0] = 1; });
    while (!entries_.empty()) {
      const Entry entry = std::move(entries_.back());
      entries_.pop_back();
      const Tensor dy = std::exchange(gradients_[entry.output], {});
      if (dy.size() > 0) differentiate(entry, dy);
    }
  }

  [[nodiscard]] Tensor gradient(const Variable& leaf) const { return gradients_.at(leaf.number); }
  /// A copy of the tensor's floats.
  [[nodiscard]] std::vector<float> read(const Tensor& tensor) {
    return store_ == nullptr ? tensor.buffer->data : (*store_->pin(tensor.handle))->data;
  }

 private:
  friend struct reprise::tape_traits<Variable>;
  struct Entry {
    std::size_t output = 0;
    std::vector<std::size_t> inputs{};
    Saved saved{};
    Gradients gradients{};
  };

  void differentiate(const Entry& entry, const Tensor& dy) {
    std::vector<Tensor> saved;
    for (const auto& value : entry.saved) saved.push_back(value.get());
    std::vector<Tensor> parts = entry.gradients(*this, saved, dy);
    const auto add = [](Inputs in, std::span<float> out) {
      std::transform(in[0], in[0] + out.size(), in[1], out.begin(), std::plus{});
    };
    for (std::size_t i = 0; i < parts.size(); ++i) {
      Tensor& sum = gradients_[entry.inputs[i]];
      sum = sum.size() == 0 ? parts[i] : run(sum.rows, sum.columns, 1, {sum, parts[i]}, add);
    }
  }

  Counters& counters_;
  Store* store_;
  reprise::PassContext pass_;
  reprise::Saver<Tensor> saver_{};
  std::vector<Entry> entries_{};
  std::vector<Tensor> gradients_{};
  std::size_t variables_ = 0;
};

}  // namespace tape

template <>
struct reprise::tape_traits<tape::Variable> {
  using tensor_type = tape::Tensor;
  using Tape = tape::Tape;
  using V = tape::Variable;

  static const tensor_type& tensor(const V& v) { return v.tensor; }
  static V rebind(const V& v, tensor_type t) { return {v.tape, v.number, std::move(t)}; }
  static Tape& tape(const V& v) { return *v.tape; }
  static Saver<tensor_type>& saver(Tape& tape) { return tape.saver_; }
  static PassContext& pass(Tape& tape) { return tape.pass_; }
  static auto mark(const Tape& t) { return std::pair(t.entries_.size(), t.variables_); }
  static void rewind(Tape& tape, std::pair<std::size_t, std::size_t> mark) {
    tape.entries_.resize(mark.first);
    tape.variables_ = mark.second;
  }
};

namespace tape {

/// out[i] = f(inputs, i), at so many floating-point operations an element.
template <class F>
Tensor elementwise(Tape& tape, const std::vector<Tensor>& inputs, double flops, F f) {
  const Tensor& x = inputs.front();
  const auto all = [f](Tape::Inputs in, std::span<float> out) {
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = f(in, i);
  };
  return tape.run(x.rows, x.columns, flops * double(x.size()), inputs, all);
}

/// a b, either transposed or not.
inline Tensor product(Tape& tape, const Tensor& a, bool turn_a, const Tensor& b, bool turn_b) {
  gpt::MatrixProduct p{turn_a, turn_b, a.rows, turn_b ? b.rows : b.columns, a.columns};
  if (turn_a) std::swap(p.m, p.k);
  return tape.run(p.m, p.n, p.flops(), {a, b},
                  [p, a_row = a.columns, b_row = b.columns](Tape::Inputs in, auto out) {
                    gpt::multiply(p, gpt::ConstMatrix{in[0], a_row}, gpt::ConstMatrix{in[1], b_row},
                                  gpt::Matrix{out.data(), p.n});
                  });
}

/// x w
inline Variable matmul(const Variable& x, const Variable& w) {
  Tape::Saved saved = x.tape->save({x.tensor, w.tensor});
  return x.tape->record(product(*x.tape, x.tensor, false, w.tensor, false), {x, w},
                        std::move(saved), [](Tape& tape, auto s, const Tensor& dy) {
                          return std::vector{product(tape, dy, false, s[1], true),
                                             product(tape, s[0], true, dy, false)};
                        });
}

/// a + b
inline Variable add(const Variable& a, const Variable& b) {
  const auto sum = [](Tape::Inputs in, std::size_t i) { return in[0][i] + in[1][i]; };
  return a.tape->record(elementwise(*a.tape, {a.tensor, b.tensor}, 1, sum), {a, b}, {},
                        [](Tape&, auto, auto& dy) {
                          return std::vector{dy, dy};
                        });
}

/// max(x, 0)
inline Variable relu(const Variable& x) {
  const auto positive = [](Tape::Inputs in, std::size_t i) { return std::max(in[0][i], 0.0F); };
  Tensor y = elementwise(*x.tape, {x.tensor}, 1, positive);
  Tape::Saved saved = x.tape->save({y});
  const auto gate = [](Tape::Inputs in, std::size_t i) { return in[0][i] > 0 ? in[1][i] : 0; };
  return x.tape->record(std::move(y), {x}, std::move(saved), [gate](Tape& tape, auto s, auto& dy) {
    return std::vector{elementwise(tape, {s[0], dy}, 1, gate)};
  });
}

/// Zeroes each element with this probability and scales the others.
inline Variable dropout(const Variable& x, float probability) {
  const auto times = [](Tape::Inputs in, std::size_t i) { return in[0][i] * in[1][i]; };
  const auto draw = [random = x.tape->next_random(), probability](Tape::Inputs, std::size_t i) {
    return random.uniform(i) < probability ? 0 : 1 / (1 - probability);
  };
  const Tensor mask = elementwise(*x.tape, {x.tensor}, 10, draw);  // of x, only the shape
  Tape::Saved saved = x.tape->save({mask});
  return x.tape->record(elementwise(*x.tape, {x.tensor, mask}, 1, times), {x}, std::move(saved),
                        [times](Tape& tape, auto s, auto& dy) {
                          return std::vector{elementwise(tape, {dy, s[0]}, 1, times)};
                        });
}

/// The mean cross-entropy of softmax(logits) with the target of each row.
inline Variable cross_entropy(const Variable& logits, const std::vector<std::uint8_t>& targets) {
  const std::size_t columns = logits.tensor.columns;
  const auto softmax = [columns](Tape::Inputs in, auto out) {
    for (std::size_t at = 0; at < out.size(); at += columns) {
      float sum = 0;
      for (std::size_t i = at; i < at + columns; ++i) sum += out[i] = std::exp(in[0][i]);
      for (std::size_t i = at; i < at + columns; ++i) out[i] /= sum;
    }
  };
  const auto mean = [columns, targets](Tape::Inputs in, auto out) {
    for (std::size_t row = 0; row < targets.size(); ++row) {
      out[0] -= std::log(in[0][row * columns + targets[row]]) / float(targets.size());
    }
  };
  const auto gradient = [columns, targets](Tape::Inputs in, std::size_t i) {
    const float error = in[0][i] - float(targets[i / columns] == i % columns);
    return in[1][0] * error / float(targets.size());
  };
  Tape& tape = *logits.tape;
  const double flops = 12 * double(logits.tensor.size());
  const Tensor p = tape.run(targets.size(), columns, flops, {logits.tensor}, softmax);
  Tape::Saved saved = tape.save({p});
  return tape.record(tape.run(1, 1, flops, {p}, mean), {logits}, std::move(saved),
                     [gradient](Tape& t, auto s, auto& dy) {
                       return std::vector{elementwise(t, {s[0], dy}, 3, gradient)};
                     });
}

}  // namespace tape
