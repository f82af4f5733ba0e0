// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// The inputs that a checkpoint will be called with again.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ranges>
#include <reprise/core/error.hpp>
#include <reprise/core/hash.hpp>
#include <reprise/core/tensor.hpp>
#include <reprise/run/region.hpp>
#include <reprise/run/saved_value.hpp>
#include <reprise/run/tape_traits.hpp>
#include <string>
#include <tuple>
#include <type_traits>

namespace reprise::inline v0::running {

/// What a wrapper wraps: `type`, for the wrappers that are looked into.
template <class X>
struct Unwrapped {};
template <class X>
struct Unwrapped<std::optional<X>> : std::type_identity<X> {};
template <class X>
struct Unwrapped<std::shared_ptr<X>> : std::type_identity<X> {};
template <class X>
struct Unwrapped<std::reference_wrapper<X>> : std::type_identity<X> {};

/// An optional, a shared pointer or a reference wrapper.
template <class X>
concept Wrapper = requires {
  typename Unwrapped<X>::type;
};

/// A tuple, a pair or an array.
template <class X>
concept TupleLike = requires {
  std::tuple_size<X>::value;
};

/// Whether tensors can be found in a value of this type: in it, or in what it is made of. What an
/// engine's own class or a pointer holds is not looked for.
template <class X>
consteval bool holds_tensors() {
  using Plain = std::remove_cv_t<X>;
  if constexpr (TensorLike<Plain> || HasTapeTraits<Plain>) {
    return true;
  } else if constexpr (Wrapper<Plain>) {
    return holds_tensors<typename Unwrapped<Plain>::type>();
  } else if constexpr (TupleLike<Plain>) {
    return []<std::size_t... i>(std::index_sequence<i...>) {
      return (holds_tensors<std::tuple_element_t<i, Plain>>() || ...);
    }
    (std::make_index_sequence<std::tuple_size_v<Plain>>{});
  } else if constexpr (std::ranges::range<const Plain>) {
    using Element = std::ranges::range_value_t<const Plain>;
    if constexpr (std::is_same_v<Element, Plain>)
      return false;
    else
      return holds_tensors<Element>();
  } else {
    return false;
  }
}

/// Calls `f` with each tensor in a value.
template <class X, class F>
void visit_tensors([[maybe_unused]] const X& value, [[maybe_unused]] const F& f) {
  if constexpr (!holds_tensors<X>()) {
  } else if constexpr (TensorLike<X>) {
    f(value);
  } else if constexpr (HasTapeTraits<X>) {
    f(tape_traits<X>::tensor(value));
  } else if constexpr (Wrapper<X>) {
    if constexpr (requires { *value; }) {
      if (value) visit_tensors(*value, f);
    } else {
      visit_tensors(value.get(), f);
    }
  } else if constexpr (TupleLike<X>) {
    std::apply([&](const auto&... part) { (visit_tensors(part, f), ...); }, value);
  } else {
    for (const auto& part : value) visit_tensors(part, f);
  }
}

/// A hash of the versions of all tensors in a value.
template <class X>
[[nodiscard]] std::uint64_t versions_in(const X& value) {
  std::uint64_t hash = 0;
  visit_tensors(value, [&](const auto& tensor) { hash = hash_combine(hash, version_of(tensor)); });
  return hash;
}
/// A hash of the checksums of all tensors in a value.
template <class X>
[[nodiscard]] std::uint64_t checksums_in(const X& value) {
  std::uint64_t hash = 0;
  visit_tensors(value, [&](const auto& tensor) { hash = hash_combine(hash, checksum_of(tensor)); });
  return hash;
}

/// "input 2 of a checkpoint".
[[nodiscard]] inline std::string checkpoint_input(std::size_t index) {
  return "input " + std::to_string(index) + " of a checkpoint";
}

/// Refuses to run a checkpoint again with an input that is not what it was.
/// @throws ReplayMismatch always
[[noreturn]] inline void refuse_changed_input(std::size_t index, const char* how) {
  throw ReplayMismatch(checkpoint_input(index) +
                       " was changed in place since the checkpoint ran: " + how);
}

/// An input that a rerun will be called with: a copy of whatever is no variable. Tensors in it
/// share their memory with the caller's, where copies do.
template <class V, class Input>
class StoredInput {
 public:
  /// Copies the input.
  /// @param verifies whether checksums are taken of the tensors in it
  StoredInput(const Input& input, bool verifies) : input_(input), versions_(versions_in(input_)) {
    if (verifies) checksums_ = checksums_in(input_);
  }

  /// The input, for a rerun.
  /// @throws ReplayMismatch if a tensor in it was changed in place.
  [[nodiscard]] const Input& load(std::size_t index) const {
    if (versions_in(input_) != versions_) {
      refuse_changed_input(index, "a tensor in it has another version");
    }
    if (checksums_ && checksums_in(input_) != *checksums_) {
      refuse_changed_input(index, "a tensor in it has another checksum");
    }
    return input_;
  }

 private:
  Input input_;
  std::uint64_t versions_;
  std::optional<std::uint64_t> checksums_;
};

/// A variable's tensor is saved as operations save theirs: an enclosing checkpoint recomputes it.
template <TapeVariable V>
class StoredInput<V, V> {
 public:
  using traits = tape_traits<V>;

  /// Saves the variable's tensor.
  /// @param verifies whether its checksum is taken
  StoredInput(const V& variable, bool verifies)
      : variable_(traits::rebind(variable, typename traits::tensor_type{})),
        tensor_(traits::saver(traits::tape(variable)).save(traits::tensor(variable))) {
    if (verifies) checksum_ = checksum_of(traits::tensor(variable));
  }

  /// The variable, for a rerun.
  /// @throws ReplayMismatch if its tensor was changed in place; and as `SavedValue::get`
  [[nodiscard]] V load(std::size_t index) const {
    V variable = traits::rebind(variable_, tensor_.get(checkpoint_input(index)));
    if (checksum_ && checksum_of(traits::tensor(variable)) != *checksum_) {
      refuse_changed_input(index, "its checksum is another one");
    }
    tensor_.unload();
    return variable;
  }

 private:
  V variable_;
  SavedValue<typename traits::tensor_type> tensor_;
  std::optional<std::uint64_t> checksum_;
};

}  // namespace reprise::inline v0::running
