// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// Forms as somebody outside of the library writes them: a codec that halves, one that is not
/// exact, and a mover.

#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <reprise/program/forms/form_option.hpp>
#include <reprise/store/form_call.hpp>
#include <stdexcept>
#include <utility>
#include <vector>

#include "support/random_graph.hpp"

namespace reprise_test {

/// Calls of form makers, one of which may be told to fail.
struct FormFaults {
  std::size_t calls = 0;
  std::optional<std::size_t> throws_at{};
  std::size_t gone_under_way = 0;  ///< forms that were destroyed while a copy was under way

  void call() {
    if (throws_at && calls++ == *throws_at) throw std::runtime_error("the form's own failure");
  }
};

/// Exact, in half of the bytes: the other half is where nobody counts it.
struct Halving {
  struct encoded_type {
    Tensor counted{};
    std::vector<double> numbers{};
  };

  CountingMemory* memory;
  FormFaults* faults;

  [[nodiscard]] reprise::FormOption option(reprise::byte_count bytes) const {
    return {.bytes = bytes / sizeof(double) / 2 * sizeof(double),
            .cost = 1e-7,
            .restorations = {{.cost = 1e-7}}};
  }
  [[nodiscard]] encoded_type make(const Tensor& tensor, const reprise::FormCall&) const {
    faults->call();
    encoded_type encoded{.counted = Tensor(*memory, tensor.size() / 2)};
    encoded.numbers.assign(tensor.data(), tensor.data() + tensor.size());
    return encoded;
  }
  [[nodiscard]] Tensor restore(const encoded_type& encoded, const reprise::FormCall&) const {
    faults->call();
    Tensor tensor(*memory, encoded.numbers.size());
    for (std::size_t i = 0; i < tensor.size(); ++i) tensor[i] = encoded.numbers[i];
    return tensor;
  }
  [[nodiscard]] reprise::byte_count bytes(const encoded_type& encoded) const {
    return encoded.counted.size() * sizeof(double);
  }
};

/// Not exact: numbers of few digits, which depend on what the call names; in half of the bytes. Its
/// second restoration is another one.
struct Rounding : Halving {
  [[nodiscard]] reprise::FormOption option(reprise::byte_count bytes) const {
    reprise::FormOption option = Halving::option(bytes);
    option.exactness = reprise::Exactness::biased;
    option.variance = 1e-6;
    option.restorations.resize(2);
    return option;
  }
  [[nodiscard]] encoded_type make(const Tensor& tensor, const reprise::FormCall& call) const {
    encoded_type encoded = Halving::make(tensor, call);
    for (double& number : encoded.numbers) {
      number = std::round(number * 64) / 64 + 1e-9 * static_cast<double>(call.value);
    }
    return encoded;
  }
};

/// Copies to memory of its own, when somebody waits for it: until then there is nothing to read.
class HostMover {
 public:
  struct encoded_type {
    encoded_type(CountingMemory& host, const double* from, std::size_t size, FormFaults& f)
        : numbers(host, size), source(from), faults(&f) {}
    encoded_type(encoded_type&& other) noexcept
        : numbers(std::move(other.numbers)),
          source(std::exchange(other.source, nullptr)),
          target(std::exchange(other.target, nullptr)),
          faults(other.faults) {}
    encoded_type& operator=(encoded_type&& other) noexcept {
      std::swap(numbers, other.numbers);
      std::swap(source, other.source);
      std::swap(target, other.target);
      std::swap(faults, other.faults);
      return *this;
    }
    encoded_type(const encoded_type&) = delete;
    encoded_type& operator=(const encoded_type&) = delete;
    ~encoded_type() { faults->gone_under_way += source != nullptr || target != nullptr ? 1 : 0; }

    Tensor numbers;                  ///< in the host's memory
    const double* source = nullptr;  ///< of a copy that is under way
    double* target = nullptr;        ///< of one back
    FormFaults* faults;
  };

  HostMover(CountingMemory& device, CountingMemory& host, FormFaults& faults)
      : device_(&device), host_(&host), faults_(&faults) {}

  [[nodiscard]] reprise::FormOption option(reprise::byte_count bytes) const {
    return {.bytes = bytes,
            .memory = reprise::Memory::host,
            .cost = 2e-7,
            .restorations = {{.cost = 2e-7}}};
  }
  [[nodiscard]] encoded_type make(const Tensor& tensor, const reprise::FormCall&) const {
    faults_->call();
    return encoded_type(*host_, tensor.data(), tensor.size(), *faults_);
  }
  [[nodiscard]] Tensor restore(encoded_type& encoded, const reprise::FormCall&) const {
    faults_->call();
    if (encoded.source != nullptr) throw std::logic_error("fetched before it was offloaded");
    Tensor tensor(*device_, encoded.numbers.size());
    for (std::size_t i = 0; i < tensor.size(); ++i) {
      tensor[i] = std::numeric_limits<double>::quiet_NaN();
    }
    encoded.target = tensor.data();
    return tensor;
  }
  [[nodiscard]] reprise::byte_count bytes(const encoded_type& encoded) const {
    return encoded.numbers.size() * sizeof(double);
  }
  void wait(encoded_type& encoded) const {
    const std::size_t bytes = encoded.numbers.size() * sizeof(double);
    if (encoded.source != nullptr) std::memcpy(encoded.numbers.data(), encoded.source, bytes);
    if (encoded.target != nullptr) std::memcpy(encoded.target, encoded.numbers.data(), bytes);
    encoded.source = nullptr;
    encoded.target = nullptr;
  }

 private:
  CountingMemory* device_;
  CountingMemory* host_;
  FormFaults* faults_;
};

}  // namespace reprise_test
