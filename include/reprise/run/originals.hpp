// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What the values of a pass were when they were made, to refuse what has changed since.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <reprise/core/error.hpp>
#include <reprise/core/layer_graph.hpp>
#include <reprise/core/saved_state.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/program/lowering.hpp>
#include <reprise/program/program.hpp>
#include <reprise/store/held_form.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace reprise::inline v0::running {

/// What a value of a layer graph's program is: a tensor, a node's saved state, or a form.
template <class T, class S>
struct Payload {
  T tensor{};                 ///< of an output or a gradient; empty otherwise
  S saved{};                  ///< of a node; empty otherwise
  HeldForm<T> form{};         ///< of a form; empty otherwise
  std::uint64_t version = 0;  ///< of the tensor, or of all in the saved state, when it came here
};

/// Remembers versions and, for replay verification, checksums of what one pass reads and makes, and
/// refuses a value that is read and is not what it was.
///
/// Whatever reads a value reads it as its maker made it: the runs after a forward's first would
/// otherwise compute from something else than the first did.
template <LayerGraph G>
class Originals {
 public:
  using T = typename G::tensor_type;  ///< what nodes exchange
  using S = typename G::saved_type;   ///< what a node saves

  /// Borrows the graph, its lowering and the inputs, as they are now.
  Originals(const G& graph, const LoweredGraph& lowered, std::span<T* const> inputs, bool verifies)
      : graph_(graph), lowered_(lowered), verifies_(verifies) {
    inputs_.reserve(inputs.size());
    for (const T* input : inputs) {
      inputs_.push_back({tensor_traits<T>::storage(*input), version_of(*input)});
    }
    if (!verifies) return;
    checksums_.resize(program().values().size());
    uncounted_checksums_.resize(graph.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) note(lowered_.inputs[i], *inputs[i]);
  }

  /// Whether contents are compared, not versions alone.
  [[nodiscard]] bool verifies() const noexcept { return verifies_; }

  // ---- what is made ---------------------------------------------------------------------------

  /// Compares an output with its original; the first one is the original.
  /// @throws ReplayMismatch if it differs.
  void compare_output(value_id value, const T& tensor) {
    if constexpr (ChecksummableTensor<T>) compare(value, checksum_of(tensor));
  }
  /// Compares a node's saved state with its original; the first one is the original.
  /// @throws ReplayMismatch if it differs.
  void compare_saved(std::size_t node, const S& saved) {
    const value_id value = lowered_.saved[node];
    if (value != LoweredGraph::no_value) return compare(value, saved_checksum(saved));
    std::optional<std::uint64_t>& original = uncounted_checksums_[node];
    const std::uint64_t checksum = saved_checksum(saved);
    if (!original) original = checksum;
    if (*original != checksum) refuse_other(node, "saved state of node " + std::to_string(node));
  }
  /// Takes a tensor for what the value is from now on: a gradient that was made or added to.
  void note([[maybe_unused]] value_id value, [[maybe_unused]] const T& tensor) {
    if constexpr (ChecksummableTensor<T>) {
      if (verifies_) checksums_[value] = checksum_of(tensor);
    }
  }

  // ---- what is read ---------------------------------------------------------------------------

