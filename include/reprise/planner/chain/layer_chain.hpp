// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A program's layers as a chain.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/program/ledger.hpp>
#include <reprise/program/program.hpp>
#include <reprise/program/schedule_of_runs.hpp>
#include <reprise/program/storages.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// One link of a chain: what it runs, and what that takes by the ledger.
///
/// The *input* of a link is what it reads of the link before it, its *output* what the next link
/// reads. Peaks count all that is live inside the link's own operations: its input, what it makes,
/// transients, the program's constants; backward's count all gradients that are live too.
struct ChainLink {
  std::vector<std::uint32_t> layers{};  ///< of the program, in order; none for the loss
  RunList forward{};                    ///< all of its forward operations
  RunList recompute{};                  ///< those of them that its backward needs
  RunList backward{};           ///< all of its backward operations; the loss's own: the loss
  double forward_cost = 0;      ///< of all of `forward`, in the program's unit
  double recompute_cost = 0;    ///< of all of `recompute`
  double backward_cost = 0;     ///< of all of `backward`
  byte_count output_bytes = 0;  ///< of what the next link reads
  /// From a forward that saves to backward: what it made for its backward beyond its output, and as
  /// much of its input as the backward of this link or of the one before it reads.
  byte_count saved_bytes = 0;
  byte_count own_saved_bytes = 0;  ///< of these, what no other link holds too
  byte_count gradient_bytes = 0;   ///< live just before its backward
  byte_count holding_peak = 0;     ///< of a forward that leaves its input and its output
  byte_count passing_peak = 0;     ///< of a forward that leaves its output alone
  byte_count saving_peak = 0;      ///< of a forward that leaves its output and what it saved
  byte_count recompute_peak = 0;   ///< of a recompute that leaves what its backward needs
  byte_count backward_peak = 0;    ///< of its backward, all gradients included
  bool is_free = false;            ///< its backward, if it has one, reads gradients alone
};

namespace layer_chain {

inline constexpr std::uint32_t none = std::numeric_limits<std::uint32_t>::max();

/// The link of each operation and which links must be one; checks that they are a chain.
class Layout {
 public:
  explicit Layout(const Program& program)
      : program_(program), link_of_(program.operations().size(), none) {
    if (!program.has_loss()) {
      throw NotAChain("a program of " + std::to_string(program.operations().size()) +
                      " operations without a loss operation is no chain of layers");
    }
    number_forwards();
    number_backwards();
    check_reads();
    check_backward();
    merge();
  }

  /// The number of links, the loss's among them.
  [[nodiscard]] std::size_t size() const noexcept { return layers_.size(); }
  [[nodiscard]] std::uint32_t link_of(operation_id op) const noexcept { return link_of_[op]; }
  /// The link that makes a value; `none` for one that is given.
  [[nodiscard]] std::uint32_t link_of_value(value_id value) const noexcept {
    const operation_id maker = program_.maker(value);
    return maker == Program::no_operation ? none : link_of_[maker];
  }
  [[nodiscard]] const std::vector<std::uint32_t>& layers(std::size_t link) const noexcept {
    return layers_[link];
  }

 private:
  void number_forwards() {
    link_of_layer_.assign(program_.layer_count(), none);
    for (operation_id op = 0; op < program_.loss(); ++op) {
      const std::uint32_t layer = program_.operations()[op].layer;
      if (layers_.empty() || layers_.back().front() != layer) {
        if (link_of_layer_[layer] != none) {
          refuse(op, "comes after layer " + std::to_string(layers_.back().front()) +
                         ", which came after it");
        }
        link_of_layer_[layer] = static_cast<std::uint32_t>(layers_.size());
        layers_.push_back({layer});
      }
      link_of_[op] = link_of_layer_[layer];
    }
    link_of_[program_.loss()] = static_cast<std::uint32_t>(layers_.size());
    layers_.emplace_back();
  }

