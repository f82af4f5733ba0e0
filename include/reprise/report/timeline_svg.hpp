// SPDX-FileCopyrightText: The Reprise authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/// @file
/// A picture of live bytes over time.

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <reprise/core/units.hpp>
#include <reprise/report/axis.hpp>
#include <reprise/report/svg.hpp>
#include <reprise/report/timeline.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace reprise::inline v0 {

/// What a picture of a timeline says besides its numbers.
struct TimelineLabels {
  std::string_view title = "";                ///< above the picture
  byte_count budget = unlimited_bytes;        ///< drawn as a line; `unlimited_bytes` is not
  std::string_view cost_unit = "cost units";  ///< what the program's costs are
};

namespace timeline_picture {

inline constexpr std::string_view first_run_colour = "#7fb2d9";
inline constexpr std::string_view rerun_colour = "#e69f00";
inline constexpr std::string_view budget_colour = "#c0392b";
inline constexpr std::string_view frame_colour = "#999999";
inline constexpr std::string_view grid_colour = "#e6e6e6";

inline constexpr double width = 960;
inline constexpr double height = 460;
inline constexpr double left = 84;
inline constexpr std::size_t columns = 850;  ///< of one pixel
inline constexpr double right = left + static_cast<double>(columns);
inline constexpr double top = 92;
inline constexpr double bottom = 340;
inline constexpr double strip_top = 358;
inline constexpr double strip_bottom = 394;

/// What happens in one pixel of time.
struct Column {
  byte_count most_bytes = 0;
  double rerun_share = 0;  ///< of the pixel's time
};

/// A step of no cost still shows in the pixel where it happens.
[[nodiscard]] inline std::vector<Column> columns_of(std::span<const TimelineStep> steps) {
  std::vector<Column> result(columns);
  const double total = steps.empty() ? 0 : steps.back().end;
  if (total <= 0) return result;
  const auto count = static_cast<double>(columns);
  const auto pixel = [&](double clock) { return clock / total * count; };
  for (const TimelineStep& step : steps) {
    const double start = pixel(step.start);
    const double end = pixel(step.end);
    const auto first = std::min(columns - 1, static_cast<std::size_t>(start));
    const auto last = std::min(columns - 1, static_cast<std::size_t>(end));
    for (std::size_t i = first; i <= last; ++i) {
      const auto x = static_cast<double>(i);
      result[i].most_bytes = std::max(result[i].most_bytes, step.during_bytes);
      if (!step.is_rerun) continue;
      result[i].rerun_share += std::max(0.0, std::min(end, x + 1) - std::max(start, x));
    }
  }
  return result;
}

/// The area under columns `first` to `last`, as steps.
[[nodiscard]] inline std::vector<SvgPoint> area(std::span<const double> heights, std::size_t first,
                                                std::size_t last, double floor) {
  std::vector<SvgPoint> points{{left + static_cast<double>(first), floor}};
  for (std::size_t i = first; i <= last; ++i) {
    if (i == first || heights[i] != heights[i - 1]) {
      points.push_back({left + static_cast<double>(i), points.back().y});
      points.push_back({left + static_cast<double>(i), heights[i]});
    }
  }
  points.push_back({left + static_cast<double>(last + 1), points.back().y});
  points.push_back({left + static_cast<double>(last + 1), floor});
  return points;
}

/// Draws the picture part by part.
class Painter {
 public:
  Painter(std::span<const TimelineStep> steps, const TimelineLabels& labels)
      : labels_(labels), columns_(columns_of(steps)), svg_(width, height, labels.title) {
    for (const TimelineStep& step : steps) {
      peak_ = std::max(peak_, step.during_bytes);
      if (step.is_rerun) recomputed_ += step.end - step.start;
    }
    total_ = steps.empty() ? 0 : steps.back().end;
    // A budget far above would leave nothing to see below it.
    shows_budget_ = labels.budget != unlimited_bytes && labels.budget / 2 <= peak_;
    const byte_count largest = std::max(shows_budget_ ? labels.budget : 0, peak_);
    unit_ = byte_unit(largest);
    memory_ = {.low = 0,
               .high = std::max(1.0, static_cast<double>(largest) / unit_.size) * 1.06,
               .start = bottom,
               .end = top};
  }

  [[nodiscard]] std::string paint() {
    paint_head();
    paint_memory_axis();
    paint_memory();
    if (shows_budget_) paint_budget();
    frame(top, bottom);
    paint_recomputation();
    paint_clock_axis();
    return svg_.str();
  }

