// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <reprise/program/program.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise_test {

/// What a random program of every shape is made of.
struct WildOptions {
  std::size_t forwards = 12;     ///< operations before the loss at most; all, where there is none
  bool has_loss = true;          ///< and after it a backward for some of them
  bool is_chain = false;         ///< operations read what the two before them made, layers in order
  bool only_repeatable = false;  ///< operations before the loss
  bool has_views = true;         ///< of results, constants and other views
  bool consumes = true;          ///< what nothing reads afterwards
  bool views_outlive = false;    ///< what is consumed: they hold on to its bytes
  bool tolerates = false;        ///< backwards do some of what they read; see `wild_forms`
};

/// Makes programs with all that a valid one may have: views of results, of constants and of views;
/// several results, views among them; values that stay; outputs that nobody reads; consumed inputs;
/// operations that make nothing, or cannot run again; gradients that are parts of others; layers
/// that are interleaved, empty or all the same; values that the engine lets go of late or never.
class WildProgram {
 public:
  explicit WildProgram(std::mt19937_64& random, WildOptions options = {})
      : random_(random), options_(options) {}

  [[nodiscard]] reprise::Program make() {
    cost_kind_ = pick(4);
    layers_ = options_.is_chain ? 1 + pick(options_.forwards) : 1 + pick(4);
    if (chance(0.3)) layers_ = 1;
    add_given();
    const std::size_t forwards = 1 + pick(options_.forwards);
    for (std::size_t i = 0; i < forwards; ++i) add_forward(i, forwards);
    reprise::operation_id loss = reprise::Program::no_operation;
    if (options_.has_loss) {
      loss = static_cast<reprise::operation_id>(operations_.size());
      add_loss();
      for (std::size_t i = forwards; i-- > 0;) add_backward(i);
    }
    choose_results();
    if (!options_.has_loss && chance(0.5)) choose_releases();
    return {std::move(values_), std::move(operations_), loss, layers_ + (chance(0.1) ? 1 : 0),
            cost_kind_ < 3,     std::move(results_)};
  }

 private:
  using value_id = reprise::value_id;

  [[nodiscard]] std::size_t pick(std::size_t n) { return static_cast<std::size_t>(random_() % n); }
  [[nodiscard]] bool chance(double p) { return static_cast<double>(random_() >> 11U) < p * 0x1p53; }

  // Small numbers, of which some are zero; very uneven ones; or seconds as a clock would measure
  // them.
  [[nodiscard]] double cost() {
    const std::size_t unit = pick(10);
    if (cost_kind_ < 2) return static_cast<double>(unit);
    if (cost_kind_ == 2) return unit == 0 ? 0 : std::pow(10.0, static_cast<double>(unit));
    return 1e-6 * static_cast<double>(unit * unit) * (0.9 + 2e-4 * static_cast<double>(pick(1000)));
  }

  value_id add_value(reprise::Value value) {
    const auto id = static_cast<value_id>(values_.size());
    value_id owner = id;
    if (value.view_of) owner = owner_[*value.view_of];
    owner_.push_back(owner);
    is_gone_.push_back(0);
    is_fixed_.push_back(0);
    values_.push_back(value);
    if (value.stays) is_fixed_[owner] = 1;
    return id;
  }

  void add_given() {
    const std::size_t count = pick(3) + (options_.has_loss ? 0 : 1);
    for (std::uint32_t i = 0; i < count; ++i) {
      const bool is_input = chance(0.4);
      const auto kind = is_input ? reprise::ValueKind::input : reprise::ValueKind::constant;
      readable_.push_back(add_value({.kind = kind, .port = i, .bytes = is_input ? 0 : pick(9)}));
      is_fixed_[readable_.back()] = 1;
    }
  }

  [[nodiscard]] value_id recent() {
    const std::size_t most = options_.is_chain || chance(0.7) ? 3 : readable_.size();
    return readable_[readable_.size() - 1 - pick(std::min(most, readable_.size()))];
  }

