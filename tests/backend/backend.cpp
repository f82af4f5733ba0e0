// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0

// What every backend promises, backend by backend; a new one is a header and a line here.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <reprise/backend/backend.hpp>
#include <reprise/backend/block_reduction.hpp>
#include <reprise/backend/device_loss_scale.hpp>
#include <reprise/backend/element_type.hpp>
#include <reprise/backend/gradient_view.hpp>
#include <reprise/backend/host.hpp>
#include <span>
#include <string>
#include <vector>

#include "support/backend_conformance.hpp"
#include "support/backends.hpp"
#include "support/seed.hpp"

namespace {

using reprise::DeviceLossScale;
using reprise::GradientView;

/// Outside of the library: plain loops over plain memory.
struct PlainBackend {
  using buffer_type = std::vector<double>;
  struct gradient_plan {
    std::vector<GradientView> views{};
    std::size_t layers = 0;
  };
  struct readback_type {
    std::vector<double> values{};
    bool is_published = false;
  };
  static constexpr std::size_t readback_delay = 0;

  [[nodiscard]] buffer_type make_buffer(std::size_t size) const { return buffer_type(size); }
  void copy_to_host(const buffer_type& buffer, std::span<double> out) const {
    std::copy_n(buffer.begin(), out.size(), out.begin());
  }
  void copy_from_host(std::span<const double> in, buffer_type& buffer) const {
    std::copy(in.begin(), in.end(), buffer.begin());
  }

  void check(std::span<const GradientView> views, std::size_t layers) const {
    reprise::check_gradients(views, layers);
  }
  void check(const DeviceLossScale& scale) const { reprise::check_scale(scale); }
  [[nodiscard]] gradient_plan make_plan(std::span<const GradientView> views,
                                        std::size_t layers) const {
    check(views, layers);
    return {{views.begin(), views.end()}, layers};
  }
  void sum_of_squares(const gradient_plan& plan, buffer_type& sums) const {
    for (std::size_t layer = 0; layer < plan.layers; ++layer) {
      sum_of_squares(plan, layer, sums, layer);
    }
  }
  void sum_of_squares(const gradient_plan& plan, std::size_t layer, buffer_type& sums,
                      std::size_t at) const {
    sums[at] = sum_of<double>(plan, layer);
  }

  template <class Smoothing, class Factor>
  void update_average(const Smoothing& smoothing, const Factor& factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) const {
    const reprise::StatisticsLayout layout{moments.size() - 2};
    const auto fold = [&](const auto& norm) {
      reprise::update_step(reprise::OneThread{}, smoothing, norm, layout, sums.data(),
                           moments.data(), statistics.data());
    };
    if constexpr (reprise::NormFactor<Factor>) {
      fold(factor);
    } else {
      fold(reprise::KnownFactor{factor});
    }
  }

  [[nodiscard]] readback_type make_readback(std::size_t size) const {
    return {std::vector<double>(size), false};
  }
  void publish(const buffer_type& buffer, readback_type& readback) const {
    std::copy_n(buffer.begin(), readback.values.size(), readback.values.begin());
    readback.is_published = true;
  }
  void note_replays(readback_type&, std::uint64_t) const {}
  [[nodiscard]] std::span<const double> latest(const readback_type& readback) const {
    if (!readback.is_published) return {};
    return readback.values;
  }