 private:
  void paint_head() {
    svg_.text({left, 30}, labels_.title, {.size = 17, .is_bold = true});
    std::string facts = "peak " + format_bytes(peak_);
    if (labels_.budget != unlimited_bytes) facts += " of " + format_bytes(labels_.budget);
    if (total_ > recomputed_) {
      const double share = 100 * recomputed_ / (total_ - recomputed_);
      facts += ", recomputed " + tick_label(share, 0.1) + " % of the program";
    }
    svg_.text({left, 50}, facts, {.fill = "#555555"});
    double x = left;
    x = legend(x, first_run_colour, "live memory");
    x = legend(x, rerun_colour, "live memory, mostly recomputing");
    if (!shows_budget_) return;
    svg_.line({x, 72}, {x + 22, 72}, budget_style());
    svg_.text({x + 28, 76}, "budget");
  }

  [[nodiscard]] double legend(double x, std::string_view colour, std::string_view words) {
    svg_.rectangle({x, 66}, {x + 12, 78}, {.fill = colour});
    svg_.text({x + 18, 76}, words);
    return x + 40 + 7 * static_cast<double>(words.size());
  }

  void paint_memory_axis() {
    const double step = tick_step(memory_.high, 6);
    for_each_tick(memory_, step, [&](double value) {
      const double y = memory_.at(value);
      svg_.line({left, y}, {right, y}, {.stroke = grid_colour});
      svg_.text({left - 8, y + 4}, tick_label(value, step), {.anchor = "end"});
    });
    svg_.text({26, (top + bottom) / 2}, "live memory (" + std::string(unit_.name) + ")",
              {.anchor = "middle", .is_upright = true});
  }

  void paint_memory() {
    if (total_ <= 0) return;
    std::vector<double> heights;
    for (const Column& column : columns_) {
      heights.push_back(memory_.at(static_cast<double>(column.most_bytes) / unit_.size));
    }
    const auto is_rerun = [&](std::size_t i) { return columns_[i].rerun_share > 0.5; };
    for (std::size_t first = 0; first < columns;) {
      std::size_t last = first;
      while (last + 1 < columns && is_rerun(last + 1) == is_rerun(first)) ++last;
      svg_.polygon(area(heights, first, last, bottom),
                   {.fill = is_rerun(first) ? rerun_colour : first_run_colour});
      first = last + 1;
    }
  }

  void paint_budget() {
    const double y = memory_.at(static_cast<double>(labels_.budget) / unit_.size);
    svg_.line({left, y}, {right, y}, budget_style());
  }

  void paint_recomputation() {
    if (total_ > 0) {
      const Axis share{.low = 0, .high = 1, .start = strip_bottom, .end = strip_top};
      std::vector<double> heights;
      for (const Column& column : columns_) {
        heights.push_back(share.at(std::round(100 * std::min(1.0, column.rerun_share)) / 100));
      }
      svg_.polygon(area(heights, 0, columns - 1, strip_bottom), {.fill = rerun_colour});
    }
    frame(strip_top, strip_bottom);
    svg_.text({left - 8, strip_top + 9}, "100 %", {.anchor = "end", .size = 11});
    svg_.text({left - 8, strip_bottom}, "0 %", {.anchor = "end", .size = 11});
    svg_.text({right, strip_top - 5}, "share of time spent recomputing",
              {.anchor = "end", .size = 11, .fill = "#555555"});
  }

  void paint_clock_axis() {
    const AxisUnit unit = decimal_unit(total_);
    const Axis clock{
        .low = 0, .high = total_ > 0 ? total_ / unit.size : 1, .start = left, .end = right};
    const double step = tick_step(clock.high, 10);
    for_each_tick(clock, step, [&](double value) {
      const double x = clock.at(value);
      svg_.line({x, strip_bottom}, {x, strip_bottom + 5}, {.stroke = frame_colour});
      svg_.text({x, strip_bottom + 20}, tick_label(value, step), {.anchor = "middle"});
    });
    svg_.text({(left + right) / 2, strip_bottom + 44},
              "time (" + std::string(unit.name) + std::string(labels_.cost_unit) + ")",
              {.anchor = "middle"});
  }

  void frame(double from, double to) {
    svg_.rectangle({left, from}, {right, to}, {.stroke = frame_colour});
  }

  [[nodiscard]] static SvgStyle budget_style() {
    return {.stroke = budget_colour, .stroke_width = 1.5, .dashes = "6 4"};
  }

  TimelineLabels labels_;
  std::vector<Column> columns_;
  Svg svg_;
  byte_count peak_ = 0;
  double recomputed_ = 0;
  double total_ = 0;
  bool shows_budget_ = false;
  AxisUnit unit_;
  Axis memory_;
};

}  // namespace timeline_picture

/// Live bytes over time against the budget, with the time spent recomputing, as SVG. A pixel shows
/// the most that was live in its time, so that no peak is lost. Linear in the timeline; equal
/// timelines give equal text.
[[nodiscard]] inline std::string timeline_svg(std::span<const TimelineStep> steps,
                                              const TimelineLabels& labels = {}) {
  return timeline_picture::Painter(steps, labels).paint();
}

}  // namespace reprise::inline v0