  void add_reads(reprise::Operation& op, std::size_t count) {
    for (; count > 0 && !readable_.empty(); --count) {
      const value_id read = recent();
      const bool is_new = std::ranges::find(op.reads, read) == op.reads.end();
      if (is_new) op.reads.push_back(read);
    }
  }

  // What is taken over is gone, with all that shares its memory unless views outlive it.
  void add_consumed(reprise::Operation& op) {
    if (!options_.consumes || !chance(0.2)) return;
    for (const value_id read : op.reads) {
      const value_id owner = owner_[read];
      if (owner != read || is_fixed_[owner] != 0) continue;
      const auto shares = [&](value_id other) { return owner_[other] == owner; };
      if (std::ranges::count_if(op.reads, shares) > 1) continue;
      op.consumes.push_back(read);
      const auto goes = [&](value_id other) {
        return options_.views_outlive ? other == read : shares(other);
      };
      for (value_id v = 0; v < values_.size(); ++v) {
        if (goes(v)) is_gone_[v] = 1;
      }
      std::erase_if(readable_, goes);
      return;
    }
  }

  [[nodiscard]] std::uint32_t layer_of(std::size_t i, std::size_t count) {
    if (options_.is_chain) return static_cast<std::uint32_t>(i * layers_ / count);
    return static_cast<std::uint32_t>(pick(layers_));
  }

  void add_forward(std::size_t i, std::size_t count) {
    reprise::Operation op{.node = static_cast<std::uint32_t>(i),
                          .layer = layer_of(i, count),
                          .transient_bytes = chance(0.25) ? pick(8) : 0,
                          .cost = cost(),
                          .repeatable = options_.only_repeatable || chance(0.85)};
    add_reads(op, pick(4));
    const std::vector<value_id> sources = op.reads;
    add_consumed(op);
    std::vector<value_id> made;
    const std::size_t writes = chance(0.08) ? 0 : 1 + (chance(0.35) ? 1 + pick(2) : 0);
    bool has_saved = false;
    for (std::uint32_t port = 0; port < writes; ++port) {
      reprise::Value value{.node = op.node, .port = port, .bytes = pick(13)};
      value.stays = chance(0.08);
      if (options_.has_views && !sources.empty() && chance(0.2)) {
        value.view_of = sources[pick(sources.size())];
        if (is_gone_[*value.view_of] != 0) value.view_of.reset();
        if (value.view_of) value.bytes = 0;
      } else if (options_.has_loss && port > 0 && chance(0.6)) {
        value.kind = reprise::ValueKind::saved;
        has_saved = true;
      }
      made.push_back(add_value(value));
    }
    op.writes = made;
    op.can_skip_output = has_saved && chance(0.6);
    made_by_.push_back(made);
    readable_.insert(readable_.end(), made.begin(), made.end());
    operations_.push_back(std::move(op));
  }

  value_id add_gradient(std::uint32_t node, std::uint32_t port) {
    return add_value({.kind = reprise::ValueKind::gradient,
                      .node = node,
                      .port = port,
                      .bytes = pick(9),
                      .stays = chance(0.1)});
  }

  void add_loss() {
    reprise::Operation loss{.kind = reprise::OperationKind::loss, .cost = 1};
    add_reads(loss, pick(4));
    for (std::size_t i = pick(3); i > 0; --i) {
      gradients_.push_back(add_gradient(0, static_cast<std::uint32_t>(i)));
      loss.writes.push_back(gradients_.back());
    }
    operations_.push_back(std::move(loss));
  }