  void number_backwards() {
    auto latest = static_cast<std::uint32_t>(layers_.size() - 1);
    for (operation_id op = program_.loss() + 1; op < program_.operations().size(); ++op) {
      link_of_[op] = link_of_layer_[program_.operations()[op].layer];
      if (link_of_[op] > latest) refuse(op, "does not run in the layers' reverse order");
      latest = link_of_[op];
    }
  }

  void check_reads() const {
    for (operation_id op = 0; op < program_.operations().size(); ++op) {
      if (op < program_.loss() && !program_.operations()[op].repeatable) {
        refuse(op, "cannot run again");
      }
      for (const value_id read : program_.operations()[op].reads) {
        if (program_.is_given(read) || program_.maker(read) >= program_.loss()) continue;
        const std::uint32_t maker = link_of_value(read);
        if (link_of_[op] <= maker + 1) continue;
        throw NotAChain(
            "the program is no chain of layers: " + program_.describe(read) + " of layer " +
            std::to_string(program_.layer(read)) + " is read by " +
            program_.describe_operation(op) +
            (op == program_.loss() ? std::string() : " of layer " + std::to_string(layer_of(op))));
      }
    }
  }

  // What the loss takes over would join a layer with it, and what the loss makes could lie in what
  // the layer makes that gets it.
  void check_backward() const {
    const Operation& loss = program_.operations()[program_.loss()];
    if (!loss.consumes.empty()) {
      throw NotAChain("the program is no chain of layers: its loss takes over " +
                      program_.describe(loss.consumes.front()));
    }
    for (operation_id op = program_.loss(); op < program_.operations().size(); ++op) {
      for (const value_id written : program_.operations()[op].writes) {
        const std::optional<value_id>& source = program_.values()[written].view_of;
        if (!source || program_.is_given(*source) || program_.maker(*source) >= program_.loss()) {
          continue;
        }
        throw NotAChain("the program is no chain of layers: " + program_.describe(written) +
                        ", which backward makes, is a view of " + program_.describe(*source) +
                        ", which forward makes");
      }
    }
  }

  // A link whose input is consumed, or whose output is a view of it, cannot be run again on its
  // own.
  void merge() {
    std::vector<std::uint8_t> joins(layers_.size(), 0);  ///< with the link before it
    const auto join = [&](std::uint32_t first, std::uint32_t last) {
      for (std::uint32_t link = first + 1; link <= last; ++link) joins[link] = 1;
    };
    const std::vector<value_id> storages = storages_of(program_);
    for (operation_id op = 0; op <= program_.loss(); ++op) {
      const Operation& o = program_.operations()[op];
      for (const value_id consumed : o.consumes) join(link_of_value(consumed), link_of_[op]);
      for (const value_id read : o.reads) {
        if (program_.is_given(read) || link_of_value(read) == link_of_[op]) continue;
        const value_id source = storages[read];
        if (!program_.values()[source].view_of) join(link_of_value(source), link_of_value(read));
      }
    }
    std::vector<std::uint32_t> merged(layers_.size(), 0);
    for (std::uint32_t link = 1; link < layers_.size(); ++link) {
      merged[link] = merged[link - 1] + (joins[link] != 0 ? 0 : 1);
    }
    std::vector<std::vector<std::uint32_t>> layers(merged.back() + 1);
    for (std::uint32_t link = 0; link < layers_.size(); ++link) {
      std::vector<std::uint32_t>& of_merged = layers[merged[link]];
      of_merged.insert(of_merged.end(), layers_[link].begin(), layers_[link].end());
    }
    for (std::uint32_t& link : link_of_) link = merged[link];
    layers_ = std::move(layers);
  }

  [[nodiscard]] std::uint32_t layer_of(operation_id op) const {
    return program_.operations()[op].layer;
  }
  [[noreturn]] void refuse(operation_id op, const std::string& why) const {
    throw NotAChain("the program is no chain of layers: " + program_.describe_operation(op) +
                    " of layer " + std::to_string(layer_of(op)) + " " + why);
  }