 protected:
  /// @tparam Sum what is added up in
  template <class Sum>
  [[nodiscard]] static double sum_of(const gradient_plan& plan, std::size_t layer) {
    Sum sum = 0;
    for (const GradientView& view : plan.views) {
      if (view.layer == layer) {
        for_each(view, [&sum](double element) { sum += static_cast<Sum>(element * element); });
      }
    }
    return static_cast<double>(sum);
  }
  template <class F>
  static void for_each(const GradientView& view, F f) {
    reprise::with_element_type(view.type, [&](auto element) {
      const auto* const bytes = static_cast<const std::byte*>(view.data);
      for (std::size_t i = 0; i < view.size; ++i) {
        std::memcpy(&element, bytes + i * sizeof(element), sizeof(element));
        if constexpr (sizeof(element) == 2) {
          f(static_cast<double>(static_cast<float>(element)));
        } else {
          f(static_cast<double>(element));
        }
      }
    });
  }
};
static_assert(reprise::Backend<PlainBackend>);

struct LeavesOldValues : PlainBackend {
  [[nodiscard]] buffer_type make_buffer(std::size_t size) const { return buffer_type(size, 1.0); }
};
struct TakesWhatComes : PlainBackend {
  void check(std::span<const GradientView>, std::size_t) const {}
  void check(const DeviceLossScale&) const {}
};
struct PlansForWhatComes : PlainBackend {
  [[nodiscard]] gradient_plan make_plan(std::span<const GradientView> views,
                                        std::size_t layers) const {
    return {{views.begin(), views.end()}, layers};
  }
};
/// Has one form of the sums other than the other.
template <class Sums>
struct WithSums : PlainBackend {
  void sum_of_squares(const gradient_plan& plan, buffer_type& sums) const {
    for (std::size_t layer = 0; layer < plan.layers; ++layer) Sums::all(plan, layer, sums);
  }
  void sum_of_squares(const gradient_plan& plan, std::size_t layer, buffer_type& sums,
                      std::size_t at) const {
    Sums::one(plan, layer, sums, at);
  }
};
struct Adds : PlainBackend {
  static void all(const gradient_plan& plan, std::size_t layer, buffer_type& sums) {
    sums[layer] += sum_of<double>(plan, layer);
  }
  static void one(const gradient_plan& plan, std::size_t layer, buffer_type& sums, std::size_t at) {
    sums[at] = sum_of<double>(plan, layer);
  }
};
struct SumsInFloat : PlainBackend {
  static void all(const gradient_plan& plan, std::size_t layer, buffer_type& sums) {
    sums[layer] = sum_of<float>(plan, layer);
  }
  static void one(const gradient_plan& plan, std::size_t layer, buffer_type& sums, std::size_t at) {
    sums[at] = sum_of<float>(plan, layer);
  }
};
struct SumsOneLayerOtherwise : PlainBackend {
  static void all(const gradient_plan& plan, std::size_t layer, buffer_type& sums) {
    sums[layer] = sum_of<double>(plan, layer);
  }
  static void one(const gradient_plan& plan, std::size_t layer, buffer_type& sums, std::size_t at) {
    sums[at] = sum_of<long double>(plan, layer);
  }
};
struct ClearsOthers : SumsOneLayerOtherwise {
  static void one(const gradient_plan& plan, std::size_t layer, buffer_type& sums, std::size_t at) {
    std::fill(sums.begin(), sums.end(), 0.0);
    sums[at] = sum_of<double>(plan, layer);
  }
};
struct SkipsWhatIsNotFinite : PlainBackend {
  static void all(const gradient_plan& plan, std::size_t layer, buffer_type& sums) {
    const double sum = sum_of<double>(plan, layer);
    sums[layer] = std::isfinite(sum) ? sum : 0;
  }
  static void one(const gradient_plan& plan, std::size_t layer, buffer_type& sums, std::size_t at) {
    sums[at] = sum_of<double>(plan, layer);
  }
};
struct FoldsWhateverComes : PlainBackend {
  template <class Smoothing, class Factor>
  void update_average(const Smoothing& smoothing, const Factor& factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) const {
    buffer_type finite = sums;
    std::replace_if(
        finite.begin(), finite.end(), [](double sum) { return std::isnan(sum); }, 0.0);
    PlainBackend::update_average(smoothing, factor, finite, moments, statistics);
  }
};
struct IgnoresTheLossScale : PlainBackend {
  template <class Smoothing, class Factor>
  void update_average(const Smoothing& smoothing, const Factor& factor, const buffer_type& sums,
                      buffer_type& moments, buffer_type& statistics) const {
    if constexpr (reprise::NormFactor<Factor>) {
      PlainBackend::update_average(smoothing, 1.0, sums, moments, statistics);
    } else {
      PlainBackend::update_average(smoothing, factor, sums, moments, statistics);
    }
  }
};
struct IsEarly : PlainBackend {
  static constexpr std::size_t readback_delay = 1;
};
struct IsLate : PlainBackend {
  void publish(const buffer_type& buffer, readback_type& readback) const {
    if (readback.is_published) return;
    PlainBackend::publish(buffer, readback);
  }
};

template <class B>
std::string fault_of(const B& backend) {
  REPRISE_SEEDED(random);
  return reprise_test::fault_of_backend(backend, 1e-12, random);
}

}  // namespace

TEST_CASE("HostBackend<Serial>") {
  using Host = reprise::HostBackend<reprise::Serial>;
  reprise_test::check_backend(Host{}, reprise_test::Machine<Host>::sum_error);
}
TEST_CASE("the device's backend, played") {
  using Played = reprise_test::PlayedDevice<>;
  reprise_test::check_backend(Played{}, reprise_test::Machine<Played>::sum_error);
}
TEST_CASE("a backend of one's own") { reprise_test::check_backend(PlainBackend{}, 1e-12); }

TEST_CASE("a backend that offends against the concept's semantics is found out") {
  CHECK(fault_of(LeavesOldValues{}) == "a buffer is not zero");
  CHECK(fault_of(TakesWhatComes{}) == "it takes a view that is none");
  CHECK(fault_of(PlansForWhatComes{}) == "it plans for a view that is none");
  CHECK(fault_of(WithSums<Adds>{}).starts_with("the sum of a layer is "));
  CHECK(fault_of(WithSums<SumsInFloat>{}).starts_with("the sum of a layer is "));
  CHECK(fault_of(WithSums<SumsOneLayerOtherwise>{}) == "a layer alone has other bits");
  CHECK(fault_of(WithSums<ClearsOthers>{}) == "the sum of one layer touches others");
  CHECK(fault_of(WithSums<SkipsWhatIsNotFinite>{}) == "what is not finite does not come through");
  CHECK(fault_of(FoldsWhateverComes{}) == "a step that is not finite is folded in");
  CHECK(fault_of(IgnoresTheLossScale{}) == "the loss scale on the device gives another factor");
  CHECK(fault_of(IsEarly{}) == "something arrives before its delay");
  CHECK(fault_of(IsLate{}) == "what arrives is not what was published a delay ago");
}