  /// Checks a graph input that an operation is about to read.
  /// @param looks_inside whether its content is compared too, if this verifies
  /// @throws ReplayMismatch if it was changed in place since the pass began, or is another tensor.
  void check_input(std::size_t input, const T& tensor, const Operation& reader,
                   bool looks_inside) const {
    const Input& original = inputs_[input];
    if (tensor_traits<T>::storage(tensor) != original.storage) {
      refuse(program().describe(lowered_.inputs[input]) + " was replaced since the pass began",
             reader, "it lies in other memory");
    }
    if (const std::uint64_t now = version_of(tensor); now != original.version) {
      refuse_change(lowered_.inputs[input], reader, versions(original.version, now));
    }
    if (looks_inside) check_content(lowered_.inputs[input], tensor, reader);
  }
  /// Checks an output that an operation is about to read.
  /// @throws ReplayMismatch if it was changed in place since it was made.
  void check_tensor(value_id value, const Payload<T, S>& payload, const Operation& reader,
                    bool looks_inside) const {
    if constexpr (VersionedTensor<T>) {
      if (const std::uint64_t now = version_of(payload.tensor); now != payload.version) {
        refuse_change(value, reader, versions(payload.version, now));
      }
    }
    if (looks_inside) check_content(value, payload.tensor, reader);
  }
  /// Checks the content of a gradient that a backward is about to read.
  /// @throws ReplayMismatch if it is not what was made or added to last.
  void check_content(value_id value, const T& tensor, const Operation& reader) const {
    if constexpr (ChecksummableTensor<T>) {
      if (!verifies_ || !checksums_[value] || *checksums_[value] == checksum_of(tensor)) return;
      refuse_change(value, reader, "its checksum is another one");
    }
  }
  /// Checks a node's saved state, which its backward is about to read.
  /// @param version that of the state when it was saved
  /// @throws ReplayMismatch if a tensor of it was changed in place since it was saved.
  void check_saved(std::size_t node, const S& saved, std::uint64_t version,
                   const Operation& reader) const {
    const value_id value = lowered_.saved[node];
    const bool is_counted = value != LoweredGraph::no_value;
    if (saved_versions(saved) != version) {
      refuse_saved(node, reader, "a tensor of it has another version");
    }
    if (!verifies_) return;
    const std::optional<std::uint64_t>& original =
        is_counted ? checksums_[value] : uncounted_checksums_[node];
    if (original && *original != saved_checksum(saved)) {
      refuse_saved(node, reader, "its checksum is another one");
    }
  }

 private:
  struct Input {
    const void* storage;
    std::uint64_t version;
  };

  [[nodiscard]] const Program& program() const { return lowered_.program; }

  [[nodiscard]] static std::uint64_t checksum_of(const T& tensor) {
    if (tensor_traits<T>::storage(tensor) == nullptr) return 0;
    return static_cast<std::uint64_t>(tensor_traits<T>::checksum(tensor));
  }

  void compare(value_id value, std::uint64_t checksum) {
    std::optional<std::uint64_t>& original = checksums_[value];
    if (!original) original = checksum;
    if (*original != checksum)
      refuse_other(program().values()[value].node, program().describe(value));
  }

  [[nodiscard]] std::string layer_of(std::size_t node) const {
    return layer_name(graph_, static_cast<NodeTraits>(graph_.traits(node)).layer);
  }
  [[nodiscard]] static std::string versions(std::uint64_t then, std::uint64_t now) {
    return "its version was " + std::to_string(then) + " and is " + std::to_string(now);
  }

  [[noreturn]] void refuse_other(std::size_t node, const std::string& what) const {
    throw ReplayMismatch(layer_of(node) + ": " + what + " differs from its original");
  }
  [[noreturn]] void refuse_change(value_id value, const Operation& reader,
                                  const std::string& how) const {
    const Value& v = program().values()[value];
    const bool is_input = v.kind == ValueKind::input;
    refuse((is_input || v.node == Value::no_node ? std::string() : layer_of(v.node) + ": ") +
               program().describe(value) + " was changed in place since " +
               (is_input ? "the pass began" : "it was made"),
           reader, how);
  }
  [[noreturn]] void refuse_saved(std::size_t node, const Operation& reader,
                                 const std::string& how) const {
    refuse(layer_of(node) + ": saved state of node " + std::to_string(node) +
               " was changed in place since it was saved",
           reader, how);
  }
  [[noreturn]] static void refuse(const std::string& what, const Operation& reader,
                                  const std::string& how) {
    throw ReplayMismatch(what + ": " + how + ", and the " + describe(reader.kind) +
                         std::to_string(reader.node) + " reads it");
  }

  const G& graph_;
  const LoweredGraph& lowered_;
  bool verifies_;
  std::vector<Input> inputs_;                                      ///< when the pass began
  std::vector<std::optional<std::uint64_t>> checksums_;            ///< by value
  std::vector<std::optional<std::uint64_t>> uncounted_checksums_;  ///< by node: saved, of no value
};

}  // namespace reprise::inline v0::running