  const Program& program_;
  std::vector<std::uint32_t> link_of_;
  std::vector<std::uint32_t> link_of_layer_;
  std::vector<std::vector<std::uint32_t>> layers_;
};

/// Where each value of a program is made and read, by links.
class Reads {
 public:
  Reads(const Program& program, const Layout& layout)
      : program_(program), layout_(layout), uses_(program.values().size()) {
    for (operation_id op = 0; op < program.operations().size(); ++op) {
      const Operation& o = program.operations()[op];
      for (const value_id read : o.reads) note(read, op);
      for (const value_id part : o.accumulates) note(part, op);
    }
  }

  /// True if the next link reads it, forward or backward.
  [[nodiscard]] bool is_output(value_id value) const { return uses_[value].by_next; }
  /// True if the backward of the link that makes it reads it.
  [[nodiscard]] bool in_own_backward(value_id value) const { return uses_[value].by_own_backward; }
  /// True if that backward or the next link's reads it.
  [[nodiscard]] bool in_backward(value_id value) const {
    return uses_[value].by_own_backward || uses_[value].by_next_backward;
  }
  /// True for a gradient that is live after that link's backward.
  [[nodiscard]] bool outlives(value_id gradient, std::uint32_t link) const {
    return program_.values()[gradient].stays || uses_[gradient].last_link < link;
  }

 private:
  struct Uses {
    bool by_next = false;
    bool by_own_backward = false;
    bool by_next_backward = false;
    std::uint32_t last_link = none;
  };

  void note(value_id value, operation_id op) {
    Uses& uses = uses_[value];
    const std::uint32_t link = layout_.link_of(op);
    const bool is_next = link != layout_.link_of_value(value);
    uses.by_next = uses.by_next || is_next;
    if (op >= program_.loss()) {
      uses.last_link = std::min(uses.last_link, link);
      (is_next ? uses.by_next_backward : uses.by_own_backward) = true;
    }
  }

  const Program& program_;
  const Layout& layout_;
  std::vector<Uses> uses_;
};

/// What a list of runs needs and leaves.
struct Measured {
  byte_count peak = 0;
  byte_count left = 0;
};

/// One link's operations as a program of their own, in which an operation makes each value that
/// comes from elsewhere: so the ledger itself says what the link takes.
class LinkProgram {
 public:
  LinkProgram(const Program& program, const ChainLink& link, std::vector<value_id>& local_of)
      : program_(program), local_of_(local_of) {
    for (const RunList* runs : {&link.forward, &link.backward}) {
      for (const operation_id op : *runs) {
        const Operation& o = program.operations()[op];
        for (const value_id written : o.writes) made_.push_back(written);
      }
    }
    std::ranges::sort(made_);
    for (const RunList* runs : {&link.forward, &link.backward}) {
      for (const operation_id op : *runs) add_outside(program.operations()[op]);
    }
    for (const operation_id op : link.forward) forward.push_back(add(op));
    for (std::size_t i = 0; i < link.forward.size(); ++i) {
      if (std::ranges::binary_search(link.recompute, link.forward[i]))
        recompute.push_back(forward[i]);
    }
    for (const operation_id op : link.backward) backward.push_back(add(op));
    local_.emplace(std::move(values_), std::move(operations_), Program::no_operation, 1, true);
    for (const value_id value : taken_) local_of_[value] = none;
  }

  RunList forward{};
  RunList recompute{};
  RunList backward{};
  RunList inputs{};               ///< make what comes from the link before it
  RunList gradients{};            ///< make the gradients that its backward gets
  byte_count gradient_bytes = 0;  ///< of those

  /// The values with a property, by their numbers here.
  template <class P>
  [[nodiscard]] std::vector<value_id> values_if(P&& has_property) const {
    std::vector<value_id> found;
    for (value_id local = 0; local < taken_.size(); ++local) {
      if (!program_.is_given(taken_[local]) && has_property(taken_[local])) found.push_back(local);
    }
    return found;
  }

