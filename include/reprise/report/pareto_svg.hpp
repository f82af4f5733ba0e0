// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A picture of what memory costs in time.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <reprise/core/units.hpp>
#include <reprise/report/axis.hpp>
#include <reprise/report/svg.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::inline v0 {

/// What one run needed.
struct ParetoPoint {
  byte_count memory = 0;  ///< bytes
  double overhead = 1;    ///< its time divided by the time without recomputation
};

/// The runs of one policy.
struct ParetoSeries {
  std::string name{};                 ///< in the legend
  std::vector<ParetoPoint> points{};  ///< in any order
  std::string note{};                 ///< one more short line in the legend, or empty
};

/// What the picture says besides its numbers.
struct ParetoLabels {
  std::string_view title = "";  ///< above the picture
  byte_count baseline = 0;      ///< what the program needs without recomputation; 0 is not drawn
};

namespace pareto_picture {

/// Told apart without seeing colours, by their shapes.
struct Marker {
  std::string_view colour;
  std::size_t corners;
  double turn;  ///< of the first corner from the right, in parts of a full turn
};

inline constexpr std::array markers{
    Marker{"#0072b2", 24, 0},   Marker{"#d55e00", 4, 0.125}, Marker{"#009e73", 3, 0.25},
    Marker{"#cc79a7", 4, 0},    Marker{"#6a3d9a", 3, 0.75},  Marker{"#b8860b", 5, 0.25},
    Marker{"#333333", 6, 0},    Marker{"#56b4e9", 3, 0},     Marker{"#7f7f7f", 3, 0.5},
    Marker{"#8b4513", 5, 0.75}, Marker{"#1b9e77", 6, 0.25},  Marker{"#e7298a", 24, 0},
};

inline constexpr double width = 960;
inline constexpr double left = 84;
inline constexpr double right = 700;
inline constexpr double top = 64;
inline constexpr double least_bottom = 470;
inline constexpr double legend_left = 728;
inline constexpr double legend_entry = 38;
inline constexpr std::string_view frame_colour = "#999999";
inline constexpr std::string_view grid_colour = "#e6e6e6";

/// Draws the picture part by part.
class Painter {
 public:
  Painter(std::span<const ParetoSeries> series, const ParetoLabels& labels)
      : series_(series),
        labels_(labels),
        bottom_(std::max(least_bottom, top + legend_entry * static_cast<double>(series.size()))),
        svg_(width, bottom_ + 70, labels.title) {
    byte_count most_memory = std::max<byte_count>(labels.baseline, 1);
    double most_overhead = 1.05;
    for (const ParetoSeries& one : series) {
      for (const ParetoPoint& point : one.points) {
        most_memory = std::max(most_memory, point.memory);
        most_overhead = std::max(most_overhead, point.overhead);
      }
    }
    unit_ = byte_unit(most_memory);
    memory_ = {.low = 0,
               .high = static_cast<double>(most_memory) / unit_.size * 1.04,
               .start = left,
               .end = right};
    const double room = (most_overhead - 1) * 0.06;
    overhead_ = {.low = 1 - room, .high = most_overhead + room, .start = bottom_, .end = top};
  }

  [[nodiscard]] std::string paint() {
    svg_.text({left, 34}, labels_.title, {.size = 17, .is_bold = true});
    paint_memory_axis();
    paint_overhead_axis();
    if (labels_.baseline > 0) paint_baseline();
    svg_.rectangle({left, top}, {right, bottom_}, {.stroke = frame_colour});
    for (std::size_t i = 0; i < series_.size(); ++i) paint_series(i);
    return svg_.str();
  }

 private:
  void paint_memory_axis() {
    const double step = tick_step(memory_.high, 10);
    for_each_tick(memory_, step, [&](double value) {
      const double x = memory_.at(value);
      svg_.line({x, top}, {x, bottom_}, {.stroke = grid_colour});
      svg_.text({x, bottom_ + 20}, tick_label(value, step), {.anchor = "middle"});
    });
    svg_.text({(left + right) / 2, bottom_ + 46}, "peak memory (" + std::string(unit_.name) + ")",
              {.anchor = "middle"});
  }

  void paint_overhead_axis() {
    const double step = tick_step(overhead_.high - overhead_.low, 8);
    for_each_tick(overhead_, step, [&](double value) {
      const double y = overhead_.at(value);
      svg_.line({left, y}, {right, y}, {.stroke = grid_colour});
      svg_.text({left - 8, y + 4}, tick_label(value, step), {.anchor = "end"});
    });
    svg_.text({26, (top + bottom_) / 2}, "overhead (time ÷ time without recomputation)",
              {.anchor = "middle", .is_upright = true});
  }

  void paint_baseline() {
    const double x = memory_.at(static_cast<double>(labels_.baseline) / unit_.size);
    svg_.line({x, top}, {x, bottom_}, {.stroke = "#555555", .stroke_width = 1.5, .dashes = "6 4"});
    svg_.text({right, top - 8}, "dashed: baseline " + format_bytes(labels_.baseline),
              {.anchor = "end", .size = 12, .fill = "#555555"});
  }

  void paint_series(std::size_t i) {
    const ParetoSeries& one = series_[i];
    const Marker& marker = markers[i % markers.size()];
    std::vector<ParetoPoint> points = one.points;
    std::ranges::sort(points, {}, &ParetoPoint::memory);
    std::vector<SvgPoint> places;
    places.reserve(points.size());
    for (const ParetoPoint& point : points) {
      places.push_back({memory_.at(static_cast<double>(point.memory) / unit_.size),
                        overhead_.at(point.overhead)});
    }
    svg_.polyline(places, {.stroke = marker.colour, .stroke_width = 1.5});
    for (const SvgPoint& place : places) paint_marker(place, marker);

    const double y = top + 6 + legend_entry * static_cast<double>(i);
    svg_.line({legend_left, y}, {legend_left + 30, y},
              {.stroke = marker.colour, .stroke_width = 1.5});
    paint_marker({legend_left + 15, y}, marker);
    svg_.text({legend_left + 40, y + 4}, one.name);
    svg_.text({legend_left + 40, y + 19}, one.note, {.size = 11, .fill = "#777777"});
  }

  void paint_marker(SvgPoint centre, const Marker& marker) {
    std::vector<SvgPoint> corners;
    for (std::size_t i = 0; i < marker.corners; ++i) {
      const double part = static_cast<double>(i) / static_cast<double>(marker.corners);
      const double angle = 2 * std::numbers::pi * (part + marker.turn);
      const double radius = marker.corners > 6 ? 4.5 : 5.5;
      corners.push_back({centre.x + radius * std::cos(angle), centre.y - radius * std::sin(angle)});
    }
    svg_.polygon(corners, {.fill = marker.colour, .stroke = "#ffffff"});
  }

  std::span<const ParetoSeries> series_;
  ParetoLabels labels_;
  double bottom_;
  Svg svg_;
  AxisUnit unit_;
  Axis memory_;
  Axis overhead_;
};

}  // namespace pareto_picture

/// Overhead over peak memory, a line and a shape of its own for each policy, as SVG. Linear in the
/// points; equal points give equal text.
[[nodiscard]] inline std::string pareto_svg(std::span<const ParetoSeries> series,
                                            const ParetoLabels& labels = {}) {
  return pareto_picture::Painter(series, labels).paint();
}

}  // namespace reprise::inline v0
