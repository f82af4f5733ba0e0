// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Sets of vector instructions that a machine may have and a compiler may not assume unless told:
/// chosen when the program runs.

#include <concepts>
#include <cstddef>
#include <cstring>
#include <reprise/backend/float16.hpp>
#include <tuple>

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define REPRISE_TARGETS_X86 1
#include <cpuid.h>
#include <immintrin.h>
#else
#define REPRISE_TARGETS_X86 0
#endif

namespace reprise::inline v0::instruction_sets {

/// What `Vector` is.
template <class T, std::size_t N>
struct VectorOf {
  /// The compiler's own.
  using type [[gnu::vector_size(N * sizeof(T))]] = T;
};
/// Of one number.
template <class T>
struct VectorOf<T, 1> {
  using type = T;  ///< itself
};

/// `N` numbers that are calculated with at once; of one number, itself.
///
/// Functions take them by reference: how they are passed by value depends on the instructions that
/// the compiler was told of.
template <class T, std::size_t N>
using Vector = typename VectorOf<T, N>::type;

/// Instructions that code can be compiled for.
///
/// - `lanes<T>`: numbers of type T that one of their registers holds;
/// - `is_available()`: whether this machine has them;
/// - `run(f)`: `f()`, compiled for them if the call operator of f is always inlined;
/// - `widen(to, halves)`: `to` becomes the numbers that so many `float16` at any address stand for;
/// - `narrow(halves, from)`: so many `float16` at any address become the nearest, ties to even.
template <class I>
concept InstructionSet = requires(double (*f)(), Vector<float, I::template lanes<float>>& to,
                                  const std::byte* halves, std::byte* nearest) {
  { I::template lanes<double> } -> std::convertible_to<std::size_t>;
  { I::is_available() } -> std::same_as<bool>;
  { I::run(f) } -> std::same_as<double>;
  I::widen(to, halves);
  I::narrow(nearest, to);
};

/// Numbers one by one, in C++ that every compiler knows; most make vectors of them by themselves.
struct Portable {
  /// Numbers that a register holds.
  template <class T>
  static constexpr std::size_t lanes = 1;
  /// Whether this machine has them.
  static constexpr bool is_available() noexcept { return true; }
  /// `f()`, compiled for them.
  template <class F>
  [[gnu::noinline]] static double run(const F& f) noexcept {
    return f();
  }
  /// `to` becomes the number at `halves`.
  static void widen(float& to, const std::byte* halves) noexcept {
    float16 half;
    std::memcpy(&half, halves, sizeof(half));
    to = static_cast<float>(half);
  }
  /// `halves` becomes the half nearest to the number.
  static void narrow(std::byte* halves, float from) noexcept {
    const float16 half = float16::from_float(from);
    std::memcpy(halves, &half, sizeof(half));
  }
};
static_assert(InstructionSet<Portable>);

#if REPRISE_TARGETS_X86
/// AVX2 and F16C: registers of 32 bytes.
struct Avx2 {
  /// Numbers that a register holds.
  template <class T>
  static constexpr std::size_t lanes = 32 / sizeof(T);
  /// Whether this machine has them.
  static bool is_available() noexcept {
    static const bool has_both = [] {
      unsigned a = 0, b = 0, c = 0, d = 0;
      const bool has_f16c = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
      return has_f16c && __builtin_cpu_supports("avx2") != 0;
    }();
    return has_both;
  }
  /// `f()`, compiled for them.
  template <class F>
  [[gnu::noinline, gnu::flatten, gnu::target("avx2,f16c")]] static double run(const F& f) noexcept {
    return f();
  }
  /// `to` becomes the numbers at `halves`.
  [[gnu::target("avx2,f16c")]] static void widen(Vector<float, 8>& to,
                                                 const std::byte* halves) noexcept {
    __m128i bits;
    std::memcpy(&bits, halves, sizeof(bits));
    to = _mm256_cvtph_ps(bits);
  }
  /// `halves` becomes the halves nearest to the numbers.
  [[gnu::target("avx2,f16c")]] static void narrow(std::byte* halves,
                                                  const Vector<float, 8>& from) noexcept {
    const __m128i bits = _mm256_cvtps_ph(from, _MM_FROUND_TO_NEAREST_INT);
    std::memcpy(halves, &bits, sizeof(bits));
  }
};
static_assert(InstructionSet<Avx2>);

/// AVX-512F: registers of 64 bytes.
struct Avx512 {
  /// Numbers that a register holds.
  template <class T>
  static constexpr std::size_t lanes = 64 / sizeof(T);
  /// Whether this machine has them.
  static bool is_available() noexcept {
    static const bool has = __builtin_cpu_supports("avx512f") != 0;
    return has;
  }
  /// `f()`, compiled for them.
  template <class F>
  [[gnu::noinline, gnu::flatten, gnu::target("avx512f")]] static double run(const F& f) noexcept {
    return f();
  }
  /// `to` becomes the numbers at `halves`.
  [[gnu::target("avx512f")]] static void widen(Vector<float, 16>& to,
                                               const std::byte* halves) noexcept {
    __m256i bits;
    std::memcpy(&bits, halves, sizeof(bits));
    to = _mm512_maskz_cvtph_ps(0xFFFF, bits);  // of the one without a mask GCC 12 warns
  }
  /// `halves` becomes the halves nearest to the numbers.
  [[gnu::target("avx512f")]] static void narrow(std::byte* halves,
                                                const Vector<float, 16>& from) noexcept {
    const __m256i bits = _mm512_maskz_cvtps_ph(0xFFFF, from, _MM_FROUND_TO_NEAREST_INT);
    std::memcpy(halves, &bits, sizeof(bits));
  }
};
static_assert(InstructionSet<Avx512>);

/// All that this compiler knows, the widest first.
using All = std::tuple<Avx512, Avx2, Portable>;
#else
using All = std::tuple<Portable>;
#endif

}  // namespace reprise::inline v0::instruction_sets

#undef REPRISE_TARGETS_X86
