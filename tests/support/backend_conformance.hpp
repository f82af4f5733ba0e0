// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// What each backend must do; a model whose memory the test reaches is tested by one line. The
/// typed tests of backend/host.cpp look closer, at those of support/backends.hpp.

#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <random>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/squared_norm_factor.hpp>
#include <reprise/core/error.hpp>
#include <string>
#include <utility>
#include <vector>

#include "support/random_tensors.hpp"
#include "support/seed.hpp"

namespace reprise_test {

/// What a backend does wrong, asked for one part of the concept after the other.
template <reprise::Backend B>
class BackendFaults {
 public:
  /// @param sum_error the relative error that a sum of squares may have
  BackendFaults(B backend, double sum_error, std::mt19937_64& random)
      : backend_(std::move(backend)), sum_error_(sum_error), random_(random) {}

  /// @returns the first fault; empty if there is none
  [[nodiscard]] std::string first() {
    for (const auto part : {&BackendFaults::memory, &BackendFaults::refusals, &BackendFaults::sums,
                            &BackendFaults::non_finite, &BackendFaults::folding,
                            &BackendFaults::loss_scale, &BackendFaults::publishing}) {
      if (std::string fault = (this->*part)(); !fault.empty()) return fault;
    }
    return "";
  }

 private:
  using Buffer = typename B::buffer_type;
  using Doubles = std::vector<double>;

  [[nodiscard]] Doubles read(const Buffer& buffer, std::size_t size) const {
    Doubles host(size);
    backend_.copy_to_host(buffer, host);
    return host;
  }
  [[nodiscard]] Buffer buffer_with(const Doubles& host) {
    Buffer buffer = backend_.make_buffer(host.size());
    backend_.copy_from_host(host, buffer);
    return buffer;
  }
  [[nodiscard]] static std::vector<std::uint64_t> bits(const Doubles& values) {
    std::vector<std::uint64_t> patterns;
    for (const double value : values) patterns.push_back(std::bit_cast<std::uint64_t>(value));
    return patterns;
  }
  template <class F>
  [[nodiscard]] static bool refuses(F&& f) {
    try {
      f();
      return false;
    } catch (const reprise::InvalidArgument&) {
      return true;
    }
  }

  [[nodiscard]] std::string memory() {
    for (const std::size_t size : {0U, 1U, 1000U}) {
      if (read(backend_.make_buffer(size), size) != Doubles(size)) return "a buffer is not zero";
    }
    Buffer buffer = buffer_with({1, 2, 3});
    backend_.copy_from_host(Doubles{7}, buffer);
    if (read(buffer, 3) != Doubles{7, 2, 3}) return "a copy touches more than it was given";
    return read(buffer, 2) == Doubles{7, 2} ? "" : "a copy to the host gives something else";
  }

  [[nodiscard]] std::string refusals() {
    alignas(8) constexpr std::array<float, 4> elements{};
    const reprise::GradientView null{nullptr, 3};
    const reprise::GradientView outside{elements.data(), 3, reprise::ElementType::float32, 2};
    for (const reprise::GradientView& bad : {null, outside}) {
      const std::vector views{bad};
      if (!refuses([&] { backend_.check(views, 2); })) return "it takes a view that is none";
      if (!refuses([&] { static_cast<void>(backend_.make_plan(views, 2)); })) {
        return "it plans for a view that is none";
      }
    }
    if (!refuses([&] { backend_.check(reprise::DeviceLossScale{}); })) {
      return "it takes a loss scale that is nowhere";
    }
    return "";
  }

  [[nodiscard]] std::string sums() {
    for (int round = 0; round < 8; ++round) {
      const auto tensors = random_tensors<std::allocator<double>>(random_, 4096);
      const std::size_t layers = tensors.sums.size();
      const auto plan = backend_.make_plan(tensors.views, layers);
      Buffer whole = buffer_with(Doubles(layers, 5));
      backend_.sum_of_squares(plan, whole);
      const Doubles found = read(whole, layers);
      for (std::size_t layer = 0; layer < layers; ++layer) {
        const double expected = tensors.sums[layer];
        if (!(std::fabs(found[layer] - expected) <= sum_error_ * expected)) {
          return "the sum of a layer is " + std::to_string(found[layer]) + ", not " +
                 std::to_string(expected);
        }
      }
      backend_.sum_of_squares(plan, whole);
      if (bits(read(whole, layers)) != bits(found)) return "summed again, it has other bits";
      Buffer single = buffer_with({5, 5, 5});
      for (std::size_t layer = 0; layer < layers; ++layer) {
        backend_.sum_of_squares(plan, layer, single, 1);
        const Doubles alone = read(single, 3);
        if (alone[0] != 5 || alone[2] != 5) return "the sum of one layer touches others";
        if (bits({alone[1]}) != bits({found[layer]})) return "a layer alone has other bits";
      }
    }
    return "";
  }