  /// Plays runs after `prologue`, whose own peak does not count.
  [[nodiscard]] Measured measure(RunList prologue, const RunList& counted, const RunList& epilogue,
                                 const std::vector<value_id>& kept) const {
    const std::size_t begin = prologue.size();
    const std::size_t end = begin + counted.size();
    prologue.insert(prologue.end(), counted.begin(), counted.end());
    prologue.insert(prologue.end(), epilogue.begin(), epilogue.end());
    Ledger ledger(*local_);
    Measured measured;
    std::size_t runs = 0;
    for (const Action& action : schedule_of_runs(*local_, prologue, kept).actions) {
      runs += action.kind == ActionKind::run ? 1 : 0;
      if (action.kind == ActionKind::run && runs > begin && runs <= end) {
        measured.peak = std::max(measured.peak, ledger.bytes_during(action));
      }
      ledger.apply(action);
    }
    measured.left = ledger.live_bytes();
    return measured;
  }

 private:
  [[nodiscard]] bool is_made(value_id value) const {
    return std::ranges::binary_search(made_, value);
  }

  value_id take(value_id value) {
    if (local_of_[value] != none) return local_of_[value];
    Value copy = without_form(program_.values()[value]);
    if (copy.kind == ValueKind::constant) copy.bytes = 0;
    if (copy.kind != ValueKind::gradient) copy.stays = false;  // it counts as a constant
    if (copy.view_of) copy.view_of = take(*copy.view_of);
    local_of_[value] = static_cast<value_id>(values_.size());
    values_.push_back(copy);
    taken_.push_back(value);
    if (!program_.is_given(value) && !is_made(value)) add_maker(value);
    return local_of_[value];
  }

  // Bytes count here, not what is in them: a form is a value like others.
  [[nodiscard]] static Value without_form(Value value) {
    if (!value.form_of) return value;
    value.kind = ValueKind::saved;
    value.host_bytes = 0;
    value.form_of.reset();
    value.is_approximate = false;
    value.variance = 0;
    return value;
  }

  void add_maker(value_id value) {
    const value_id local = local_of_[value];
    Operation maker{.writes = {local}, .repeatable = true};
    if (values_[local].view_of) maker.reads.push_back(*values_[local].view_of);
    const bool is_gradient = values_[local].kind == ValueKind::gradient;
    (is_gradient ? gradients : inputs).push_back(static_cast<operation_id>(operations_.size()));
    if (is_gradient) gradient_bytes += values_[local].bytes;
    operations_.push_back(std::move(maker));
  }

  void add_outside(const Operation& op) {
    for (const auto* list : {&op.reads, &op.accumulates}) {
      for (const value_id value : *list) {
        if (!is_made(value)) take(value);
      }
    }
    for (const value_id written : op.writes) {
      const std::optional<value_id>& source = program_.values()[written].view_of;
      if (source) take(*source);
    }
  }

  operation_id add(operation_id op) {
    Operation copy = program_.operations()[op];
    for (auto* list : {&copy.writes, &copy.reads, &copy.consumes, &copy.accumulates}) {
      for (value_id& value : *list) value = take(value);
    }
    copy.releases.clear();
    copy.tolerates = 0;
    copy.linear = 0;
    copy.kind = op < program_.loss() ? OperationKind::forward : OperationKind::backward;
    copy.layer = 0;
    copy.repeatable = true;  // what a rerun would take is measured even where none may be
    operations_.push_back(std::move(copy));
    return static_cast<operation_id>(operations_.size() - 1);
  }

  const Program& program_;
  std::vector<value_id>& local_of_;
  std::vector<value_id> made_;   ///< by the link itself, in order
  std::vector<value_id> taken_;  ///< number here -> number in the program
  std::vector<Value> values_;
  std::vector<Operation> operations_;
  std::optional<Program> local_;
};

}  // namespace layer_chain

