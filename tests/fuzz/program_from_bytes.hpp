// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule.hpp>
#include <span>
#include <utility>
#include <vector>

namespace reprise_test {

/// Reads numbers from a fuzzer's bytes; zeros when they are used up.
class ByteReader {
 public:
  ByteReader(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}

  [[nodiscard]] bool is_at_end() const { return bytes_.empty(); }
  std::uint8_t byte() {
    if (bytes_.empty()) return 0;
    const std::uint8_t first = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return first;
  }
  std::size_t below(std::size_t n) { return n == 0 ? 0 : byte() % n; }
  bool one_in(std::size_t n) { return below(n) == n - 1; }

 private:
  std::span<const std::uint8_t> bytes_;
};

/// What a program is made from: mostly what a builder would write, with mistakes here and there.
class ProgramParts {
 public:
  explicit ProgramParts(ByteReader& bytes) : bytes_(bytes) {
    const std::uint8_t first = bytes.byte();
    const bool has_loss = first % 2 == 1;
    has_forms_ = first >= 192;
    cost_is_flops_ = !has_forms_;  // what goes beside computing has its costs in seconds
    has_mistakes_ = bytes.one_in(4);
    layers_ = 1 + bytes.below(4);
    for (std::size_t n = bytes.below(4); n > 0; --n) add_given();
    const std::size_t forwards = 1 + bytes.below(8);
    for (std::size_t n = forwards; n > 0; --n) add_operation(reprise::OperationKind::forward);
    if (has_loss) {
      loss_ = static_cast<reprise::operation_id>(operations_.size());
      add_operation(reprise::OperationKind::loss);
      for (std::size_t n = bytes.below(8); n > 0; --n) {
        add_operation(reprise::OperationKind::backward);
      }
    }
    for (std::size_t n = bytes.below(3); n > 0; --n) results_.push_back(any_value());
    if (bytes.one_in(8)) layers_ = mistaken(bytes.byte());
    if (bytes.one_in(16)) loss_ = static_cast<reprise::operation_id>(mistaken(bytes.byte()));
  }

  /// @throws InvalidGraph as `Program` does
  [[nodiscard]] reprise::Program program() const {
    return {values_, operations_, loss_, layers_, cost_is_flops_, results_};
  }

 private:
  using value_id = reprise::value_id;

  // Small, at the borders of what is counted, or anything.
  [[nodiscard]] std::uint64_t mistaken(std::uint8_t choice) {
    constexpr std::array<std::uint64_t, 8> borders{0,
                                                   1,
                                                   65536,
                                                   0xFFFFFFFEU,
                                                   0xFFFFFFFFU,
                                                   std::uint64_t{1} << 62U,
                                                   std::uint64_t{1} << 63U,
                                                   std::numeric_limits<std::uint64_t>::max()};
    return has_mistakes_ ? borders[choice % borders.size()] : 1 + choice;
  }
  [[nodiscard]] reprise::byte_count size() {
    const std::uint8_t choice = bytes_.byte();
    return choice < 240 ? choice % 16 : mistaken(choice);
  }
  [[nodiscard]] double cost() {
    constexpr std::array<double, 8> borders{-1,
                                            5e-324,
                                            1e-310,
                                            1e149,
                                            1e150,
                                            1e308,
                                            std::numeric_limits<double>::infinity(),
                                            std::numeric_limits<double>::quiet_NaN()};
    const std::uint8_t choice = bytes_.byte();
    return choice < 240 || !has_mistakes_ ? choice % 8 : borders[choice % borders.size()];
  }
  [[nodiscard]] value_id any_value() {
    if (has_mistakes_ && bytes_.one_in(8)) return static_cast<value_id>(mistaken(bytes_.byte()));
    return static_cast<value_id>(bytes_.below(values_.size()));
  }
  // Of those that can still be read, unless by mistake.
  [[nodiscard]] std::optional<value_id> there() {
    if (has_mistakes_ && bytes_.one_in(8)) return any_value();
    if (there_.empty()) return std::nullopt;
    return there_[there_.size() - 1 - bytes_.below(there_.size())];
  }

