// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Programs as an engine with a tape would record them, from a description of the forward alone.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/units.hpp>
#include <reprise/program/program.hpp>
#include <utility>
#include <vector>

namespace kinds {

using reprise::byte_count;
using reprise::Program;
using reprise::value_id;

/// What the backward of an operation needs beside the gradient of its output.
struct BackwardReads {
  bool others = false;  ///< the gradient of an input takes all other inputs, as a product's does
  bool own = false;     ///< the gradient of an input takes that input
  bool output = false;
};

/// Records operations of one output each and then differentiates them: an operation for each
/// gradient of an input, an addition where several come together. Every operation can be repeated;
/// the results are the last value and the gradients of the weights.
class Recorder {
 public:
  /// A weight, which is there from the start.
  value_id weight(byte_count bytes) {
    weights_.push_back(add_value(bytes, reprise::ValueKind::constant));
    return weights_.back();
  }
  /// Data: a constant that needs no gradient.
  value_id data(byte_count bytes) { return add_value(bytes, reprise::ValueKind::constant); }

  value_id run(std::vector<value_id> reads, byte_count bytes, double cost, BackwardReads needs) {
    const value_id output = add_operation(reads, bytes, cost);
    tape_.push_back({.reads = std::move(reads), .output = output, .cost = cost, .needs = needs});
    return output;
  }

  // ---- what nets are made of; bytes are those of the output ----

  /// Costs are FLOPs; a byte is a quarter of a float.
  value_id product(value_id a, value_id b, byte_count bytes, std::size_t inner) {
    return run({a, b}, bytes, 2.0 * static_cast<double>(bytes / 4 * inner), {.others = true});
  }
  value_id sum(std::vector<value_id> reads) {
    const byte_count bytes = values_[reads[0]].bytes;
    return run(std::move(reads), bytes, elementwise(bytes), {});
  }
  value_id times(value_id a, value_id b) {
    return run({a, b}, values_[a].bytes, elementwise(values_[a].bytes), {.others = true});
  }
  /// As tanh or a sigmoid: its derivative is a function of its output.
  value_id squash(value_id x) {
    return run({x}, values_[x].bytes, 4 * elementwise(values_[x].bytes), {.output = true});
  }
  /// As a normalisation or GELU: its derivative is a function of its input.
  value_id bend(value_id x) {
    return run({x}, values_[x].bytes, 4 * elementwise(values_[x].bytes), {.own = true});
  }
  value_id part(value_id x, byte_count bytes) { return run({x}, bytes, elementwise(bytes), {}); }
  value_id joined(std::vector<value_id> reads) {
    byte_count bytes = 0;
    for (const value_id read : reads) bytes += values_[read].bytes;
    return run(std::move(reads), bytes, elementwise(bytes), {});
  }
  [[nodiscard]] byte_count bytes(value_id value) const { return values_[value].bytes; }

  /// Differentiates the last value and ends the record.
  [[nodiscard]] Program differentiate() {
    std::vector<std::optional<value_id>> gradients(values_.size());
    const value_id loss = tape_.back().output;
    const std::vector<bool> needed = reachable();
    gradients[loss] = add_operation({}, values_[loss].bytes, elementwise(values_[loss].bytes));
    for (std::size_t i = tape_.size(); i-- > 0;) {
      const Entry& entry = tape_[i];
      if (!gradients[entry.output]) continue;
      for (std::size_t input = 0; input < entry.reads.size(); ++input) {
        const value_id of = entry.reads[input];
        if (!needed[of]) continue;
        const value_id gradient =
            add_operation(reads_of(entry, input, *gradients[entry.output]), values_[of].bytes,
                          std::max(entry.cost, elementwise(values_[of].bytes)));
        gradients[of] = gradients[of] ? add_operation({*gradients[of], gradient}, values_[of].bytes,
                                                      elementwise(values_[of].bytes))
                                      : gradient;
      }
    }
    std::vector<value_id> results{loss};
    for (const value_id weight : weights_) {
      if (gradients[weight]) results.push_back(*gradients[weight]);
    }
    release_after_last_reader(results);
    return {std::move(values_), std::move(operations_), Program::no_operation, 1, true,
            std::move(results)};
  }

 private:
  struct Entry {
    std::vector<value_id> reads;
    value_id output;
    double cost;
    BackwardReads needs;
  };

  [[nodiscard]] static double elementwise(byte_count bytes) {
    return static_cast<double>(bytes / 4);
  }

  value_id add_value(byte_count bytes, reprise::ValueKind kind) {
    values_.push_back(
        {.kind = kind, .node = static_cast<std::uint32_t>(operations_.size()), .bytes = bytes});
    return static_cast<value_id>(values_.size() - 1);
  }

  value_id add_operation(std::vector<value_id> reads, byte_count bytes, double cost) {
    const value_id output = add_value(bytes, reprise::ValueKind::output);
    std::ranges::sort(reads);
    reads.erase(std::unique(reads.begin(), reads.end()), reads.end());
    operations_.push_back({.node = static_cast<std::uint32_t>(operations_.size()),
                           .reads = std::move(reads),
                           .writes = {output},
                           .cost = cost,
                           .repeatable = true});
    return output;
  }

  [[nodiscard]] static std::vector<value_id> reads_of(const Entry& entry, std::size_t input,
                                                      value_id gradient) {
    std::vector<value_id> reads{gradient};
    if (entry.needs.output) reads.push_back(entry.output);
    if (entry.needs.own) reads.push_back(entry.reads[input]);
    if (entry.needs.others) {
      for (std::size_t other = 0; other < entry.reads.size(); ++other) {
        if (other != input) reads.push_back(entry.reads[other]);
      }
    }
    return reads;
  }

  /// What depends on a weight.
  [[nodiscard]] std::vector<bool> reachable() const {
    std::vector<bool> needed(values_.size(), false);
    for (const value_id weight : weights_) needed[weight] = true;
    for (const Entry& entry : tape_) {
      needed[entry.output] =
          std::ranges::any_of(entry.reads, [&](value_id read) { return needed[read]; });
    }
    return needed;
  }

  void release_after_last_reader(const std::vector<value_id>& results) {
    std::vector<std::size_t> last(values_.size(), 0);
    for (std::size_t op = 0; op < operations_.size(); ++op) {
      for (const value_id read : operations_[op].reads) last[read] = op;
      for (const value_id written : operations_[op].writes) last[written] = op;
    }
    for (value_id value = 0; value < values_.size(); ++value) {
      const bool stays = values_[value].kind == reprise::ValueKind::constant ||
                         std::ranges::find(results, value) != results.end();
      if (!stays) operations_[last[value]].releases.push_back(value);
    }
  }

  std::vector<reprise::Value> values_;
  std::vector<reprise::Operation> operations_;
  std::vector<value_id> weights_;
  std::vector<Entry> tape_;
};

}  // namespace kinds