/// A program's layers as a chain: each reads what the layer before it made and nothing older. The
/// loss is the last link, which makes nothing forward.
///
/// A layer that consumes its input, or hands on a view of it, is one link with the layer before it.
///
/// What a schedule needs that runs whole links follows from the links alone. Let *m* be the bytes
/// that a segment of links [first, last] has: its input, all gradients and all that it makes. Each
/// value goes right after its last reader.
/// - A segment of one link is recomputed and goes backward: needs `need_to_end(last)`.
/// - The first link of a longer one runs and saves, the rest is reversed in m less the saved bytes
///   of `first`, and `first` goes backward: needs `need_to_save(first, last)`. If all of the rest
///   is free, the first is but recomputed.
/// - Or links [first, split) run and save nothing, [split, last] is reversed in m less the bytes of
///   the input, then [first, split - 1] in m: needs `need_to_advance(first, split, last)`. Not all
///   of [first, split) are free.
/// - Or the last link, if it is free, goes backward at once, then [first, last - 1] is reversed in
///   m: needs `need_to_pass(first, last)`.
///
/// The peak so predicted is the ledger's, or above it where the backward of a link reads the output
/// of the link itself and that of the next link does not, or where links are of several operations.
class LayerChain {
 public:
  /// Linear in the program, but for sorting each link's values.
  /// @param program must outlive the chain
  /// @throws NotAChain if a value is read by other layers than its own and the next one, a layer
  ///   comes twice, backward has another order or makes a view of what forward made, the loss takes
  ///   over what it reads, or the program has no loss operation.
  explicit LayerChain(const Program& program) : program_(&program) {
    const layer_chain::Layout layout(program);
    const layer_chain::Reads reads(program, layout);
    links_.resize(layout.size());
    for (operation_id op = 0; op < program.operations().size(); ++op) {
      ChainLink& link = links_[layout.link_of(op)];
      (op < program.loss() ? link.forward : link.backward).push_back(op);
    }
    std::vector<std::uint32_t> wanted_by(program.values().size(), layer_chain::none);
    for (std::uint32_t i = 0; i < links_.size(); ++i) {
      links_[i].layers = layout.layers(i);
      add_costs(i, wanted_by);
    }
    find_free();
    add_gradients(layout, reads);
    add_constants();
    std::vector<value_id> local_of(program.values().size(), layer_chain::none);
    for (std::uint32_t i = 0; i < links_.size(); ++i) measure(i, layout, reads, local_of);
  }

  /// What the links are of.
  [[nodiscard]] const Program& program() const noexcept { return *program_; }
  /// The number of the loss's link: there are so many others.
  [[nodiscard]] std::uint32_t loss() const noexcept {
    return static_cast<std::uint32_t>(links_.size() - 1);
  }
  /// All links, the loss's the last.
  [[nodiscard]] std::span<const ChainLink> links() const noexcept { return links_; }
  /// A link by its number, in the order of their forwards.
  [[nodiscard]] const ChainLink& link(std::size_t i) const noexcept { return links_[i]; }
  /// Bytes of what a link reads of the one before it.
  [[nodiscard]] byte_count input_bytes(std::size_t i) const noexcept {
    return i == 0 ? 0 : links_[i - 1].output_bytes;
  }

  /// The first link from there on that is not free; the loss is none that is.
  [[nodiscard]] std::uint32_t first_bound(std::uint32_t from) const noexcept {
    return first_bound_[from];
  }

