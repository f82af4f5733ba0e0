// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What a node saves for its backward, and how Reprise walks through it.

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <ranges>
#include <reprise/core/hash.hpp>
#include <reprise/core/tensor.hpp>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace reprise::inline v0 {

/// The saved state of a node that saves nothing.
struct NothingSaved {};

/// A saved state that only knows how many bytes it holds: it can be dropped, but not looked into.
template <class S>
concept OpaqueState = requires(const S& saved) {
  { saved.bytes() } -> std::convertible_to<byte_count>;
};

/// A saved state that hides its type and answers for what is inside: see `AnySaved`.
template <class S>
concept ErasedState = requires(const S& saved, const void* storage) {
  { saved.counted_bytes() } -> std::convertible_to<byte_count>;
  { saved.holds(storage) } -> std::convertible_to<bool>;
  { saved.checksum() } -> std::convertible_to<std::uint64_t>;
};

namespace saved_state {

struct AnyField {
  template <class T>
  constexpr operator T() const noexcept;  // NOLINT(google-explicit-constructor): must convert
};

struct IgnoreTensor {
  template <class T>
  constexpr void operator()(T&&) const noexcept {}
};

template <class S, std::size_t... I>
consteval bool has_fields(std::index_sequence<I...>) {
  return requires { S{(static_cast<void>(I), AnyField{})...}; };
}

inline constexpr std::size_t most_fields = 12;

template <class S, std::size_t N = most_fields>
consteval std::size_t field_count() {
  if constexpr (N == 0) {
    return 0;
  } else if constexpr (has_fields<S>(std::make_index_sequence<N>{})) {
    return N;
  } else {
    return field_count<S, N - 1>();
  }
}

/// The fields of an aggregate as a tuple of references.
template <class S>
constexpr auto fields(S& s) {
  constexpr std::size_t count = field_count<std::remove_const_t<S>>();
  // clang-format off
  if constexpr (count == 0) { return std::tie(); }
  else if constexpr (count == 1) { auto& [a] = s; return std::tie(a); }
  else if constexpr (count == 2) { auto& [a, b] = s; return std::tie(a, b); }
  else if constexpr (count == 3) { auto& [a, b, c] = s; return std::tie(a, b, c); }
  else if constexpr (count == 4) { auto& [a, b, c, d] = s; return std::tie(a, b, c, d); }
  else if constexpr (count == 5) { auto& [a, b, c, d, e] = s; return std::tie(a, b, c, d, e); }
  else if constexpr (count == 6) { auto& [a, b, c, d, e, f] = s; return std::tie(a, b, c, d, e, f); }
  else if constexpr (count == 7) { auto& [a, b, c, d, e, f, g] = s; return std::tie(a, b, c, d, e, f, g); }
  else if constexpr (count == 8) { auto& [a, b, c, d, e, f, g, h] = s; return std::tie(a, b, c, d, e, f, g, h); }
  else if constexpr (count == 9) { auto& [a, b, c, d, e, f, g, h, i] = s; return std::tie(a, b, c, d, e, f, g, h, i); }
  else if constexpr (count == 10) { auto& [a, b, c, d, e, f, g, h, i, j] = s; return std::tie(a, b, c, d, e, f, g, h, i, j); }
  else if constexpr (count == 11) { auto& [a, b, c, d, e, f, g, h, i, j, k] = s; return std::tie(a, b, c, d, e, f, g, h, i, j, k); }
  else { auto& [a, b, c, d, e, f, g, h, i, j, k, l] = s; return std::tie(a, b, c, d, e, f, g, h, i, j, k, l); }
  // clang-format on
}

template <class S>
concept Scalar = std::is_arithmetic_v<S> || std::is_enum_v<S>;

/// Equal for equal numbers of one type; of a long double, as far as a double holds it.
template <Scalar N>
[[nodiscard]] std::uint64_t bits_of(N number) noexcept {
  if constexpr (std::is_same_v<N, long double>) {
    return bits_of(static_cast<double>(number));
  } else {
    return hash_bytes(std::as_bytes(std::span<const N>(&number, 1)));
  }
}

template <class S>
concept SelfWalking = requires(S& s) {
  s.for_each_tensor(IgnoreTensor{});
};

template <class S>
concept TupleLike = requires {
  std::tuple_size<S>::value;
};

template <class S>
concept Aggregate = std::is_aggregate_v<S> && !TupleLike<S> && !std::ranges::range<S>;

template <class S>
consteval bool is_walkable();

template <class Tuple, std::size_t... I>
consteval bool all_walkable(std::index_sequence<I...>) {
  return (is_walkable<std::remove_cvref_t<std::tuple_element_t<I, Tuple>>>() && ...);
}

template <class S>
consteval bool is_walkable() {
  if constexpr (TensorLike<S> || Scalar<S> || SelfWalking<S> || OpaqueState<S>) {
    return true;
  } else if constexpr (TupleLike<S>) {
    return all_walkable<S>(std::make_index_sequence<std::tuple_size_v<S>>{});
  } else if constexpr (std::ranges::range<S>) {
    return is_walkable<std::ranges::range_value_t<S>>();
  } else if constexpr (Aggregate<S>) {
    using Fields = decltype(fields(std::declval<S&>()));
    return all_walkable<Fields>(std::make_index_sequence<std::tuple_size_v<Fields>>{});
  } else {
    return false;
  }
}

}  // namespace saved_state

