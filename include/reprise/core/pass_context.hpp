// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a node's forward and backward may ask about the pass they run in.

#include <cstddef>
#include <cstdint>
#include <reprise/core/hash.hpp>
#include <reprise/core/mutant.hpp>
#include <reprise/core/philox.hpp>

namespace reprise::inline v0 {

/// Why a forward runs.
enum class PassMode : std::uint8_t {
  training,   ///< forward and backward of a training step
  profiling,  ///< the extra forward that measures; state that must move once does not move in it
  inference,  ///< a forward without backward; dropout and its like are off
};

/// The unwanted gradients of a node's inputs in 32 bits: bit i is input i, bit 31 is set if none of
/// input 31 and all beyond is wanted.
/// @param is_unwanted says so of the input with a number
template <class IsUnwanted>
[[nodiscard]] constexpr std::uint32_t unwanted_input_gradients(std::size_t inputs,
                                                               IsUnwanted&& is_unwanted) {
  std::uint32_t bits = 0;
  for (std::size_t i = 0; i < inputs && i < 31; ++i) bits |= is_unwanted(i) ? 1U << i : 0U;
  std::size_t i = 31;
  while (i < inputs && is_unwanted(i)) ++i;
  if (inputs > 31 && i == inputs) bits |= 1U << 31U;
  return bits;
}

/// The facts of a pass that a node's recompute and backward must agree on with its forward.
///
/// The same for the original forward, for each recompute and for the backward of a node, except for
/// `is_recompute`.
class PassContext {
 public:
  /// What names a pass: the same identity gives the same random streams.
  struct Identity {
    std::uint64_t seed = 0;         ///< of all passes of a run
    std::uint64_t step = 0;         ///< training steps before this pass
    std::uint64_t micro_batch = 0;  ///< its number within the step
  };

  /// What the pass knows of the node that it is about to run.
  struct NodeFacts {
    std::uint32_t node = 0;                      ///< its index in the graph
    bool is_recompute = false;                   ///< its forward has run before in this pass
    bool will_recompute = false;                 ///< what it saves will be dropped and recomputed
    bool wants_parameter_gradients = true;       ///< false for a frozen node
    bool may_skip_output = false;                ///< nobody reads the output of this recompute
    std::uint32_t unwanted_input_gradients = 0;  ///< see `unwanted_input_gradients()`
  };

  constexpr PassContext() noexcept = default;
  /// The context of one pass, before it enters a node.
  constexpr PassContext(Identity identity, PassMode mode) noexcept
      : identity_(identity), mode_(mode) {}

  /// Points the context at a node; called by whoever runs the nodes.
  constexpr void enter(const NodeFacts& facts) noexcept { facts_ = facts; }
  /// Points the context at the next operation; called by engines that number them as they run.
  constexpr void enter_next() noexcept { ++facts_.node; }
  /// What `enter` was last given, with the node of now.
  [[nodiscard]] constexpr const NodeFacts& facts() const noexcept { return facts_; }

  /// The seed of the run, the same in all its passes.
  [[nodiscard]] constexpr std::uint64_t seed() const noexcept { return identity_.seed; }
  /// The training step that the pass belongs to.
  [[nodiscard]] constexpr std::uint64_t step() const noexcept { return identity_.step; }
  /// The number of the pass within its step.
  [[nodiscard]] constexpr std::uint64_t micro_batch() const noexcept {
    return identity_.micro_batch;
  }
  /// The index of the node that runs.
  [[nodiscard]] constexpr std::uint32_t node() const noexcept { return facts_.node; }

  /// True while a forward runs again: running statistics must not move a second time.
  [[nodiscard]] constexpr bool is_recompute() const noexcept { return facts_.is_recompute; }
  /// True in the extra forward that measures: running statistics move in the real one.
  [[nodiscard]] constexpr bool is_profiling() const noexcept {
    return mode_ == PassMode::profiling;
  }
  /// False in inference: dropout and its like are off.
  [[nodiscard]] constexpr bool is_training() const noexcept { return mode_ != PassMode::inference; }
  /// True in a forward whose saved state will be dropped and recomputed: it may save nothing now.
  [[nodiscard]] constexpr bool will_recompute() const noexcept { return facts_.will_recompute; }
  /// False for a frozen node, which may save less.
  [[nodiscard]] constexpr bool wants_parameter_gradients() const noexcept {
    return facts_.wants_parameter_gradients;
  }
  /// False if the gradient of this input goes nowhere; the node may return an empty one. From input
  /// 31 on false only if that of none of them goes anywhere.
  [[nodiscard]] constexpr bool wants_input_gradient(std::size_t input) const noexcept {
    return ((facts_.unwanted_input_gradients >> (input < 31 ? input : 31)) & 1U) == 0;
  }
  /// True in a recompute whose output nobody reads, for a node that declares `can_skip_output`: it
  /// must then return empty outputs.
  [[nodiscard]] constexpr bool may_skip_output() const noexcept { return facts_.may_skip_output; }

  /// The random stream of this (seed, step, micro-batch, node). `purpose` separates streams that
  /// one node draws for different things.
  [[nodiscard]] constexpr Philox random(std::uint64_t purpose = 0) const noexcept {
    const bool is_other = facts_.is_recompute && is_broken(Mutant::stream_not_replayed);
    const std::uint64_t key =
        hash_combine(hash_combine(identity_.seed, facts_.node + (is_other ? 1U : 0U)), purpose);
    return {key, hash_combine(identity_.step, identity_.micro_batch)};
  }

 private:
  Identity identity_{};
  PassMode mode_ = PassMode::training;
  NodeFacts facts_{};
};

}  // namespace reprise::inline v0