  /// Bytes in which a segment of one link is reversed.
  [[nodiscard]] byte_count need_to_end(std::uint32_t last) const noexcept {
    const ChainLink& link = links_[last];
    if (link.recompute.empty()) return link.backward_peak;
    return std::max(link.recompute_peak + link.gradient_bytes, link.backward_peak);
  }
  /// Bytes in which the last link of a segment, which is free, goes backward.
  [[nodiscard]] byte_count need_to_pass(std::uint32_t first, std::uint32_t last) const noexcept {
    return links_[last].backward_peak + (first_bound(first) < last ? input_bytes(first) : 0);
  }
  /// True if all links of a segment but the first are free.
  [[nodiscard]] bool is_rest_free(std::uint32_t first, std::uint32_t last) const noexcept {
    return first == last || first_bound(first + 1) > last;
  }
  /// Bytes in which the first link of a segment runs and saves, and later goes backward.
  [[nodiscard]] byte_count need_to_save(std::uint32_t first, std::uint32_t last) const noexcept {
    const ChainLink& link = links_[first];
    const byte_count forward = is_rest_free(first, last) ? link.recompute_peak : link.saving_peak;
    return std::max(forward + links_[last].gradient_bytes, link.backward_peak);
  }
  /// The cost of that run beyond the link's own forward: it is negative where only a part of it
  /// runs.
  [[nodiscard]] double cost_to_save(std::uint32_t first, std::uint32_t last) const noexcept {
    const ChainLink& link = links_[first];
    return is_rest_free(first, last) ? link.recompute_cost - link.forward_cost : 0.0;
  }
  /// Bytes in which links [first, split) of a segment run, the input of `first` being held. Linear
  /// in their number.
  [[nodiscard]] byte_count need_to_advance(std::uint32_t first, std::uint32_t split,
                                           std::uint32_t last) const noexcept {
    byte_count need = links_[first].holding_peak;
    for (std::uint32_t i = first + 1; i < split; ++i) need = with_next(need, first, i);
    return need + links_[last].gradient_bytes;
  }
  /// From the need of links [first, next) without gradients to that of [first, next].
  [[nodiscard]] byte_count with_next(byte_count need, std::uint32_t first,
                                     std::uint32_t next) const noexcept {
    return std::max(need, input_bytes(first) + links_[next].passing_peak);
  }

 private:
  // What forward makes and is there at the end counts from the start.
  void add_constants() {
    std::vector<std::uint8_t> is_counted(program_->values().size(), 0);
    const std::vector<value_id> storages = storages_of(*program_);
    const auto count = [&](value_id value) {
      const value_id storage = storages[value];
      const Value& owner = program_->values()[storage];
      if (owner.view_of || std::exchange(is_counted[storage], 1) != 0) return;
      constant_bytes_ += owner.bytes;
    };
    for (value_id v = 0; v < storages.size(); ++v) {
      const Value& value = program_->values()[v];
      const bool is_left = value.stays && value.kind != ValueKind::gradient;
      if (value.kind == ValueKind::constant || is_left) count(v);
    }
    for (const value_id result : program_->results()) {
      if (program_->values()[result].kind != ValueKind::gradient) count(result);
    }
  }

  // `wanted_by` holds for each value the last link in whose backward something needs it.
  void add_costs(std::uint32_t i, std::vector<std::uint32_t>& wanted_by) {
    ChainLink& link = links_[i];
    for (const operation_id op : link.backward) {
      const Operation& o = program_->operations()[op];
      link.backward_cost += o.cost;
      for (const value_id read : o.reads) wanted_by[read] = i;
    }
    for (auto op = link.forward.rbegin(); op != link.forward.rend(); ++op) {
      const Operation& o = program_->operations()[*op];
      link.forward_cost += o.cost;
      const auto is_wanted = [&](value_id written) { return wanted_by[written] == i; };
      if (!std::ranges::any_of(o.writes, is_wanted)) continue;
      link.recompute.push_back(*op);
      link.recompute_cost += o.cost;
      for (const value_id read : o.reads) wanted_by[read] = i;
    }
    std::ranges::reverse(link.recompute);
  }

  void find_free() {
    first_bound_.assign(links_.size(), loss());
    for (std::uint32_t i = loss(); i-- > 0;) {
      ChainLink& link = links_[i];
      const auto reads_forward = [&](operation_id op) {
        return std::ranges::any_of(program_->operations()[op].reads, [&](value_id read) {
          const operation_id maker = program_->maker(read);
          return maker != Program::no_operation && maker < program_->loss();
        });
      };
      link.is_free = std::ranges::none_of(link.backward, reads_forward);
      first_bound_[i] = link.is_free ? first_bound_[i + 1] : i;
    }
  }