  [[nodiscard]] std::string non_finite() {
    for (const float bad :
         {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
          std::numeric_limits<float>::quiet_NaN()}) {
      std::vector<float> elements(5000, 1.0F);
      elements[random_() % elements.size()] = bad;
      const std::vector views{reprise::gradient_view(elements, 0)};
      Buffer sum = backend_.make_buffer(1);
      backend_.sum_of_squares(backend_.make_plan(views, 1), sum);
      const double found = read(sum, 1).front();
      if (std::isnan(bad) ? !std::isnan(found) : !std::isinf(found)) {
        return "what is not finite does not come through";
      }
    }
    return "";
  }

  [[nodiscard]] std::string folding() {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr double huge = std::numeric_limits<double>::max();
    Buffer moments = backend_.make_buffer(4);
    Buffer statistics = backend_.make_buffer(4);
    const auto fold = [&](double factor, const Doubles& sums) {
      const Buffer buffer = buffer_with(sums);
      backend_.update_average(reprise::SmoothingArchetype{}, factor, buffer, moments, statistics);
      static_cast<void>(read(moments, 1));  // the sums stay until they are read
    };
    fold(0.5, {4, 8});
    if (read(moments, 4) != Doubles{2, 4, 1, 0}) return "a step is not folded into the moments";
    fold(1.0, {nan, 1});
    fold(2.0, {1, huge});
    if (read(moments, 4) != Doubles{2, 4, 1, 2}) return "a step that is not finite is folded in";
    fold(1.0, {4, 0});
    if (read(moments, 4) != Doubles{6, 4, 2, 2}) return "a step after a bad one is not folded in";
    return read(statistics, 4) == Doubles{3, 2, 2, 2}
               ? ""
               : "the statistics are not the moments' estimates";
  }

  [[nodiscard]] std::string loss_scale() {
    Buffer known = backend_.make_buffer(3);
    Buffer deferred = backend_.make_buffer(3);
    Buffer statistics = backend_.make_buffer(3);
    float scale = 1;
    for (const float value : {1.0F, 8.0F, 3.7F, 1e-3F}) {
      const reprise::DeviceLossScale place{&scale, 3};
      scale = value;
      backend_.check(place);
      const Buffer sums = buffer_with({2.5});
      const double factor = reprise::squared_norm_factor(value, 3);
      backend_.update_average(reprise::SmoothingArchetype{}, factor, sums, known, statistics);
      backend_.update_average(reprise::SmoothingArchetype{}, place, sums, deferred, statistics);
      if (bits(read(deferred, 3)) != bits(read(known, 3))) {
        return "the loss scale on the device gives another factor";
      }
    }
    scale = 0;
    const Buffer sums = buffer_with({2.5});
    backend_.update_average(reprise::SmoothingArchetype{}, reprise::DeviceLossScale{&scale, 3},
                            sums, deferred, statistics);
    return read(deferred, 3)[2] == 1 ? "" : "a loss scale of zero does not skip the step";
  }

  [[nodiscard]] std::string publishing() {
    auto readback = backend_.make_readback(2);
    if (!backend_.latest(readback).empty()) return "something arrives before it is published";
    Buffer buffer = backend_.make_buffer(2);
    for (std::size_t i = 0; i < 6; ++i) {
      backend_.copy_from_host(Doubles{static_cast<double>(i), 7}, buffer);
      backend_.publish(buffer, readback);
      const auto latest = backend_.latest(readback);
      if (i < B::readback_delay) {
        if (!latest.empty()) return "something arrives before its delay";
      } else if (latest.size() != 2 || latest[1] != 7 ||
                 latest[0] != static_cast<double>(i - B::readback_delay)) {
        return "what arrives is not what was published a delay ago";
      }
    }
    return "";
  }

  B backend_;
  double sum_error_;
  std::mt19937_64& random_;
};

/// What a backend does wrong; empty if it keeps the concept's semantics.
/// @param sum_error the relative error that a sum of squares may have
template <reprise::Backend B>
[[nodiscard]] std::string fault_of_backend(B backend, double sum_error, std::mt19937_64& random) {
  return BackendFaults<B>(std::move(backend), sum_error, random).first();
}

/// Holds a backend to the concept's semantics: a new one is a header and a line with this.
template <reprise::Backend B>
void check_backend(B backend, double sum_error = 1e-13) {
  REPRISE_SEEDED(random);
  const std::string fault = fault_of_backend(std::move(backend), sum_error, random);
  CHECK_MESSAGE(fault.empty(), fault);
}

}  // namespace reprise_test