/// What a node may save: a tensor; a number; a tuple, range or aggregate (up to 12 fields) of such;
/// a type with `for_each_tensor(f)`; or an opaque one with `bytes()`. Anything else is refused, so
/// that no state ever counts as zero in silence.
template <class S>
concept SavedState = std::movable<S> && std::default_initializable<S> &&
    saved_state::is_walkable<S>();

/// Calls `tensor(t)` for each tensor in a saved state, `opaque(s)` for each opaque part and
/// `scalar(n)` for each number.
template <class S, class OnTensor, class OnOpaque, class OnScalar = saved_state::IgnoreTensor>
requires SavedState<std::remove_const_t<S>>
constexpr void walk_saved(S& saved, OnTensor&& tensor, OnOpaque&& opaque, OnScalar&& scalar = {}) {
  using Plain = std::remove_const_t<S>;
  if constexpr (TensorLike<Plain>) {
    tensor(saved);
  } else if constexpr (saved_state::Scalar<Plain>) {
    scalar(saved);
  } else if constexpr (saved_state::SelfWalking<S>) {
    saved.for_each_tensor(tensor);
  } else if constexpr (OpaqueState<Plain>) {
    opaque(saved);
  } else if constexpr (saved_state::TupleLike<Plain>) {
    std::apply([&](auto&... part) { (walk_saved(part, tensor, opaque, scalar), ...); }, saved);
  } else if constexpr (std::ranges::range<Plain>) {
    for (auto& part : saved) walk_saved(part, tensor, opaque, scalar);
  } else {
    std::apply([&](auto&... part) { (walk_saved(part, tensor, opaque, scalar), ...); },
               saved_state::fields(saved));
  }
}

/// Calls `f(t)` for each tensor of type T in a saved state, in an order that depends on nothing but
/// what the state holds.
template <TensorLike T, class S, class F>
requires SavedState<std::remove_const_t<S>>
constexpr void for_each_saved_tensor(S& saved, F&& f) {
  walk_saved(
      saved,
      [&]<class U>(U& tensor) {
        if constexpr (std::same_as<std::remove_const_t<U>, T>) f(tensor);
      },
      [](auto&) {});
}

/// A handful of storages seen so far; linear search, since a node saves few tensors.
class StorageSet {
 public:
  /// True if `storage` was not in the set before.
  bool insert(const void* storage) {
    if (contains(storage)) return false;
    if (count_ < few_.size()) {
      few_[count_] = storage;
    } else {
      many_.push_back(storage);
    }
    ++count_;
    return true;
  }
  /// Whether this address was inserted. Linear in how many were.
  [[nodiscard]] bool contains(const void* storage) const {
    for (std::size_t i = 0; i < count_ && i < few_.size(); ++i) {
      if (few_[i] == storage) return true;
    }
    for (const void* other : many_) {
      if (other == storage) return true;
    }
    return false;
  }

 private:
  std::array<const void*, 12> few_;
  std::size_t count_ = 0;
  std::vector<const void*> many_;
};

/// The bytes of a saved state that the budget counts: each storage once, parameters not at all.
template <SavedState S>
[[nodiscard]] byte_count saved_bytes(const S& saved) {
  if constexpr (ErasedState<S>) return saved.counted_bytes();
  byte_count bytes = 0;
  StorageSet seen;
  walk_saved(
      saved,
      [&]<class T>(const T& tensor) {
        const void* const storage = tensor_traits<T>::storage(tensor);
        if (storage != nullptr && seen.insert(storage)) bytes += counted_bytes(tensor);
      },
      [&](const auto& opaque) { bytes += static_cast<byte_count>(opaque.bytes()); });
  return bytes;
}

/// True if a tensor inside the saved state lives in `storage`.
template <SavedState S>
[[nodiscard]] bool holds_storage(const S& saved, const void* storage) {
  if constexpr (ErasedState<S>) return saved.holds(storage);
  bool held = false;
  walk_saved(
      saved,
      [&]<class T>(const T& tensor) {
        held = held || (storage != nullptr && tensor_traits<T>::storage(tensor) == storage);
      },
      [](const auto&) {});
  return held;
}

/// A checksum over all tensors and numbers of a saved state, in the order of the walk. Opaque parts
/// and tensors without a checksum do not enter it, nor do numbers beside `for_each_tensor`.
template <SavedState S>
[[nodiscard]] std::uint64_t saved_checksum(const S& saved) {
  if constexpr (ErasedState<S>) return saved.checksum();
  std::uint64_t hash = 0;
  walk_saved(
      saved,
      [&]<class T>(const T& tensor) {
        if constexpr (ChecksummableTensor<T>) {
          // Nobody has to know what an empty tensor's checksum is.
          const bool is_empty = tensor_traits<T>::storage(tensor) == nullptr;
          hash = hash_combine(hash, is_empty ? 0 : tensor_traits<T>::checksum(tensor));
        }
      },
      [](const auto&) {},
      [&](const auto& number) { hash = hash_combine(hash, saved_state::bits_of(number)); });
  return hash;
}

/// A hash of the versions of all tensors of a saved state: another one means that one of them was
/// changed in place. 0 where no tensor has a version.
template <SavedState S>
[[nodiscard]] std::uint64_t saved_versions(const S& saved) {
  if constexpr (ErasedState<S>) {
    if constexpr (requires { saved.versions(); }) return saved.versions();
    return 0;
  }
  std::uint64_t hash = 0;
  walk_saved(
      saved,
      [&]<class T>(const T& tensor) {
        if constexpr (VersionedTensor<T>) hash = hash_combine(hash, version_of(tensor));
      },
      [](const auto&) {});
  return hash;
}

static_assert(SavedState<NothingSaved>);

}  // namespace reprise::inline v0