  void add_gradients(const layer_chain::Layout& layout, const layer_chain::Reads& reads) {
    std::vector<byte_count> born(links_.size(), 0);
    std::vector<byte_count> gone(links_.size(), 0);
    for (value_id v = 0; v < program_->values().size(); ++v) {
      const Value& value = program_->values()[v];
      if (value.kind != ValueKind::gradient) continue;
      const std::uint32_t maker = layout.link_of_value(v);
      if (!reads.outlives(v, maker)) continue;
      born[maker] += value.bytes;
      if (value.stays) continue;
      std::uint32_t last = maker;
      while (reads.outlives(v, last)) --last;
      gone[last] += value.bytes;
    }
    byte_count live = 0;
    for (std::size_t i = links_.size(); i-- > 0;) {
      links_[i].gradient_bytes = live;
      live = live + born[i] - gone[i];
    }
  }

  void measure(std::uint32_t i, const layer_chain::Layout& layout, const layer_chain::Reads& reads,
               std::vector<value_id>& local_of) {
    ChainLink& link = links_[i];
    const layer_chain::LinkProgram local(*program_, link, local_of);
    const auto is_own = [&](value_id v) { return layout.link_of_value(v) == i; };
    const auto is_gradient = [&](value_id v) {
      return program_->values()[v].kind == ValueKind::gradient;
    };
    const auto is_input = [&](value_id v) {
      return !is_own(v) && !is_gradient(v) && reads.is_output(v);
    };
    const auto is_output = [&](value_id v) {
      return is_own(v) && !is_gradient(v) && reads.is_output(v);
    };
    const auto is_saved = [&](value_id v) {
      if (is_gradient(v)) return false;
      if (is_input(v)) return reads.in_backward(v);
      return is_own(v) && !reads.is_output(v) && reads.in_own_backward(v);
    };
    const auto forward = [&](auto&& is_kept) {
      return local.measure(local.inputs, local.forward, {}, local.values_if(is_kept));
    };
    const layer_chain::Measured passing = forward(is_output);
    link.output_bytes = passing.left;
    link.passing_peak = passing.peak;
    link.holding_peak = forward([&](value_id v) { return is_input(v) || is_output(v); }).peak;
    link.saving_peak = forward([&](value_id v) { return is_saved(v) || is_output(v); }).peak;
    link.saved_bytes = forward(is_saved).left;
    for (const operation_id op : link.forward) {
      for (const value_id v : program_->operations()[op].writes) {
        const Value& value = program_->values()[v];
        if (is_saved(v) && !value.view_of) link.own_saved_bytes += value.bytes;
      }
    }

    const std::vector<value_id> stay = local.values_if([&](value_id v) {
      return is_gradient(v) ? reads.outlives(v, i) : is_input(v) && reads.in_own_backward(v);
    });
    RunList begin = local.inputs;
    begin.insert(begin.end(), local.forward.begin(), local.forward.end());
    RunList end = local.gradients;
    end.insert(end.end(), local.backward.begin(), local.backward.end());
    link.recompute_peak = local.measure(begin, local.recompute, end, stay).peak;
    begin.insert(begin.end(), local.recompute.begin(), local.recompute.end());
    begin.insert(begin.end(), local.gradients.begin(), local.gradients.end());
    link.backward_peak = local.measure(begin, local.backward, {}, stay).peak + link.gradient_bytes -
                         local.gradient_bytes;

    for (byte_count* peak : {&link.holding_peak, &link.passing_peak, &link.saving_peak,
                             &link.recompute_peak, &link.backward_peak}) {
      *peak += constant_bytes_;
    }
  }

  const Program* program_;
  std::vector<ChainLink> links_;
  std::vector<std::uint32_t> first_bound_;
  byte_count constant_bytes_ = 0;
};

}  // namespace reprise::inline v0