  void add_given() {
    const bool is_input = bytes_.one_in(2);
    there_.push_back(static_cast<value_id>(values_.size()));
    values_.push_back({.kind = is_input ? reprise::ValueKind::input : reprise::ValueKind::constant,
                       .port = static_cast<std::uint32_t>(values_.size()),
                       .bytes = is_input && !has_mistakes_ ? 0 : size()});
    if (has_mistakes_ && bytes_.one_in(16)) values_.back().view_of = any_value();
  }

  void add_operation(reprise::OperationKind kind) {
    reprise::Operation op{.kind = kind, .node = static_cast<std::uint32_t>(operations_.size())};
    const std::uint8_t flags = bytes_.byte();
    op.repeatable =
        kind == reprise::OperationKind::forward ? (flags & 3U) != 0 : (flags & 15U) == 1;
    op.adds_in_place = (flags & 16U) != 0;
    op.can_skip_output = (flags & 32U) != 0;
    op.layer = static_cast<std::uint32_t>(bytes_.below(layers_));
    op.cost = cost();
    op.transient_bytes = (flags & 64U) != 0 ? size() : 0;
    for (std::size_t n = bytes_.below(4); n > 0; --n) {
      if (const auto read = there()) op.reads.push_back(*read);
    }
    if (kind == reprise::OperationKind::backward || has_mistakes_) read_approximate(op);
    add_consumed(op);
    for (std::size_t n = bytes_.below(4); n > 0; --n) add_written(op);
    if (kind != reprise::OperationKind::forward || has_mistakes_) add_part(op);
    if ((flags & 128U) != 0) add_released(op);
    if (has_mistakes_ && bytes_.one_in(8)) op.kind = static_cast<reprise::OperationKind>(flags % 5);
    if (has_mistakes_ && bytes_.one_in(8)) op.layer = static_cast<std::uint32_t>(mistaken(flags));
    operations_.push_back(std::move(op));
    if (has_forms_ && bytes_.one_in(2)) keep_in_a_form();
    if (!forms_.empty() && bytes_.one_in(2)) restore();
  }

  void read_approximate(reprise::Operation& op) {
    if (approximate_.empty() || !bytes_.one_in(2)) return;
    op.reads.push_back(approximate_[bytes_.below(approximate_.size())]);
    if (has_mistakes_ && bytes_.one_in(4)) return;
    op.tolerate(op.reads.size() - 1);
  }

  void keep_in_a_form() {
    const auto original = there();
    if (!original || (!can_have_forms(*original) && !has_mistakes_)) return;
    const bool is_offload = bytes_.one_in(2);
    const bool was_approximate = *original < values_.size() && values_[*original].is_approximate;
    reprise::Value form{.kind = reprise::ValueKind::form,
                        .is_approximate = was_approximate || bytes_.one_in(2),
                        .form_of = *original};
    (is_offload ? form.host_bytes : form.bytes) = size();
    if (form.is_approximate) form.variance = cost();
    forms_.push_back(static_cast<value_id>(values_.size()));
    add_copy(is_offload ? reprise::OperationKind::offload : reprise::OperationKind::encode,
             *original, form);
  }

  void restore() {
    const value_id form = forms_[bytes_.below(forms_.size())];
    const bool is_offloaded = values_[form].host_bytes > 0;
    reprise::Value restored{.kind = reprise::ValueKind::restored,
                            .bytes = size(),
                            .is_approximate = values_[form].is_approximate,
                            .form_of = values_[form].form_of};
    if (has_mistakes_ && bytes_.one_in(8)) restored.form_of = any_value();
    (restored.is_approximate ? approximate_ : there_)
        .push_back(static_cast<value_id>(values_.size()));
    add_copy(is_offloaded ? reprise::OperationKind::fetch : reprise::OperationKind::decode, form,
             restored);
  }

  [[nodiscard]] bool can_have_forms(value_id value) const {
    if (value >= values_.size()) return false;
    const reprise::ValueKind kind = values_[value].kind;
    return kind == reprise::ValueKind::output || kind == reprise::ValueKind::saved;
  }