  void add_backward(std::size_t i) {
    if (chance(0.1)) return;
    const reprise::Operation& forward = operations_[i];
    reprise::Operation op{.kind = reprise::OperationKind::backward,
                          .node = forward.node,
                          .layer = forward.layer,
                          .transient_bytes = chance(0.25) ? pick(8) : 0,
                          .cost = cost()};
    const auto read = [&](value_id value) {
      const bool is_new = std::ranges::find(op.reads, value) == op.reads.end();
      if (is_gone_[value] == 0 && is_new) op.reads.push_back(value);
    };
    for (const value_id value : forward.reads) {
      if (chance(0.5)) read(value);
    }
    for (const value_id value : made_by_[i]) {
      if (chance(0.6)) read(value);
    }
    for (std::size_t n = pick(3); n > 0 && !gradients_.empty(); --n) {
      const value_id gradient = gradients_[pick(gradients_.size())];
      if (std::ranges::find(op.reads, gradient) != op.reads.end()) continue;
      op.reads.push_back(gradient);
      const bool ends = values_[gradient].stays || chance(0.5);
      if (!ends) continue;
      std::erase(gradients_, gradient);
      if (!values_[gradient].stays && chance(0.3)) {
        op.consumes.push_back(gradient);
        is_gone_[gradient] = 1;
      }
    }
    if (options_.tolerates) {
      for (std::size_t at = 0; at < op.reads.size(); ++at) {
        const bool is_gradient = values_[op.reads[at]].kind == reprise::ValueKind::gradient;
        if (!is_gradient && chance(0.5)) op.tolerate(at);
      }
    }
    op.adds_in_place = chance(0.2);
    for (std::size_t n = pick(3); n > 0; --n) {
      const bool is_part = !gradients_.empty() && chance(0.3);
      const value_id gradient = is_part ? gradients_[pick(gradients_.size())]
                                        : add_gradient(forward.node, static_cast<std::uint32_t>(n));
      if (is_part) {
        if (std::ranges::find(op.reads, gradient) != op.reads.end()) continue;
        op.accumulates.push_back(gradient);
        continue;
      }
      op.writes.push_back(gradient);
      if (chance(0.1)) op.accumulates.push_back(gradient);
    }
    for (const value_id gradient : op.writes) gradients_.push_back(gradient);
    operations_.push_back(std::move(op));
  }

  void choose_results() {
    for (std::size_t n = pick(4); n > 0; --n) {
      const auto value = static_cast<value_id>(pick(values_.size() + 1));
      if (value >= values_.size() || is_gone_[value] != 0) continue;
      if (std::ranges::find(results_, value) == results_.end()) results_.push_back(value);
    }
  }

  // Right after the last reader, later, or never.
  void choose_releases() {
    std::vector<std::size_t> last(values_.size(), operations_.size());
    for (std::size_t op = 0; op < operations_.size(); ++op) {
      for (const value_id v : operations_[op].reads) last[v] = op;
      for (const value_id v : operations_[op].writes) last[v] = op;
    }
    for (value_id v = 0; v < values_.size(); ++v) {
      if (last[v] == operations_.size() || values_[v].stays) continue;
      const bool is_result = std::ranges::find(results_, v) != results_.end();
      if (is_result || chance(0.1)) continue;
      const std::size_t at = chance(0.7) ? last[v] : last[v] + pick(operations_.size() - last[v]);
      operations_[at].releases.push_back(v);
    }
  }

  std::mt19937_64& random_;
  WildOptions options_;
  std::size_t cost_kind_ = 0;
  std::size_t layers_ = 1;
  std::vector<reprise::Value> values_;
  std::vector<reprise::Operation> operations_;
  std::vector<value_id> results_;
  std::vector<value_id> owner_;
  std::vector<std::uint8_t> is_gone_;   ///< it was taken over
  std::vector<std::uint8_t> is_fixed_;  ///< of an owner: it must not be taken over
  std::vector<value_id> readable_;
  std::vector<value_id> gradients_;  ///< that more may be added to, or read
  std::vector<std::vector<value_id>> made_by_;
};

/// A random program with all that a valid one may have.
inline reprise::Program wild_program(std::mt19937_64& random, WildOptions options = {}) {
  return WildProgram(random, options).make();
}

}  // namespace reprise_test
