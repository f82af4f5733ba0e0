// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What each codec must do; a model is tested by one line.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <reprise/backend/element_type.hpp>
#include <reprise/codec/codec.hpp>
#include <reprise/codec/codec_error.hpp>
#include <reprise/codec/exactness.hpp>
#include <reprise/core/philox.hpp>
#include <span>
#include <string>
#include <vector>

#include "support/seed.hpp"

namespace reprise_test {

/// The nearest finite element.
template <class T>
T element(double value) {
  if constexpr (sizeof(T) == 2) {
    constexpr double most = std::is_same_v<T, reprise::float16> ? 65504.0 : 0x1.FEp127;
    return T::from_float(static_cast<float>(std::clamp(value, -most, most)));
  } else {
    constexpr auto most = static_cast<double>(std::numeric_limits<T>::max());
    return static_cast<T>(std::clamp(value, -most, most));
  }
}

/// The number that an element is.
template <class T>
double number(T element) {
  if constexpr (sizeof(T) == 2) {
    return static_cast<double>(static_cast<float>(element));
  } else {
    return static_cast<double>(element);
  }
}

/// Finite elements of some kind or another: ordinary, tiny, huge, far from zero, equal, with
/// outliers, few distinct ones.
template <class T>
std::vector<T> random_elements(std::size_t size, std::mt19937_64& random) {
  std::normal_distribution<double> normal;
  const double scale = std::ldexp(1.0, static_cast<int>(random() % 300) - 155);
  const std::uint64_t kind = random() % 7;
  const double offset = kind == 1 ? normal(random) * 1000 : 0;
  std::vector<T> elements(size);
  for (T& each : elements) {
    double value = offset + normal(random);
    if (kind == 2) value = normal(random) * scale;
    if (kind == 3) value = scale;
    if (kind == 4 && random() % 100 == 0) value *= 1e6;
    if (kind == 5) value = std::round(value) * 0.25;
    if (kind == 6) value = random() % 2 == 0 ? 1e300 : -1e300;
    each = element<T>(value);
  }
  return elements;
}

/// Elements that are zero or one constant.
template <class T>
std::vector<T> random_mask(std::size_t size, std::mt19937_64& random) {
  const T constant = element<T>(1.0 / (0.05 + static_cast<double>(random() % 90) / 100));
  std::vector<T> elements(size, element<T>(0));
  for (T& each : elements) each = random() % 3 == 0 ? constant : each;
  return elements;
}

/// The same bits.
template <class T>
bool is_same(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

/// Where a codec reads elements of type T that it takes.
template <class T>
using MakeElements = std::function<std::vector<T>(std::size_t, std::mt19937_64&)>;

/// Plays a codec.
template <class C, class T>
requires reprise::CodecOf<C, T>
class CodecTrial {
 public:
  CodecTrial(const C& codec, std::mt19937_64& random, MakeElements<T> make)
      : codec_(codec), random_(random), make_(std::move(make)) {}

  /// What is wrong with the codec; empty if nothing is.
  std::string fault() {
    if (std::string found = fault_of_sizes(); !found.empty()) return found;
    for (std::size_t size = 0; size < 2000; size += 1 + random_() % (size < 20 ? 1 : 97)) {
      if (std::string found = fault_of_size(size); !found.empty()) {
        return found + ", of " + std::to_string(size) + " elements";
      }
    }
    return fault_of_mean();
  }

 private:
  static constexpr std::byte untouched{0xA5};
  static constexpr std::size_t margin = 48;

  // Some bytes within others, at any address.
  struct Fenced {
    explicit Fenced(std::size_t size, std::size_t shift)
        : memory(size + 2 * margin, untouched), bytes(memory.data() + margin / 2 + shift, size) {}
    [[nodiscard]] bool is_trespassed() const {
      const auto is_touched = [](std::byte byte) { return byte != untouched; };
      const auto* const first = bytes.data();
      return std::any_of(memory.data(), first, is_touched) ||
             std::any_of(first + bytes.size(), memory.data() + memory.size(), is_touched);
    }
    std::vector<std::byte> memory;
    std::span<std::byte> bytes;
  };

  std::string fault_of_sizes() {
    if (codec_.encoded_bytes(0) != 0) return "nothing takes bytes";
    std::size_t before = 0;
    for (std::size_t size = 1; size < 3000; ++size) {
      const std::size_t bytes = codec_.encoded_bytes(size);
      if (bytes < before) return "more elements take less";
      before = bytes;
    }
    constexpr std::size_t many = 1U << 24U;
    const double bits = 8.0 * static_cast<double>(codec_.encoded_bytes(many)) / many;
    if (std::abs(bits - C::bits) > 1e-4) return "an element takes other than `bits`";
    return "";
  }

  std::vector<std::byte> encoded(const std::vector<T>& in, const reprise::Philox& stream) {
    std::vector<std::byte> code(codec_.encoded_bytes(in.size()));
    codec_.encode(std::span<const T>(in), std::span(code), stream);
    return code;
  }
  std::vector<T> decoded(const std::vector<std::byte>& code, std::size_t size) {
    std::vector<T> out(size);
    codec_.decode(std::span<const std::byte>(code), std::span(out));
    return out;
  }
  reprise::Philox random_stream() { return {random_(), random_()}; }

  std::string fault_of_size(std::size_t size) {
    const std::vector<T> in = make_(size, random_);
    const reprise::Philox stream = random_stream();
    const std::vector<std::byte> code = encoded(in, stream);
    const std::vector<T> out = decoded(code, size);

    const C copy = codec_;
    if (CodecTrial(copy, random_, make_).encoded(in, stream) != code ||
        encoded(in, stream) != code) {
      return "asked again, it encodes otherwise";
    }
    if (!is_same(decoded(code, size), out)) return "asked again, it decodes otherwise";
    for (const T each : out) {
      if (!std::isfinite(number(each))) return "what was finite is not";
    }
    if constexpr (reprise::exactness_of<C, T> == reprise::Exactness::exact) {
      if (!is_same(in, out)) return "it is not exact";
    }
    if constexpr (reprise::exactness_of<C, T> != reprise::Exactness::unbiased) {
      if (!is_same(decoded(encoded(in, random_stream()), size), out)) return "it draws";
    }
    for (const auto check : {&CodecTrial::fault_of_addresses, &CodecTrial::fault_of_refusals}) {
      if (std::string found = (this->*check)(in, code, stream); !found.empty()) return found;
    }
    return size == 0 ? "" : fault_of_strange(in, stream);
  }

  std::string fault_of_addresses(const std::vector<T>& in, const std::vector<std::byte>& code,
                                 const reprise::Philox& stream) {
    Fenced elsewhere(code.size(), random_() % 8);
    codec_.encode(std::span<const T>(in), elsewhere.bytes, stream);
    if (!std::ranges::equal(elsewhere.bytes, code))
      return "at another address it encodes otherwise";
    if (elsewhere.is_trespassed()) return "it writes beside its code";
    for (std::byte& each : elsewhere.bytes) each = static_cast<std::byte>(random_());
    std::vector<T> out(in.size());
    codec_.decode(std::span<const std::byte>(elsewhere.bytes), std::span(out));  // for sanitizers
    return "";
  }

  std::string fault_of_refusals(const std::vector<T>& in, const std::vector<std::byte>& code,
                                const reprise::Philox& stream) {
    for (const std::size_t size : {code.size() + 1, code.size() - (code.empty() ? 0 : 1)}) {
      if (size == code.size()) continue;
      std::vector<std::byte> other(size, untouched);
      std::vector<T> out(in.size());
      if (!is_refused(in.size(), code.size(), size,
                      [&] { codec_.encode(std::span<const T>(in), std::span(other), stream); })) {
        return "it encodes to bytes that do not fit";
      }
      if (std::ranges::count(other, untouched) != static_cast<std::ptrdiff_t>(size)) {
        return "it writes before it refuses";
      }
      if (!is_refused(in.size(), code.size(), size,
                      [&] { codec_.decode(std::span<const std::byte>(other), std::span(out)); })) {
        return "it decodes bytes that do not fit";
      }
    }
    return "";
  }

  template <class F>
  static bool is_refused(std::size_t elements, std::size_t needed, std::size_t given, F call) {
    try {
      call();
    } catch (const reprise::WrongCodeSize& error) {
      return error.needed_bytes() == needed && error.given_bytes() == given &&
             std::string(error.what()).find(std::to_string(elements)) != std::string::npos;
    }
    return false;
  }

  std::string fault_of_strange(std::vector<T> in, const reprise::Philox& stream) {
    const std::size_t at = random_() % in.size();
    const double strange[] = {std::numeric_limits<double>::infinity(),
                              -std::numeric_limits<double>::infinity(),
                              std::numeric_limits<double>::quiet_NaN()};
    for (const double value : strange) {
      std::vector<T> spoilt = in;
      spoilt[at] = not_finite(value);
      try {
        const double came_back = number(decoded(encoded(spoilt, stream), in.size())[at]);
        if (came_back == value || (std::isnan(came_back) && std::isnan(value))) continue;
        return "what is not finite comes back otherwise";
      } catch (const reprise::NotFinite& error) {
        if (error.element() != at) return "it refuses another element";
      } catch (const reprise::NotAMask&) {
      }
    }
    return "";
  }
  static T not_finite(double value) {
    if constexpr (sizeof(T) == 2) {
      return T::from_float(static_cast<float>(value));
    } else {
      return static_cast<T>(value);
    }
  }

  // The mean of each element's error over many streams, in standard errors as the errors
  // themselves have them; the largest of a few hundred stays below six.
  std::string fault_of_mean() {
    if constexpr (reprise::exactness_of<C, T> == reprise::Exactness::unbiased) {
      constexpr std::size_t size = 300;
      constexpr std::size_t draws = 1000;
      std::vector<T> in(size);
      std::normal_distribution<double> normal;
      for (T& each : in) each = element<T>(normal(random_));
      std::vector<double> sum(size);
      std::vector<double> squares(size);
      double largest = 0;
      for (std::size_t draw = 0; draw < draws; ++draw) {
        const std::vector<T> out = decoded(encoded(in, {random_(), draw}), size);
        for (std::size_t i = 0; i < size; ++i) {
          const double error = number(out[i]) - number(in[i]);
          sum[i] += error;
          squares[i] += error * error;
          largest = std::max(largest, std::abs(error));
        }
      }
      double all = 0;
      for (std::size_t i = 0; i < size; ++i) {
        const double mean = sum[i] / draws;
        const double variance = std::max(squares[i] / draws - mean * mean, 0.0);
        // An element next to a code hardly ever goes to the other: its variance is not seen. What
        // elements of 16 bits round off is not noise.
        const double unseen = largest * 12 / draws + (sizeof(T) == 2 ? 0.01 : 1e-6);
        if (std::abs(mean) > 6 * std::sqrt(variance / draws) + unseen) return "it is biased";
        all += mean;
      }
      if (std::abs(all) / size >
          6 * largest / std::sqrt(draws * size) + (sizeof(T) == 2 ? 4e-4 : 0)) {
        return "it is biased as a whole";
      }
    }
    return "";
  }

  C codec_;
  std::mt19937_64& random_;
  MakeElements<T> make_;
};

/// Says how a codec offends against the concept's semantics; empty if it does not.
/// @param make elements that it takes
template <class T, class C>
std::string fault_of_codec(const C& codec, std::mt19937_64& random,
                           MakeElements<T> make = random_elements<T>) {
  return CodecTrial<C, T>(codec, random, std::move(make)).fault();
}

/// Holds a codec to the concept's semantics.
template <class C, class... T>
void check_codec(const C& codec, T... types) {
  REPRISE_SEEDED(random);
  INFO("codec: ", codec.name());
  const auto check = [&]<class Each>(Each) { CHECK(fault_of_codec<Each>(codec, random) == ""); };
  (check(types), ...);
}

}  // namespace reprise_test