  void add_copy(reprise::OperationKind kind, value_id from, const reprise::Value& to) {
    if (has_mistakes_ && bytes_.one_in(8)) kind = reprise::OperationKind::encode;
    operations_.push_back({.kind = kind,
                           .node = static_cast<std::uint32_t>(operations_.size()),
                           .reads = {from},
                           .writes = {static_cast<value_id>(values_.size())},
                           .cost = cost(),
                           .repeatable = bytes_.one_in(2)});
    values_.push_back(to);
  }

  void add_consumed(reprise::Operation& op) {
    if (op.reads.empty() || !bytes_.one_in(4)) return;
    const value_id consumed = has_mistakes_ ? any_value() : op.reads[bytes_.below(op.reads.size())];
    op.consumes.push_back(consumed);
    std::erase(there_, consumed);
  }

  void add_written(reprise::Operation& op) {
    reprise::Value value{.kind = reprise::ValueKind::output,
                         .node = op.node,
                         .port = static_cast<std::uint32_t>(op.writes.size()),
                         .bytes = size()};
    if (op.kind != reprise::OperationKind::forward) value.kind = reprise::ValueKind::gradient;
    if (op.kind == reprise::OperationKind::forward && bytes_.one_in(4)) {
      value.kind = reprise::ValueKind::saved;
    }
    if (!op.reads.empty() && bytes_.one_in(4)) {
      value.view_of = has_mistakes_ ? any_value() : op.reads[bytes_.below(op.reads.size())];
    }
    value.stays = bytes_.one_in(8);
    if (has_mistakes_ && bytes_.one_in(16))
      value.kind = static_cast<reprise::ValueKind>(bytes_.byte());
    const auto id = static_cast<value_id>(values_.size());
    values_.push_back(value);
    op.writes.push_back(has_mistakes_ && bytes_.one_in(16) ? any_value() : id);
    there_.push_back(id);
  }

  void add_part(reprise::Operation& op) {
    for (std::size_t n = bytes_.below(3); n > 0; --n) {
      const auto part = there();
      if (!part) continue;
      const bool is_gradient =
          *part < values_.size() && values_[*part].kind == reprise::ValueKind::gradient;
      if (is_gradient || has_mistakes_) op.accumulates.push_back(*part);
    }
  }

  void add_released(reprise::Operation& op) {
    const auto released = there();
    if (!released) return;
    op.releases.push_back(*released);
    std::erase(there_, *released);
  }

  ByteReader& bytes_;
  bool has_mistakes_ = false;
  bool has_forms_ = false;
  bool cost_is_flops_ = true;
  std::size_t layers_ = 1;
  reprise::operation_id loss_ = reprise::Program::no_operation;
  std::vector<reprise::Value> values_;
  std::vector<reprise::Operation> operations_;
  std::vector<value_id> results_;
  std::vector<value_id> there_;
  std::vector<value_id> forms_;
  std::vector<value_id> approximate_;  ///< restored, for who tolerates it
};

/// Some actions, whatever they mean.
inline reprise::Schedule schedule_from_bytes(ByteReader& bytes, const reprise::Program& program) {
  reprise::Schedule schedule;
  while (!bytes.is_at_end()) {
    const std::uint8_t what = bytes.byte();
    const std::size_t count =
        (what & 1U) != 0 ? program.operations().size() : program.values().size();
    schedule.actions.push_back(
        {.kind = (what & 1U) != 0 ? reprise::ActionKind::run : reprise::ActionKind::drop,
         .index = static_cast<std::uint32_t>(bytes.below(count + 1)),
         .skips_output = (what & 2U) != 0});
    if (what >= 254) schedule.actions.back().kind = static_cast<reprise::ActionKind>(what);
    if (what >= 240 && what < 248) {
      schedule.actions.back().kind =
          (what & 2U) != 0 ? reprise::ActionKind::start : reprise::ActionKind::await;
      schedule.actions.back().restores_original = (what & 4U) != 0;
    }
    if (what == 253) schedule.actions.back().index = 0xFFFFFFFFU;
  }
  return schedule;
}

}  // namespace reprise_test
